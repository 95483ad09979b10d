/** Kills a process after each of its changes below a directory, what SQLite does included, or lets the change fail: by a small library that gcc makes, and that is preloaded. */
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
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
type Failure = 'EIO' | 'EMFILE' | 'ENOSPC';

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
