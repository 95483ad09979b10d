/** Kills a process after each of its changes below a directory, what SQLite does included: by a small library that gcc makes, and that is preloaded. */
import { execFileSync, spawnSync } from 'node:child_process';
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

/** Runs `node WORDS…`, killed after its change number `at` below `root`; returns the signal that ended it, null where it made fewer changes, and throws with what it printed where it failed. */
export function runKilledAt(
  library: string,
  root: string,
  at: number,
  words: readonly string[],
): NodeJS.Signals | null {
  const env = { ...process.env, LD_PRELOAD: library, KILL_BELOW: root, KILL_AT: String(at) };
  const { signal, status, stderr } = spawnSync(process.execPath, words, { env, encoding: 'utf8' });
  if (signal === null && status !== 0) throw new Error(stderr);
  return signal;
}
