/**
 * Two systems compared on a machine whose speed drifts by a third within minutes: both run at the same time on the same
 * core, each under a load of its own, so that whatever slows one down slows down the other. Only CPU time for a
 * certificate is compared. Two processes of the same program differ by some percent too, by where their code and data
 * happened to come to lie; so both are started anew several times.
 */
import type { LoadGenerator } from './load-generator.ts';
import type { LoadMeasurement } from './load.ts';
import type { System } from './mayfly.ts';
import { cpuSeconds, median } from './process.ts';

/** How the second of two systems compares with the first. */
export interface Comparison {
  /** Microseconds of CPU for an answer, medians over the starts. */
  readonly first: number;
  readonly second: number;
  /** Second ÷ first: the median over the starts. */
  readonly ratio: number;
  /** Of each start, rising. */
  readonly ratios: readonly number[];
}

/** What {@link compare} is to do. */
export interface ComparisonPlan {
  readonly bodies: string;
  /** Where they are sent; default: `/api/v2/signingCert` takes JSON. */
  readonly path?: string | undefined;
  readonly contentType?: string | undefined;
  readonly starts: number;
  /** Of load on both, and of load before it. */
  readonly seconds: number;
  readonly warmup: number;
}

type Start = () => Promise<System>;

/** Connections to each of the two. */
const CONNECTIONS = 32;

/** Compares the CPU that two systems spend on a certificate. */
export async function compare(
  loads: readonly [LoadGenerator, LoadGenerator],
  starts: readonly [Start, Start],
  plan: ComparisonPlan,
): Promise<Comparison> {
  const pairs: [number, number][] = [];
  for (let turn = 0; turn < plan.starts; turn++) pairs.push(await compareOnce(loads, starts, plan));
  const ratios = pairs.map(([first, second]) => second / first).sort((x, y) => x - y);
  return {
    first: median(pairs.map(([first]) => first)),
    second: median(pairs.map(([, second]) => second)),
    ratio: median(ratios),
    ratios,
  };
}

/** Microseconds of CPU for a certificate of both. */
async function compareOnce(
  [loadA, loadB]: readonly [LoadGenerator, LoadGenerator],
  [startA, startB]: readonly [Start, Start],
  { bodies, path = '/api/v2/signingCert', contentType, seconds, warmup }: ComparisonPlan,
): Promise<[number, number]> {
  const [a, b] = [await startA(), await startB()];
  const during = (time: number): Promise<[LoadMeasurement, LoadMeasurement]> => {
    const order = { path, bodies, contentType, connections: CONNECTIONS, seconds: time };
    return Promise.all([
      loadA.measure({ ...order, host: a.host, port: a.port }),
      loadB.measure({ ...order, host: b.host, port: b.port }),
    ]);
  };
  try {
    await during(warmup);
    const before = [cpuSeconds(a.pid), cpuSeconds(b.pid)] as const;
    const [ofA, ofB] = await during(seconds);
    const after = [cpuSeconds(a.pid), cpuSeconds(b.pid)] as const;
    return [
      (1e6 * (after[0] - before[0])) / ofA.certificates,
      (1e6 * (after[1] - before[1])) / ofB.certificates,
    ];
  } finally {
    await Promise.all([a.close(), b.close()]);
  }
}
