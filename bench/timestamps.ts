/**
 * Timestamps per second over HTTP, against the floor of one P-256 signature and beside Sigstore's own authority; and what a
 * flood of them leaves of issuing on the same core.
 */
import { createHash, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { octetString, oid, sequence } from '../core/der-writer.ts';
import { medianCosts } from './floor.ts';
import { startLoadGenerator, type LoadGenerator } from './load-generator.ts';
import type { LoadMeasurement, Order } from './load.ts';
import { createInstance, startMayfly, type System } from './mayfly.ts';
import { cpuSeconds, median } from './process.ts';
import { compare, type Comparison } from './side-by-side.ts';
import { BUSY, measureFloor, type Bench } from './throughput.ts';
import { findTimestampServer, startTimestampServer, TIMESTAMP_SERVER_VERSION } from './timestamp-server.ts';
import { workFolder } from './work-folder.ts';

/** One system. Latencies in milliseconds. */
interface TimestampRow {
  readonly system: string;
  readonly timestampsPerSecond: number;
  /** Of one signature in raw OpenSSL with the other core idle, and as busy as under load. */
  readonly floorPercent: number;
  readonly busyFloorPercent: number;
  readonly cpuMicroseconds: number;
  /** One signature in raw OpenSSL as a share of the CPU of a timestamp: says the same where others use the core, too. */
  readonly cpuFloorPercent: number;
  readonly aloneP50: number;
  readonly busyP50: number;
  readonly busyP99: number;
}

/** What was measured. */
export interface TimestampResults {
  readonly rows: readonly TimestampRow[];
  /** CPU of a timestamp of ours and of Sigstore's authority, both at the same moment on the same core. */
  readonly stock: Comparison | undefined;
  /** Certificates per second alone, and beside as many connections that ask for nothing but timestamps. */
  readonly issuing: { readonly alone: number; readonly beside: number; readonly timestampsBeside: number };
}

const DISTINCT = 2000;

/** A file of requests, in base64: as cosign asks, but with a nonce, so that no two are alike. */
export function timestampBodies(): string {
  const algorithm = sequence(oid('2.16.840.1.101.3.4.2.1'), Uint8Array.of(5, 0));
  const request = (): Uint8Array => {
    const imprint = sequence(algorithm, octetString(createHash('sha256').update(randomBytes(32)).digest()));
    return sequence(Uint8Array.of(2, 1, 1), imprint, Uint8Array.of(2, 8, 1, ...randomBytes(7)));
  };
  const file = join(workFolder('timestamps'), 'timestamps.b64');
  const lines = Array.from({ length: DISTINCT }, () => Buffer.from(request()).toString('base64'));
  writeFileSync(file, lines.join('\n'));
  return file;
}

type Target = Omit<Order, 'connections' | 'seconds'>;

export const TIMESTAMPS = { path: '/api/v1/timestamp', contentType: 'application/timestamp-query' };
const STOCK = `timestamp-server ${TIMESTAMP_SERVER_VERSION}`;

/** Measures all of it. `issuer` is the URL of the benchmark's issuer. */
export async function measureTimestamps(bench: Bench, issuer: string): Promise<TimestampResults> {
  const { options, log } = bench;
  const bodies = timestampBodies();
  const data = createInstance(issuer);
  const mayfly = await startMayfly(data, options.serverCore);
  const rows = [await rowOf(bench, 'mayfly', mayfly, bodies)];
  await mayfly.close();
  const program = options.fulcio ? findTimestampServer(log) : undefined;
  const other = await startLoadGenerator(options.loadCore);
  let stock: Comparison | undefined;
  if (program !== undefined) {
    const system = await startTimestampServer(program, data, options.serverCore);
    rows.push(await rowOf(bench, STOCK, system, bodies));
    await system.close();
    const start = (): Promise<System> => startTimestampServer(program, data, options.serverCore);
    const ours = (): Promise<System> => startMayfly(data, options.serverCore);
    const { path, contentType } = TIMESTAMPS;
    const { seconds, warmup, starts } = options;
    stock = await compare([bench.load, other], [ours, start], {
      bodies,
      path,
      contentType,
      seconds,
      warmup,
      starts,
    });
  }
  const shared = await startMayfly(data, options.serverCore);
  try {
    return { rows, stock, issuing: await issuingBeside(bench, other, shared, bodies) };
  } finally {
    await other.close();
    await shared.close();
  }
}

const target = ({ host, port }: System, bodies: string): Target => ({
  host,
  port,
  bodies,
  ...TIMESTAMPS,
});

async function rowOf(bench: Bench, name: string, system: System, bodies: string): Promise<TimestampRow> {
  const { options, load, log } = bench;
  const order = target(system, bodies);
  await measureFloor(bench);
  await load.measure({ ...order, connections: BUSY, seconds: options.warmup });
  const alone = await load.measure({ ...order, connections: 1, seconds: options.seconds / 2 });
  const busy: (LoadMeasurement & { cpu: number })[] = [];
  for (let round = 0; round < options.rounds; round++) {
    const before = cpuSeconds(system.pid);
    const measured = await load.measure({ ...order, connections: BUSY, seconds: options.seconds });
    busy.push({ ...measured, cpu: cpuSeconds(system.pid) - before });
  }
  const middle = (pick: (run: (typeof busy)[number]) => number): number => median(busy.map(pick));
  const perSecond = Math.round(middle((run) => run.certificates / run.seconds));
  log(`  ${name}: ${perSecond} timestamps/s`);
  const shareOf = (samples: Bench['floorSamples']['idle']): number =>
    Number(((perSecond * medianCosts(samples).p256Sign) / 1e4).toFixed(1));
  const cpu = middle((run) => (1e6 * run.cpu) / run.certificates);
  const signature = medianCosts(bench.floorSamples.busy).p256Sign;
  return {
    system: name,
    timestampsPerSecond: perSecond,
    floorPercent: shareOf(bench.floorSamples.idle),
    busyFloorPercent: shareOf(bench.floorSamples.busy),
    cpuMicroseconds: Math.round(cpu),
    cpuFloorPercent: Number(((100 * signature) / cpu).toFixed(1)),
    aloneP50: Number(alone.p50.toFixed(2)),
    busyP50: Number(middle((run) => run.p50).toFixed(1)),
    busyP99: Number(middle((run) => run.p99).toFixed(1)),
  };
}

/** The two loads run at the same moment, from two generators on one core. */
async function issuingBeside(
  { options, load, bodies }: Bench,
  other: LoadGenerator,
  system: System,
  timestampBodies: string,
): Promise<TimestampResults['issuing']> {
  const [, tokens = ''] = [...bodies][0] ?? [];
  const times = { connections: BUSY, seconds: options.seconds };
  const issuing = {
    host: system.host,
    port: system.port,
    path: '/api/v2/signingCert',
    bodies: tokens,
    ...times,
  };
  await load.measure({ ...issuing, seconds: options.warmup });
  const rate = ({ certificates, seconds }: LoadMeasurement): number => Math.round(certificates / seconds);
  const runs: { alone: number; beside: number; timestampsBeside: number }[] = [];
  for (let round = 0; round < options.rounds; round++) {
    const alone = rate(await load.measure(issuing));
    const [beside, flood] = await Promise.all([
      load.measure(issuing),
      other.measure({ ...target(system, timestampBodies), ...times }),
    ]);
    runs.push({ alone, beside: rate(beside), timestampsBeside: rate(flood) });
  }
  return {
    alone: median(runs.map((run) => run.alone)),
    beside: median(runs.map((run) => run.beside)),
    timestampsBeside: median(runs.map((run) => run.timestampsBeside)),
  };
}

/** Prints what was measured. */
export function printTimestamps({ rows, stock, issuing }: TimestampResults): void {
  console.table(
    rows.map((row) => ({
      system: row.system,
      'timestamps/s': row.timestampsPerSecond,
      '% of one signature, other core idle / busy': `${row.floorPercent} / ${row.busyFloorPercent}`,
      'CPU µs, % of it one signature': `${row.cpuMicroseconds}, ${row.cpuFloorPercent}`,
      'alone p50 ms': row.aloneP50,
      [`${BUSY} conns p50/p99 ms`]: `${row.busyP50} / ${row.busyP99}`,
    })),
  );
  if (stock !== undefined)
    console.log(
      `at the same moment on the same core: ${stock.first.toFixed(0)} µs CPU a timestamp, ${STOCK} ${stock.second.toFixed(0)} ` +
        `(${stock.ratio.toFixed(2)} times as much; of each start ${stock.ratios.map((ratio) => ratio.toFixed(2)).join(', ')})`,
    );
  const share = ((100 * issuing.beside) / issuing.alone).toFixed(0);
  console.log(
    `issuing beside ${BUSY} connections that ask for timestamps alone: ${issuing.beside} certificates/s of ${issuing.alone} ` +
      `(${share} %), with ${issuing.timestampsBeside} timestamps/s`,
  );
}
