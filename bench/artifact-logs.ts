/**
 * Entries about artifacts per second over HTTP with durable storage, through both APIs of Rekor, against the floor of the cryptography that one entry cannot avoid, and beside
 * Sigstore's own log for the second.
 */
import { readFileSync } from 'node:fs';
import {
  certifiedSigner,
  createEntrySigner,
  writeEntries,
  type EntryApi,
  type BenchSigner,
} from './entries.ts';
import { medianCosts, type RawCosts } from './floor.ts';
import type { LoadMeasurement, Order } from './load.ts';
import { admitEverybody, createInstance, startMayfly, type System } from './mayfly.ts';
import { cpuSeconds, median } from './process.ts';
import { findRekorTiles, REKOR_TILES_VERSION, startRekorTiles } from './rekor-tiles.ts';
import { BUSY, measureFloor, type Bench } from './throughput.ts';

/** One way to log entries. Latencies in milliseconds. */
interface EntryRow {
  readonly system: string;
  readonly api: EntryApi;
  readonly connections: number;
  readonly entriesPerSecond: number;
  readonly cpuMicroseconds: number;
  /** Of the signatures of an entry in raw OpenSSL, with the other core as busy as under load. */
  readonly floorMicroseconds: number;
  /** The floor as a share of the CPU: says the same where others use the core, too. */
  readonly cpuFloorPercent: number;
  readonly aloneP50: number;
  readonly aloneP99: number;
  readonly busyP50: number;
  readonly busyP99: number;
}

/** What was measured. */
export type ArtifactLogResults = readonly EntryRow[];

const PATHS: Readonly<Record<EntryApi, string>> = {
  1: '/api/v1/log/entries',
  2: '/api/v2/log/entries',
};

/** Certificates that sign the entries of a row in turns. */
const CERTIFICATES = 50;

/** Of these, a system under 64 connections answers no more a second: no entry is sent twice, for a twin is answered without being logged. */
const MOST_PER_SECOND = 3_000;

/** Seconds of load before a row, at most: each entry of it has to be made beforehand. */
const WARMUP = 10;

/** Connections at which a log that answers once in a while comes to its full rate. */
const CROWD = 1024;

/** What is logged how. */
interface EntryPlan {
  readonly system: string;
  readonly api: EntryApi;
  readonly signers: readonly BenchSigner[];
  readonly floor: (costs: RawCosts) => number;
  readonly connections?: number;
}

/** The signature of an entry is checked in either API; the first signs a timestamp of its own for each. That of the head is shared by all of a batch, and left out. */
const FLOORS: Readonly<Record<EntryApi, (costs: RawCosts) => number>> = {
  1: ({ p256Verify, p256Sign }) => p256Verify + p256Sign,
  2: ({ p256Verify }) => p256Verify,
};

/** Besides, that the CA signed the certificate, and that its log signed for it. */
const ADMITTED =
  (api: EntryApi) =>
  (costs: RawCosts): number =>
    FLOORS[api](costs) + 2 * costs.p256Verify;

/** Measures all of it; `issuer` is the URL of the benchmark's issuer. */
export async function measureArtifactLogs(bench: Bench, issuer: string): Promise<ArtifactLogResults> {
  const { options } = bench;
  const core = options.serverCore;
  const rows: EntryRow[] = [];
  const measured = async (start: () => Promise<System>, plans: (system: System) => Promise<EntryPlan[]>) => {
    const system = await start();
    try {
      for (const plan of await plans(system)) rows.push(await rowOf(bench, plan, system));
    } finally {
      await system.close();
    }
  };
  const signers = [createEntrySigner()];
  const open = createInstance(issuer);
  admitEverybody(open);
  await measured(
    () => startMayfly(open, core),
    () =>
      Promise.resolve(
        ([1, 2] as const).map((api) => ({ system: 'mayfly, any key', api, signers, floor: FLOORS[api] })),
      ),
  );
  const own = createInstance(issuer);
  await measured(
    () => startMayfly(own, core),
    async (system) => {
      const certified = await certifiedSigners(bench, system);
      return ([1, 2] as const).map((api) => ({
        system: 'mayfly, certificates of its CA',
        api,
        signers: certified,
        floor: ADMITTED(api),
      }));
    },
  );
  const program = options.fulcio ? findRekorTiles(bench.log) : undefined;
  if (program !== undefined) {
    // Between the systems, so that both see the same machine.
    await measureFloor(bench);
    const system = `rekor-tiles ${REKOR_TILES_VERSION}, any key`;
    const plan = { system, api: 2, signers, floor: FLOORS[2] } as const;
    await measured(
      () => startRekorTiles(program, core),
      () => Promise.resolve([plan, { ...plan, connections: CROWD }]),
    );
  }
  return rows;
}

async function certifiedSigners({ bodies }: Bench, { host, port }: System): Promise<readonly BenchSigner[]> {
  const file = bodies.get('ES256') ?? '';
  const requests = readFileSync(file, 'utf8').split('\n').slice(0, CERTIFICATES);
  const signers: BenchSigner[] = [];
  for (const request of requests) {
    const { credentials } = JSON.parse(request) as { credentials: { oidcIdentityToken: string } };
    const token = credentials.oidcIdentityToken;
    const claims = Buffer.from(token.split('.')[1] ?? '', 'base64url').toString();
    const { sub } = JSON.parse(claims) as { sub: string };
    signers.push(await certifiedSigner(`http://${host}:${port}`, token, sub));
  }
  return signers;
}

async function rowOf(bench: Bench, plan: EntryPlan, system: System): Promise<EntryRow> {
  const { options, load, log } = bench;
  const { api, signers, connections = BUSY } = plan;
  const warmup = Math.min(options.warmup, WARMUP);
  const seconds = warmup + options.seconds * (options.rounds + 0.5);
  const count = Math.ceil(seconds * MOST_PER_SECOND);
  const order: Omit<Order, 'connections' | 'seconds'> = {
    host: system.host,
    port: system.port,
    path: PATHS[api],
    bodies: writeEntries(api, signers, count),
  };
  const warm = await load.measure({ ...order, connections, seconds: warmup });
  const alone = await load.measure({ ...order, connections: 1, seconds: options.seconds / 2 });
  const busy: (LoadMeasurement & { cpu: number })[] = [];
  for (let round = 0; round < options.rounds; round++) {
    const before = cpuSeconds(system.pid);
    const measured = await load.measure({ ...order, connections, seconds: options.seconds });
    busy.push({ ...measured, cpu: cpuSeconds(system.pid) - before });
  }
  const sent = [warm, alone, ...busy].reduce((sum, run) => sum + run.certificates + run.failures, 0);
  if (sent > count) log(`  ${sent - count} of the entries were sent a second time`);
  const middle = (pick: (run: (typeof busy)[number]) => number): number => median(busy.map(pick));
  const perSecond = Math.round(middle((run) => run.certificates / run.seconds));
  log(`  ${plan.system}, v${api}: ${perSecond} entries/s`);
  const cpu = middle((run) => (1e6 * run.cpu) / run.certificates);
  const floor = plan.floor(medianCosts(bench.floorSamples.busy));
  return {
    system: plan.system,
    api,
    connections,
    entriesPerSecond: perSecond,
    cpuMicroseconds: Math.round(cpu),
    floorMicroseconds: Math.round(floor),
    cpuFloorPercent: Number(((100 * floor) / cpu).toFixed(1)),
    aloneP50: Number(alone.p50.toFixed(2)),
    aloneP99: Number(alone.p99.toFixed(2)),
    busyP50: Number(middle((run) => run.p50).toFixed(1)),
    busyP99: Number(middle((run) => run.p99).toFixed(1)),
  };
}

/** Prints what was measured. */
export function printArtifactLogs(rows: ArtifactLogResults): void {
  console.table(
    rows.map((row) => ({
      system: row.system,
      API: `v${row.api}`,
      connections: row.connections,
      'entries/s': row.entriesPerSecond,
      'CPU µs, floor µs, its %': `${row.cpuMicroseconds}, ${row.floorMicroseconds}, ${row.cpuFloorPercent}`,
      'alone p50/p99 ms': `${row.aloneP50} / ${row.aloneP99}`,
      'busy p50/p99 ms': `${row.busyP50} / ${row.busyP99}`,
    })),
  );
}
