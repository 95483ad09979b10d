/** The tables for people. */
import type { TokenAlgorithm } from './corpus.ts';
import type { ControlCost } from './control.ts';
import { floorOf, type RawCosts } from './floor.ts';
import type { Comparison } from './side-by-side.ts';
import { BUSY, type Row } from './throughput.ts';

/** A row with its share of the floor, in percent. */
export type RowWithShare = Row & { readonly floorPercent: number; readonly busyFloorPercent: number };

/** Both floors, as medians of the whole run. */
export interface Floors {
  readonly idle: RawCosts;
  readonly busy: RawCosts;
}

/** The share of the floor that a row reaches. */
export function withShare(row: Row, floors: Floors): RowWithShare {
  const percent = (floor: RawCosts): number =>
    Number(((100 * row.certificatesPerSecond) / floorOf(floor, row.tokens)).toFixed(1));
  return { ...row, floorPercent: percent(floors.idle), busyFloorPercent: percent(floors.busy) };
}

/** Certificates per second that a floor allows, by algorithm. */
export const floorRates = (floor: RawCosts): Record<TokenAlgorithm, number> => ({
  RS256: Math.round(floorOf(floor, 'RS256')),
  ES256: Math.round(floorOf(floor, 'ES256')),
});

/** Prints the floors. */
export function printFloors(floors: Floors): void {
  for (const [name, raw] of Object.entries(floors) as [string, RawCosts][]) {
    const rates = floorRates(raw);
    console.log(
      `with the other core ${name}: P-256 sign ${raw.p256Sign.toFixed(1)} µs, verify ${raw.p256Verify.toFixed(1)}, ` +
        `RSA-2048 verify ${raw.rsa2048Verify.toFixed(1)}; floor ${rates.RS256}/s with RS256, ${rates.ES256}/s with ES256`,
    );
  }
}

/** Prints the rows. */
export function printRows(rows: readonly RowWithShare[]): void {
  console.table(
    rows.map((row) => ({
      system: row.system,
      'log size': row.logSize ?? '–',
      tokens: row.tokens,
      'certs/s': row.certificatesPerSecond,
      '% of floor, other core idle / busy': `${row.floorPercent} / ${row.busyFloorPercent}`,
      'CPU µs/cert': row.cpuMicroseconds,
      'alone p50/p99 ms': `${row.aloneP50} / ${row.aloneP99}`,
      [`${BUSY} conns p50/p99 ms`]: `${row.busyP50} / ${row.busyP99}`,
    })),
  );
}

const percentOf = (ratio: number): string => `${(100 * (ratio - 1)).toFixed(1)} %`;

/** A comparison in a line. */
export const compared = (what: string, { first, second, ratio, ratios }: Comparison): string =>
  `${what}: ${percentOf(ratio)} apart (of ${ratios.length} starts ${ratios.map(percentOf).join(', ')}; ` +
  `${first.toFixed(0)} and ${second.toFixed(0)} µs CPU a certificate)`;

/** Prints what control costs. */
export function printControl({ others, same, many, rule, decision, reload }: ControlCost): void {
  const { calm, reloading } = reload;
  console.log(compared('1 issuer and rule, and the same', same));
  console.log(compared(`1 issuer and rule, and ${others} more`, many));
  console.log(compared('no rule, and one rule', rule));
  console.log(`one decision by one rule, alone in a loop: ${decision.microseconds.toFixed(1)} µs`);
  console.log(
    `${reload.reloads} reloads of ${reload.issuers} issuers under load: ${reload.failures} failed requests; slowest answer ` +
      `of a stretch with a reload ${reloading.slowest} ms (${listed(reloading.slowestOfEach)}), without ${calm.slowest} ms ` +
      `(${listed(calm.slowestOfEach)}); p99 ${reloading.p99} and ${calm.p99} ms`,
  );
}

const listed = (values: readonly number[]): string => values.map((value) => value.toFixed(0)).join(', ');
