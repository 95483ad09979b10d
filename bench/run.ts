/**
 * `npm run bench`: certificates per second on one core over real HTTP with the durable log, against the floor of raw
 * cryptography measured in the same run, and beside Fulcio where it can be built.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { createBodies, createIssuerKey, type TokenAlgorithm } from './corpus.ts';
import { findFulcio, startFulcio } from './fulcio.ts';
import { floorOf, measureRawCosts, medianCosts, type RawCosts } from './floor.ts';
import { startBenchIssuer } from './issuer.ts';
import type { Measured, Order } from './load.ts';
import { createInstance, startMayfly, type System } from './mayfly.ts';
import { readOptions } from './options.ts';
import { prefill } from './prefill.ts';
import { canPin, cpuSeconds, median, pinned, startUntil, stop } from './process.ts';

/** One row of the table. */
interface Row {
  readonly system: string;
  readonly logSize: number | null;
  readonly tokens: TokenAlgorithm;
  readonly certificatesPerSecond: number;
  readonly cpuMicroseconds: number;
  readonly aloneP50: number;
  readonly aloneP99: number;
  readonly busyP50: number;
  readonly busyP99: number;
}

const options = readOptions(process.argv.slice(2));
const tell = (text: string): void => void process.stderr.write(`${text}\n`);
const work = mkdtempSync(join(tmpdir(), 'mayfly-bench-'));
const BUSY = 64;

const algorithms: readonly TokenAlgorithm[] = ['RS256', 'ES256'];
const keys = algorithms.map(createIssuerKey);
const issuer = await startBenchIssuer(keys);
tell(`making ${options.distinct} distinct token-key-proof sets for each of ${algorithms.join(', ')} …`);
const bodies = new Map(
  keys.map((key) => {
    const file = join(work, `${key.algorithm}.jsonl`);
    writeFileSync(file, createBodies(key, issuer.url, options.distinct).join('\n'));
    return [key.algorithm, file];
  }),
);

const [loader = '', ...loaderArgs] = pinned(options.loadCore, [
  process.execPath,
  join(import.meta.dirname, 'load.js'),
]);
const load = spawn(loader, loaderArgs, { stdio: ['pipe', 'pipe', 'inherit'] });
const answers = createInterface({ input: load.stdout })[Symbol.asyncIterator]();
await answers.next();

async function measure(order: Order): Promise<Measured> {
  load.stdin.write(`${JSON.stringify(order)}\n`);
  const measured = JSON.parse((await answers.next()).value as string) as Measured;
  if (measured.failures > 0) tell(`  ${measured.failures} requests failed: ${measured.firstFailure}`);
  if (measured.certificates === 0) throw new Error(`no certificate was issued: ${measured.firstFailure}`);
  return measured;
}

const floorSamples = { idle: [] as RawCosts[], busy: [] as RawCosts[] };
/** Between the measurements of the systems, so that both see the same machine: with the load's core idle, and with it
 * as busy as it is while the systems are measured. */
async function measureFloor(): Promise<void> {
  tell('measuring the floor …');
  floorSamples.idle.push(measureRawCosts(options.serverCore, 1));
  const busy = pinned(options.loadCore, [process.execPath, join(import.meta.dirname, 'busy.js')]);
  const { child } = await startUntil(busy, (line) => line === 'ready');
  floorSamples.busy.push(measureRawCosts(options.serverCore, 1));
  await stop(child);
}

async function rowsOf(name: string, logSize: number | null, system: System): Promise<Row[]> {
  const rows: Row[] = [];
  await measureFloor();
  for (const tokens of algorithms) {
    const order = { host: system.host, port: system.port, path: '/api/v2/signingCert' };
    const shared = { ...order, bodies: bodies.get(tokens) ?? '', seconds: options.seconds };
    await measure({ ...shared, connections: BUSY, seconds: options.warmup });
    const alone = await measure({ ...shared, connections: 1, seconds: options.seconds / 2 });
    const busy: (Measured & { cpu: number })[] = [];
    for (let round = 0; round < options.rounds; round++) {
      const before = cpuSeconds(system.pid);
      const measured = await measure({ ...shared, connections: BUSY });
      busy.push({ ...measured, cpu: cpuSeconds(system.pid) - before });
    }
    const perSecond = median(busy.map((run) => run.certificates / run.seconds));
    rows.push({
      system: name,
      logSize,
      tokens,
      certificatesPerSecond: Math.round(perSecond),
      cpuMicroseconds: Math.round(median(busy.map((run) => (1e6 * run.cpu) / run.certificates))),
      aloneP50: Number(alone.p50.toFixed(2)),
      aloneP99: Number(alone.p99.toFixed(2)),
      busyP50: Number(median(busy.map((run) => run.p50)).toFixed(1)),
      busyP99: Number(median(busy.map((run) => run.p99)).toFixed(1)),
    });
    tell(`  ${name} ${logSize ?? ''} ${tokens}: ${Math.round(perSecond)}/s`);
  }
  return rows;
}

const rows: Row[] = [];
const data = createInstance(issuer.url);
for (const size of options.sizes) {
  if (size > 0) {
    tell(`growing the log to ${size} entries …`);
    await prefill(data, size);
  }
  const system = await startMayfly(data, options.serverCore);
  rows.push(...(await rowsOf('mayfly, durable log', size, system)));
  await system.close();
}
const fulcio = options.fulcio ? findFulcio(tell) : undefined;
if (fulcio !== undefined) {
  const system = await startFulcio(fulcio, issuer.url, options.serverCore);
  rows.push(...(await rowsOf('fulcio v1.8.8, no log', null, system)));
  await system.close();
}
await stop(load);
issuer.close();

await measureFloor();
const costs = { idle: medianCosts(floorSamples.idle), busy: medianCosts(floorSamples.busy) };
const percent = (row: Row, floor: RawCosts): number =>
  Number(((100 * row.certificatesPerSecond) / floorOf(floor, row.tokens)).toFixed(1));
const floorsOf = (floor: RawCosts): Record<string, number> =>
  Object.fromEntries(algorithms.map((tokens) => [tokens, Math.round(floorOf(floor, tokens))]));
const floors = { idle: floorsOf(costs.idle), busy: floorsOf(costs.busy) };
const machine = {
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: cpus().length,
  pinned: canPin() ? `server on core ${options.serverCore}, load on core ${options.loadCore}` : 'not pinned',
  node: process.versions.node,
};
const results = rows.map((row) => ({
  ...row,
  floorPercent: percent(row, costs.idle),
  busyFloorPercent: percent(row, costs.busy),
}));
writeFileSync(
  options.out,
  `${JSON.stringify({ machine, costs, floors, options, rows: results }, null, 2)}\n`,
);
const { idle, busy } = costs;
console.log(
  `${machine.cpu}, ${machine.cores} cores; ${machine.pinned}; Node ${machine.node}; floor by ${idle.source}`,
);
for (const [name, raw] of Object.entries({ idle, busy })) {
  console.log(
    `with the other core ${name}: P-256 sign ${raw.p256Sign.toFixed(1)} µs, verify ${raw.p256Verify.toFixed(1)}, ` +
      `RSA-2048 verify ${raw.rsa2048Verify.toFixed(1)}; floor ${Math.round(floorOf(raw, 'RS256'))}/s with RS256, ` +
      `${Math.round(floorOf(raw, 'ES256'))}/s with ES256`,
  );
}
console.table(
  results.map((row) => ({
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
