/** What a second worker costs and brings: CPU of a certificate and of a timestamp, and the rate on all cores of this machine, which the
 * load generator shares. */
import { cpus } from 'node:os';
import { startLoadGenerator } from './load-generator.ts';
import type { LoadMeasurement } from './load.ts';
import { createInstance, startMayfly, type System } from './mayfly.ts';
import { cpuSeconds, median } from './process.ts';
import { compare, type Comparison } from './side-by-side.ts';
import { BUSY, type Bench } from './throughput.ts';
import { timestampBodies, TIMESTAMPS } from './timestamps.ts';

/** One number of workers, alone on the machine but for the load. Latencies in milliseconds. */
interface WorkersRow {
  readonly workers: number;
  readonly certificatesPerSecond: number;
  readonly cpuMicroseconds: number;
  readonly busyP50: number;
  readonly busyP99: number;
}

/** What was measured. */
export interface WorkersResults {
  readonly rows: readonly WorkersRow[];
  /** One worker, and two, at the same moment on the same cores. */
  readonly certificates: Comparison;
  readonly timestamps: Comparison;
}

const COUNTS = [1, 2] as const;

/** Measures it, with RS256 tokens. `issuer` is the URL of the benchmark's issuer. */
export async function measureWorkers(bench: Bench, issuer: string): Promise<WorkersResults> {
  const { options, load, log } = bench;
  const cores = cpus().map((_, core) => core);
  const data = COUNTS.map(() => createInstance(issuer));
  const start = (workers: number) => (): Promise<System> =>
    startMayfly(data[workers - 1] ?? '', cores, undefined, workers);
  const rows: WorkersRow[] = [];
  for (const workers of COUNTS) rows.push(await rowOf(bench, workers, await start(workers)()));
  log('comparing one worker with two …');
  const other = await startLoadGenerator(options.loadCore);
  const plan = { starts: options.starts, seconds: options.seconds * 2, warmup: options.warmup / 2 };
  const both = [start(1), start(2)] as const;
  const certificates = await compare([load, other], both, {
    ...plan,
    bodies: bench.bodies.get('RS256') ?? '',
  });
  const timestamps = await compare([load, other], both, {
    ...plan,
    ...TIMESTAMPS,
    bodies: timestampBodies(),
  });
  await other.close();
  return { rows, certificates, timestamps };
}

async function rowOf({ options, load, bodies }: Bench, workers: number, system: System): Promise<WorkersRow> {
  const order = {
    host: system.host,
    port: system.port,
    path: '/api/v2/signingCert',
    bodies: bodies.get('RS256') ?? '',
    connections: BUSY,
  };
  await load.measure({ ...order, seconds: options.warmup });
  const busy: (LoadMeasurement & { cpu: number })[] = [];
  for (let round = 0; round < options.rounds; round++) {
    const before = cpuSeconds(system.pid);
    const measured = await load.measure({ ...order, seconds: options.seconds });
    busy.push({ ...measured, cpu: cpuSeconds(system.pid) - before });
  }
  await system.close();
  const middle = (pick: (run: (typeof busy)[number]) => number): number => median(busy.map(pick));
  return {
    workers,
    certificatesPerSecond: Math.round(middle((run) => run.certificates / run.seconds)),
    cpuMicroseconds: Math.round(middle((run) => (1e6 * run.cpu) / run.certificates)),
    busyP50: Number(middle((run) => run.p50).toFixed(1)),
    busyP99: Number(middle((run) => run.p99).toFixed(1)),
  };
}

/** Prints it. */
export function printWorkers({ rows, certificates, timestamps }: WorkersResults): void {
  console.table(
    rows.map((row) => ({
      workers: row.workers,
      'certs/s': row.certificatesPerSecond,
      'CPU µs/cert': row.cpuMicroseconds,
      [`${BUSY} conns p50/p99 ms`]: `${row.busyP50} / ${row.busyP99}`,
    })),
  );
  for (const [what, { first, second, ratio, ratios }] of [
    ['certificate', certificates],
    ['timestamp', timestamps],
  ] as const)
    console.log(
      `CPU of a ${what}, one worker and two at the same moment on the same cores: ${first.toFixed(0)} and ${second.toFixed(0)} µs ` +
        `(${ratio.toFixed(2)} times as much; of each start ${ratios.map((one) => one.toFixed(2)).join(', ')})`,
    );
}
