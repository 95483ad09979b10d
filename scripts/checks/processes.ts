/** Commands of checks: each writes to a file, has a limit, and ends with all that it started. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

/** Minutes for any one command. All of them together take less than 30 on two cores. */
const LIMIT_MINUTES = 40;
/** Milliseconds from SIGTERM to SIGKILL. */
const GRACE = 10_000;
/** Milliseconds for which something that a command left behind may keep its output open. */
const LEFT_OPEN = 5_000;

const running = new Set<ChildProcess>();
/** The end of all, once it was asked for. */
let ending: Promise<void> | undefined;

/** How a command failed. */
export interface Failure {
  /** In words, after the command's name. */
  readonly how: string;
  /** What it ended with; undefined when it was ended, or was never started. */
  readonly status?: number;
}

/** Runs a command, whose output goes to the file `log`, and to ours, too, when it `isShown`. Resolves to how it failed, or
 * undefined when it succeeded. Starts nothing, and never settles, after {@link endAll}: this process is about to end. */
export async function runLogged(
  [program = '', ...words]: readonly string[],
  env: NodeJS.ProcessEnv,
  log: string,
  isShown: boolean,
): Promise<Failure | undefined> {
  if (ending !== undefined) return new Promise<never>(() => undefined);
  const file = createWriteStream(log);
  const child = spawn(program, words, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  for (const stream of [child.stdout, child.stderr]) {
    stream.pipe(file, { end: false });
    if (isShown) stream.on('data', (bytes: Buffer) => process.stdout.write(bytes));
  }
  const limit = new AbortController();
  const timer = setTimeout(() => {
    limit.abort();
    void endTree([child]);
  }, LIMIT_MINUTES * 60_000);
  const closed = once(child, 'close').catch(() => undefined);
  const [status, signal] = await once(child, 'exit').catch((error: unknown) => [String(error), null]);
  clearTimeout(timer);
  running.delete(child);
  await Promise.race([closed, pause(LEFT_OPEN, undefined, { ref: false })]);
  for (const stream of [child.stdout, child.stderr]) stream.unpipe(file).destroy();
  file.end();
  await once(file, 'close');
  if (limit.signal.aborted) return { how: `did not end within ${LIMIT_MINUTES} minutes` };
  if (status === 0) return undefined;
  const how = `ended with ${String(signal ?? status)}`;
  return typeof status === 'number' ? { how, status } : { how };
}

/** Ends every command that runs, and what it started: suites would go on for long, and so would their services. From now on none is
 * started. */
export function endAll(): Promise<void> {
  // Set before any of them ends: the next check follows at once.
  return (ending ??= endTree([...running]));
}

async function endTree(children: readonly ChildProcess[]): Promise<void> {
  const pids = treeOf(children.map(({ pid }) => pid).filter((pid) => pid !== undefined));
  signal(pids, 'SIGTERM');
  for (const until = Date.now() + GRACE; Date.now() < until && signal(pids, 0);) await pause(100);
  // Also what some of them started meanwhile.
  signal(treeOf(pids), 'SIGKILL');
  await Promise.all(
    children
      .filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null)
      .map((child) => once(child, 'exit')),
  );
}

/** These processes and all that they started. */
function treeOf(roots: readonly number[]): readonly number[] {
  const pairs = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number));
  const below = (pid: number): readonly number[] => [
    ...pairs.filter(([, parent]) => parent === pid).flatMap(([child = 0]) => below(child)),
    pid,
  ];
  return roots.flatMap(below);
}

/** Whether any of them was there to get it. */
function signal(pids: readonly number[], name: NodeJS.Signals | 0): boolean {
  const got = pids.map((pid) => {
    try {
      return process.kill(pid, name);
    } catch {
      return false;
    }
  });
  return got.includes(true);
}
