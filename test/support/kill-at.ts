/** Kills a process after each of its changes below a directory, what SQLite does included, or lets the change fail: by a small library that gcc makes, and that is preloaded. A process that goes on reads what is to happen from files. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { projectRoot } from './project-root.ts';

/** Makes the library in `directory`; undefined where there is no compiler for it, or another system than Linux. */
export function killLibrary(directory: string): string | undefined {
  const library = join(directory, 'kill-at.so');
  const source = join(projectRoot, 'test/support/kill-at.c');
  if (process.platform !== 'linux') return undefined;
  try {
    execFileSync('gcc', ['-shared', '-fPIC', '-o', library, source, '-ldl', '-lpthread'], { stdio: 'pipe' });
    return library;
  } catch {
    return undefined;
  }
}

/** How the system fails. */
export type Failure = 'EIO' | 'EMFILE' | 'ENOSPC' | 'EROFS';

/** Files that steer a process while it runs; kill-at.c says how. */
export interface SteeredProcess {
  readonly library: string;
  /** Changes below it count. */
  readonly root: string;
  /** Where {@link orderFault} writes. */
  readonly faultFile: string;
  /** Where the milliseconds are by which the clock is wrong. */
  readonly clockFile: string;
  /** Where every change is recorded; default nowhere. */
  readonly recordFile?: string | undefined;
}

/** A fault that a process is to have: of its changes from now on, so many from the `first` on. */
export interface FaultOrder {
  /** Only changes by this call, to paths that begin so; with `$` at its end the path is meant as a whole. Default: all. */
  readonly of?: { readonly call: string; readonly path: string };
  /** From 1. */
  readonly first: number;
  /** Default: all from there on. */
  readonly count?: number;
  /** `kill`: after the first of them. `trace`: they are only named. */
  readonly as: Failure | 'kill' | 'trace';
  /** Whether they are made all the same. */
  readonly isLate?: boolean;
}

/** Environment of a process that is steered by files. */
export const steeredEnvironment = ({
  library,
  root,
  faultFile,
  clockFile,
  recordFile,
}: SteeredProcess): NodeJS.ProcessEnv => ({
  LD_PRELOAD: library,
  KILL_BELOW: root,
  FAULT_FILE: faultFile,
  CLOCK_FILE: clockFile,
  ...(recordFile === undefined ? {} : { RECORD_TO: recordFile }),
});

let orders = 0;

/** Orders a fault of the processes that read `faultFile`; without one all is well again. It takes the place of the one before. */
export function orderFault(faultFile: string, fault?: FaultOrder): void {
  if (fault === undefined) {
    rmSync(faultFile, { force: true });
    return;
  }
  const {
    of = { call: '*', path: '' },
    first,
    count = fault.as === 'kill' ? 1 : 0,
    as,
    isLate = false,
  } = fault;
  const error = as === 'kill' ? 0 : as === 'trace' ? -1 : constants.errno[as];
  rmSync(`${faultFile}.hits`, { force: true });
  // Whole, or not at all: it is read at any time.
  writeFileSync(
    `${faultFile}.new`,
    `${++orders} ${first} ${count} ${error} ${isLate ? 1 : 0} ${of.call} ${of.path}\n`,
  );
  renameSync(`${faultFile}.new`, faultFile);
}

/** The changes that were due since the last fault was ordered, as `fsync logs/2026/commit.db-wal`. */
export function faultHits(faultFile: string): string[] {
  const file = `${faultFile}.hits`;
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => line.split(' ').slice(2).join(' '));
}

/** How a process ended: without a status where it was killed. */
interface Ended {
  readonly signal: NodeJS.Signals | null;
  readonly status: number | null;
  readonly stderr: string;
}

/** Runs `node WORDS…`, killed after its change number `at` below `root`; returns the signal that ended it, null where it made fewer changes, and throws with what it printed where it failed. */
export function runKilledAt(
  library: string,
  root: string,
  at: number,
  words: readonly string[],
): NodeJS.Signals | null {
  const { signal, status, stderr } = runWith(library, root, words, { KILL_AT: String(at) });
  if (signal === null && status !== 0) throw new Error(stderr);
  return signal;
}

/** Runs `node WORDS…`, killed after that change below `root`, the `first` one of its kind; returns the signal that ended it, null where it made no such change. */
export function runKilledAfter(
  library: string,
  root: string,
  kill: Required<Pick<FaultOrder, 'of' | 'first'>>,
  words: readonly string[],
): NodeJS.Signals | null {
  const faultFile = `${library}.fault`;
  orderFault(faultFile, { ...kill, as: 'kill' });
  return runWith(library, root, words, { FAULT_FILE: faultFile }).signal;
}

/** Runs `node WORDS…`, whose change number `at` below `root` is not made and fails so. */
export function runFailingAt(
  library: string,
  root: string,
  at: number,
  failure: Failure,
  words: readonly string[],
): Ended {
  const errno = String(constants.errno[failure]);
  return runWith(library, root, words, { KILL_AT: String(at), FAIL_AS: errno });
}

/** Runs `node WORDS…`; returns how many changes it made below `root`, and throws with what it printed where it failed. */
export function changesOf(library: string, root: string, words: readonly string[]): number {
  const counted = `${library}.count`;
  rmSync(counted, { force: true });
  const { status, stderr } = runWith(library, root, words, { KILL_COUNT: counted });
  if (status !== 0) throw new Error(stderr);
  return Number(readFileSync(counted, 'utf8'));
}

function runWith(
  library: string,
  root: string,
  words: readonly string[],
  more: Readonly<Record<string, string>>,
): Ended {
  const env = { ...process.env, LD_PRELOAD: library, KILL_BELOW: root, ...more };
  return spawnSync(process.execPath, words, { env, encoding: 'utf8' });
}
