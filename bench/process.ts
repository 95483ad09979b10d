/** Child processes of the benchmark: on a stated core, with their CPU time read from the kernel. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { workFolder } from './work-folder.ts';

const hasTaskset = spawnSync('taskset', ['--version']).status === 0;

/** Whether processes can be pinned here (Linux with util-linux). */
export const canPin = (): boolean => hasTaskset;

/** The command, pinned to a core, or to several, where that is possible. */
export const pinned = (core: number | readonly number[], command: readonly string[]): string[] =>
  hasTaskset ? ['taskset', '-c', [core].flat().join(','), ...command] : [...command];

/** CPU seconds (user and system, all threads) that a process has used; 0 where /proc is missing. */
export function cpuSeconds(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    return 0;
  }
}

const children = new Set<ChildProcess>();

/** Takes a child for this benchmark's own: it does not outlive it, however the benchmark ends. */
export function own<Child extends ChildProcess>(child: Child): Child {
  endWithChildren();
  children.add(child);
  child.once('exit', () => children.delete(child));
  return child;
}

let isEnding = false;

/** A process that gets a signal to end, or fails, leaves its children behind by default. */
function endWithChildren(): void {
  if (isEnding) return;
  isEnding = true;
  process.once('exit', () => {
    for (const child of children) child.kill('SIGKILL');
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1));
}

/** Milliseconds within which a program is ready, or an answer is there after its time. */
export const PROCESS_TIMEOUT_MS = 60_000;

/** Starts a command and resolves with it and the first stdout line that `isReady` accepts. */
export async function startUntil(
  command: readonly string[],
  isReady: (line: string) => boolean,
  env: NodeJS.ProcessEnv = {},
): Promise<{ child: ChildProcess; line: string }> {
  const [program = '', ...args] = command;
  // A file, not a pipe: no process has to wake up for the service's log lines while it is measured.
  const log = join(workFolder('log'), 'stderr');
  const file = openSync(log, 'w');
  const child = own(
    spawn(program, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', file] }),
  );
  const timer = setTimeout(() => child.kill('SIGKILL'), PROCESS_TIMEOUT_MS);
  closeSync(file);
  const { stdout } = child;
  if (stdout === null) throw new Error('the child has no stdout');
  const line = await new Promise<string>((resolve, reject) => {
    createInterface({ input: stdout }).on('line', (text) => {
      if (isReady(text)) resolve(text);
    });
    child.on('error', reject);
    child.on('exit', (code) => {
      reject(
        new Error(
          `${command.join(' ')} ended with ${String(code)} before it was ready:\n${readFileSync(log, 'utf8').slice(-4000)}`,
        ),
      );
    });
  });
  clearTimeout(timer);
  return { child, line };
}

/** Ends a child and waits for it; one that takes longer than a service may is killed. */
export async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise<void>((resolve) =>
    child.once('exit', () => {
      resolve();
    }),
  );
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), PROCESS_TIMEOUT_MS);
  await gone;
  clearTimeout(timer);
}

/** Milliseconds for which something may still hold a benchmark that is done. */
const AFTERWARDS = 5_000;

/** Called when everything is done: the process ends soon, and says what held it if something did. */
export function endSoon(log: (text: string) => void): void {
  setTimeout(() => {
    log(`ending although something is still open: ${process.getActiveResourcesInfo().join(', ')}`);
    process.exit();
  }, AFTERWARDS).unref();
}

/** The middle value. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
