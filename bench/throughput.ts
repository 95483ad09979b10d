/** Certificates per second of one system, alone and at 64 connections, with the floor measured between. */
import { join } from 'node:path';
import type { TokenAlgorithm } from './corpus.ts';
import { measureRawCosts, type RawCosts } from './floor.ts';
import type { LoadGenerator } from './load-generator.ts';
import type { LoadMeasurement, Order } from './load.ts';
import type { System } from './mayfly.ts';
import type { BenchOptions } from './options.ts';
import { cpuSeconds, median, pinned, startUntil, stop } from './process.ts';

/** Connections of the busy measurement. */
export const BUSY = 64;

/** One row of the table. Latencies in milliseconds. */
export interface Row {
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

/** What the measurements share. */
export interface Bench {
  readonly options: BenchOptions;
  readonly load: LoadGenerator;
  /** Algorithm of the tokens → file of request bodies. */
  readonly bodies: ReadonlyMap<TokenAlgorithm, string>;
  readonly log: (text: string) => void;
  /** Raw costs, measured again and again: with the load's core idle, and with it as busy as under load. */
  readonly floorSamples: { readonly idle: RawCosts[]; readonly busy: RawCosts[] };
}

/** Measures the floor now: between the systems, so that both see the same machine. Each time takes a quarter of a minute. */
export async function measureFloor({ options, floorSamples, log }: Bench): Promise<void> {
  if (options.floorOnce && floorSamples.idle.length > 0) return;
  log('measuring the floor …');
  floorSamples.idle.push(measureRawCosts(options.serverCore, 1));
  const busy = pinned(options.loadCore, [process.execPath, join(import.meta.dirname, 'busy.js')]);
  const { child } = await startUntil(busy, (line) => line === 'ready');
  floorSamples.busy.push(measureRawCosts(options.serverCore, 1));
  await stop(child);
}

/** The rows of one system. It is warm before the first: the engine compiles what is hot for half a minute. */
export async function rowsOf(
  bench: Bench,
  name: string,
  logSize: number | null,
  system: System,
): Promise<Row[]> {
  const { options, load, log } = bench;
  const rows: Row[] = [];
  await measureFloor(bench);
  for (const [tokens, bodies] of bench.bodies) {
    const order = { host: system.host, port: system.port, path: '/api/v2/signingCert', bodies };
    const seconds = rows.length === 0 ? options.warmup : options.warmup / 4;
    await load.measure({ ...order, connections: BUSY, seconds });
    rows.push(await rowOf(bench, { name, logSize, tokens, order, system }));
    log(`  ${name} ${logSize ?? ''} ${tokens}: ${rows.at(-1)?.certificatesPerSecond ?? 0}/s`);
  }
  return rows;
}

interface Subject {
  readonly name: string;
  readonly logSize: number | null;
  readonly tokens: TokenAlgorithm;
  readonly order: Omit<Order, 'connections' | 'seconds'>;
  readonly system: System;
}

async function rowOf({ options, load }: Bench, subject: Subject): Promise<Row> {
  const { name, logSize, tokens, order, system } = subject;
  const alone = await load.measure({ ...order, connections: 1, seconds: options.seconds / 2 });
  const busy: (LoadMeasurement & { cpu: number })[] = [];
  for (let round = 0; round < options.rounds; round++) {
    const before = cpuSeconds(system.pid);
    const measured = await load.measure({ ...order, connections: BUSY, seconds: options.seconds });
    busy.push({ ...measured, cpu: cpuSeconds(system.pid) - before });
  }
  const middle = (pick: (run: (typeof busy)[number]) => number): number => median(busy.map(pick));
  return {
    system: name,
    logSize,
    tokens,
    certificatesPerSecond: Math.round(middle((run) => run.certificates / run.seconds)),
    cpuMicroseconds: Math.round(middle((run) => (1e6 * run.cpu) / run.certificates)),
    aloneP50: Number(alone.p50.toFixed(2)),
    aloneP99: Number(alone.p99.toFixed(2)),
    busyP50: Number(middle((run) => run.p50).toFixed(1)),
    busyP99: Number(middle((run) => run.p99).toFixed(1)),
  };
}
