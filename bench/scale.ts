/**
 * What a long log costs: the same service with a log of each size. CPU of a certificate, time and memory of a start, bytes for a certificate, tiles that are read over HTTP, and `mayfly log check`.
 */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, globSync, lstatSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TILE_WIDTH, tilePath } from '../tlog/format/tile.ts';
import { startLoadGenerator } from './load-generator.ts';
import { createInstance, program, startMayfly, type MayflySystem } from './mayfly.ts';
import { indexWhole, prefill, type Fill } from './prefill.ts';
import { cpuSeconds, median, own } from './process.ts';
import { compare, type Comparison } from './side-by-side.ts';
import { BUSY, type Bench } from './throughput.ts';
import { workFolder } from './work-folder.ts';

/** A log of one size, and the service with it. Times in milliseconds, memory in MiB. */
export interface ScaleRow {
  readonly size: number;
  /** What this run appended; undefined where the log was there. */
  readonly fill: Fill | undefined;
  /** What this run indexed for searches. */
  readonly index: Fill | undefined;
  /** From the start of the program to its line that says that it is ready: the median, the fastest, and the CPU of the median. */
  readonly ready: number;
  readonly readyFastest: number;
  readonly readyCpu: number;
  /** Of a start, opening the log alone: the median, and bytes that it read. */
  readonly opening: number;
  readonly openingBytes: number;
  readonly atRest: number;
  /** After so many certificates, and after twice as many. */
  readonly issued: number;
  readonly afterLoad: number;
  readonly afterMore: number;
  /** The CPU of a certificate beside a log of the first size, at the same moment on the same core; undefined for the first size. */
  readonly cost: Comparison | undefined;
}

/** Bytes on the disk for a certificate, by what they are of. */
interface StoredBytes {
  readonly certificates: number;
  readonly entryTiles: number;
  readonly hashTiles: number;
  readonly searchIndex: number;
  readonly hashIndex: number;
  /** Whatever the number of certificates: `commit.db` with its WAL, which holds the newest entries only. */
  readonly commitStore: number;
}

/** Tiles over HTTP at 64 connections. */
interface TileRow {
  readonly tiles: string;
  readonly perSecond: number;
  readonly cpuMicroseconds: number;
  readonly p50: number;
}

/** One run of `mayfly log check`. */
interface CheckRow {
  readonly size: number;
  readonly by: 'directory' | 'URL';
  readonly entriesPerSecond: number;
  readonly cpuMicroseconds: number;
  /** The most that the process had, in MiB. */
  readonly memory: number;
}

/** What was measured. */
export interface ScaleResults {
  readonly rows: readonly ScaleRow[];
  readonly stored: StoredBytes;
  readonly tiles: readonly TileRow[];
  readonly checks: readonly CheckRow[];
}

/** A data directory with a log of that size. */
interface Grown {
  readonly size: number;
  readonly data: string;
  readonly fill: Fill | undefined;
  readonly index: Fill | undefined;
}

/** Measures it with RS256 tokens. `issuer` is the URL of the benchmark's issuer. */
export async function measureScale(bench: Bench, issuer: string): Promise<ScaleResults> {
  const { options, log } = bench;
  const grown: Grown[] = [];
  for (const size of options.sizes) grown.push(await grow(bench, issuer, size));
  const starts = await measureStarts(bench, grown);
  const rows: ScaleRow[] = [];
  for (const [at, one] of grown.entries()) {
    const { size, data, fill, index } = one;
    log(`memory with ${size} entries …`);
    const memory = await measureMemory(bench, data);
    const [first] = grown;
    const cost = at === 0 || first === undefined ? undefined : await measureCost(bench, first, one);
    const start = starts.get(size);
    if (start !== undefined) rows.push({ size, fill, index, ...start, ...memory, cost });
  }
  const stored = await measureStored(bench, issuer);
  const last = grown.at(-1);
  const tiles = last === undefined ? [] : await measureTiles(bench, last);
  const checks: CheckRow[] = [];
  for (const one of grown.filter(({ size }) => size > 0 && size <= options.checked))
    checks.push(...(await measureChecks(bench, one)));
  return { rows, stored, tiles, checks };
}

/** Fills the log, or what lacks of it where the directory is kept; a run that was interrupted goes on there. */
async function grow({ options, log }: Bench, issuer: string, size: number): Promise<Grown> {
  const kept = options.keep === undefined ? undefined : join(options.keep, String(size), 'data');
  const data = createInstance(issuer, undefined, kept);
  if (size === 0) return { size, data, fill: undefined, index: undefined };
  log(`growing the log to ${size} entries …`);
  const fill = await prefill(data, size, (reached) => {
    log(`  ${reached} of ${size} entries`);
  });
  const index = options.index
    ? await indexWhole(data, (reached) => {
        log(`  ${reached} of ${size} entries are indexed`);
      })
    : NOTHING;
  const made = (one: Fill): Fill | undefined => (one.entries > 0 ? one : undefined);
  return { size, data, fill: made(fill), index: made(index) };
}

const NOTHING: Fill = { entries: 0, seconds: 0, cpuSeconds: 0 };

type Starts = Pick<ScaleRow, 'ready' | 'readyFastest' | 'readyCpu' | 'opening' | 'openingBytes'>;

/** In turns, because the machine drifts. */
async function measureStarts(
  { options, log }: Bench,
  grown: readonly Grown[],
): Promise<ReadonlyMap<number, Starts>> {
  const seen = new Map(
    grown.map(({ size }): [number, StartTimes] => [size, { ready: [], cpu: [], opening: [], bytes: [] }]),
  );
  log('starts …');
  for (let turn = 0; turn < options.starts; turn++)
    for (const { size, data } of grown) {
      const times = seen.get(size);
      const begin = performance.now();
      const system = await startMayfly(data, options.serverCore);
      times?.ready.push(performance.now() - begin);
      times?.cpu.push(cpuSeconds(system.pid) * 1000);
      await system.close();
      const alone = [join(import.meta.dirname, 'open-log.js'), data];
      const opened = execFileSync(process.execPath, alone, { encoding: 'utf8' });
      const { ms, bytes } = JSON.parse(opened) as { ms: number; bytes: number };
      times?.opening.push(ms);
      times?.bytes.push(bytes);
    }
  const rounded = (values: readonly number[]): number => Math.round(median(values));
  return new Map(
    [...seen].map(([size, { ready, cpu, opening, bytes }]) => [
      size,
      {
        ready: rounded(ready),
        readyFastest: Math.round(Math.min(...ready)),
        readyCpu: rounded(cpu),
        opening: rounded(opening),
        openingBytes: rounded(bytes),
      },
    ]),
  );
}

interface StartTimes {
  readonly ready: number[];
  readonly cpu: number[];
  readonly opening: number[];
  readonly bytes: number[];
}

/** Resident MiB now, and the most there was. */
function memoryOf(pid: number): { readonly now: number; readonly most: number } {
  const status = existsSync('/proc') ? readFileSync(`/proc/${pid}/status`, 'utf8') : '';
  const of = (key: string): number =>
    Math.round(Number(new RegExp(`${key}:\\s+(\\d+)`).exec(status)?.[1]) / 1024);
  return { now: of('VmRSS'), most: of('VmHWM') };
}

/** Milliseconds after which what a start leaves for later is done. */
const AT_REST = 2_000;

async function measureMemory(
  bench: Bench,
  data: string,
): Promise<Pick<ScaleRow, 'atRest' | 'issued' | 'afterLoad' | 'afterMore'>> {
  const { options } = bench;
  const system = await startMayfly(data, options.serverCore);
  await new Promise((resolve) => setTimeout(resolve, options.floorOnce ? AT_REST / 10 : AT_REST));
  const atRest = memoryOf(system.pid).now;
  const issued = await issue(bench, system, options.issued);
  const afterLoad = memoryOf(system.pid).now;
  await issue(bench, system, issued);
  const afterMore = memoryOf(system.pid).now;
  await system.close();
  return { atRest, issued, afterLoad, afterMore };
}

/** Lets a service issue that many certificates, about; returns how many there were. */
async function issue({ load, bodies }: Bench, { host, port }: MayflySystem, count: number): Promise<number> {
  const order = {
    host,
    port,
    path: '/api/v2/signingCert',
    bodies: bodies.get('RS256') ?? '',
    connections: BUSY,
  };
  let issued = 0;
  while (issued < count) issued += (await load.measure({ ...order, seconds: 0.3 })).certificates;
  return issued;
}

async function measureCost(bench: Bench, small: Grown, large: Grown): Promise<Comparison> {
  const { options, load, bodies, log } = bench;
  log(`CPU of a certificate with ${small.size} and with ${large.size} entries …`);
  const other = await startLoadGenerator(options.loadCore);
  const { starts, seconds, warmup } = options;
  const systems = [small, large].map(
    ({ data }) =>
      () =>
        startMayfly(data, options.serverCore),
  );
  const [first, second] = systems;
  if (first === undefined || second === undefined) throw new Error('two logs are compared');
  const plan = { bodies: bodies.get('RS256') ?? '', starts, seconds: seconds * 2, warmup: warmup / 2 };
  const cost = await compare([load, other], [first, second], plan);
  await other.close();
  return cost;
}

async function measureStored(bench: Bench, issuer: string): Promise<StoredBytes> {
  bench.log('bytes of a certificate …');
  const data = createInstance(issuer);
  const system = await startMayfly(data, bench.options.serverCore);
  const issued = await issue(bench, system, bench.options.issued);
  await system.close();
  await indexWhole(data);
  const [name = ''] = readdirSync(join(data, 'logs'));
  const log = join(data, 'logs', name);
  // As a file system counts them.
  const bytes = (...patterns: string[]): number =>
    globSync(patterns, { cwd: log })
      .map((file) => lstatSync(join(log, file)))
      .reduce((sum, { blocks }) => sum + 512 * blocks, 0);
  const each = (...patterns: string[]): number => Math.round(bytes(...patterns) / issued);
  return {
    certificates: issued,
    entryTiles: each('tile/data/**'),
    hashTiles: each('tile/[0-9]/**'),
    searchIndex: each('search.db*'),
    hashIndex: each('index.db*'),
    commitStore: bytes('commit.db*'),
  };
}

/** Tiles that are asked for again and again, fewer than a service keeps. */
const FEW = 64;

async function measureTiles(
  { options, load, log }: Bench,
  { size, data }: Grown,
): Promise<readonly TileRow[]> {
  const full = Math.floor(size / TILE_WIDTH);
  if (full === 0) return [];
  log(`tiles of ${size} entries …`);
  const system = await startMayfly(data, options.serverCore);
  const [name = ''] = readdirSync(join(data, 'logs'));
  const folder = workFolder('tiles');
  const rows: TileRow[] = [];
  for (const [level, what] of [
    ['data', 'entries'],
    [0, 'hashes'],
  ] as const)
    for (const [reach, which] of [
      [Math.min(FEW, full), 'the same few'],
      [full, 'any'],
    ] as const) {
      const file = join(folder, `${level}-${reach}`);
      const paths = Array.from({ length: 20_000 }, () => {
        const n = Math.floor(Math.random() * reach);
        return `/log/${name}/${tilePath({ level, n, width: TILE_WIDTH })}`;
      });
      writeFileSync(file, paths.join('\n'));
      const { host, port } = system;
      const order = { host, port, path: '', bodies: file, method: 'GET', connections: READERS } as const;
      await load.measure({ ...order, seconds: options.warmup / 4 });
      const before = cpuSeconds(system.pid);
      const measured = await load.measure({ ...order, seconds: options.seconds });
      const cpu = cpuSeconds(system.pid) - before;
      rows.push({
        tiles: `${what}, ${which}`,
        perSecond: Math.round(measured.certificates / measured.seconds),
        cpuMicroseconds: Math.round((1e6 * cpu) / measured.certificates),
        p50: Number(measured.p50.toFixed(1)),
      });
    }
  await system.close();
  return rows;
}

/** Connections that read tiles: more reads of one client than these would be refused. */
const READERS = 8;

async function measureChecks({ options, log }: Bench, { size, data }: Grown): Promise<readonly CheckRow[]> {
  log(`checking ${size} entries …`);
  const entries = logSize(data);
  const ofDirectory = await checked(['--data', data]);
  const system = await startMayfly(data, options.serverCore);
  const trust = join(workFolder('trust'), 'trust');
  const url = `http://${system.host}:${system.port}`;
  execFileSync(
    process.execPath,
    [program, 'trust', 'export', '--data', data, '--out', trust, '--public-url', url],
    { stdio: 'ignore' },
  );
  const ofUrl = await checked(['--url', url, '--trust', trust]);
  await system.close();
  return [rowOf(size, 'directory', entries, ofDirectory), rowOf(size, 'URL', entries, ofUrl)];
}

const rowOf = (
  size: number,
  by: CheckRow['by'],
  entries: number,
  { seconds, cpu, memory }: Checked,
): CheckRow => ({
  size,
  by,
  entriesPerSecond: Math.round(entries / seconds),
  cpuMicroseconds: Math.round((1e6 * cpu) / entries),
  memory,
});

/** By the second line of the checkpoint (c2sp.org/tlog-checkpoint). */
function logSize(data: string): number {
  const [name = ''] = readdirSync(join(data, 'logs'));
  return Number(readFileSync(join(data, 'logs', name, 'checkpoint'), 'utf8').split('\n')[1]);
}

interface Checked {
  readonly seconds: number;
  readonly cpu: number;
  readonly memory: number;
}

/** Milliseconds between two looks at what a check uses. */
const LOOKS = 50;

/** Rejects when the log is not as it should be. */
async function checked(log: readonly string[]): Promise<Checked> {
  const begin = performance.now();
  const words = [program, 'log', 'check', ...log, '--json'];
  const child = own(spawn(process.execPath, words, { stdio: 'ignore' }));
  let [cpu, memory] = [0, 0];
  const looking = setInterval(() => {
    if (child.pid === undefined || child.exitCode !== null) return;
    cpu = cpuSeconds(child.pid) || cpu;
    memory = memoryOf(child.pid).most || memory;
  }, LOOKS);
  const status = await new Promise((resolve) => child.once('exit', resolve));
  clearInterval(looking);
  if (status !== 0) throw new Error(`mayfly ${words.slice(1).join(' ')} ended with ${String(status)}`);
  return { seconds: (performance.now() - begin) / 1000, cpu, memory };
}

/** Prints it. */
export function printScale({ rows, stored, tiles, checks }: ScaleResults): void {
  const rate = (fill: Fill | undefined): string =>
    fill === undefined
      ? '–'
      : `${Math.round(fill.entries / fill.seconds)}/s, ${((1e6 * fill.cpuSeconds) / fill.entries).toFixed(0)} µs`;
  console.table(
    rows.map((row) => ({
      entries: row.size,
      'appended, CPU': rate(row.fill),
      'indexed, CPU': rate(row.index),
      'ready ms (fastest, CPU)': `${row.ready} (${row.readyFastest}, ${row.readyCpu})`,
      'opening ms': row.opening,
      'read KiB': Math.round(row.openingBytes / 1024),
      'MiB at rest': row.atRest,
      [`MiB after certificates`]: `${row.afterLoad} (${row.issued}), ${row.afterMore} (twice)`,
      'CPU of a certificate': row.cost === undefined ? '–' : `${(100 * (row.cost.ratio - 1)).toFixed(1)} %`,
    })),
  );
  for (const { size, cost } of rows)
    if (cost !== undefined)
      console.log(
        `CPU of a certificate with ${rows[0]?.size ?? 0} and with ${size} entries: ${cost.first.toFixed(0)} and ${cost.second.toFixed(0)} µs ` +
          `(of each start ${cost.ratios.map((ratio) => `${(100 * (ratio - 1)).toFixed(1)} %`).join(', ')})`,
      );
  console.log(
    `bytes of a certificate on the disk, of ${stored.certificates}: ${stored.entryTiles} in tiles of entries, ${stored.hashTiles} in tiles of hashes, ` +
      `${stored.searchIndex} in search.db, ${stored.hashIndex} in index.db; commit.db has ${stored.commitStore} bytes in all`,
  );
  console.table(
    tiles.map((row) => ({
      tiles: row.tiles,
      'tiles/s': row.perSecond,
      'CPU µs': row.cpuMicroseconds,
      [`p50 ms, ${READERS} connections`]: row.p50,
    })),
  );
  console.table(
    checks.map((row) => ({
      'log check': `${row.size} entries by ${row.by}`,
      'entries/s': row.entriesPerSecond,
      'CPU µs/entry': row.cpuMicroseconds,
      'most MiB': row.memory,
    })),
  );
}
