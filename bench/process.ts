/** Child processes of the benchmark: on a stated core, with their CPU time read from the kernel. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const hasTaskset = spawnSync('taskset', ['--version']).status === 0;

/** Whether processes can be pinned here (Linux with util-linux). */
export const canPin = (): boolean => hasTaskset;

/** The command, pinned to a core where that is possible. */
export const pinned = (core: number, command: readonly string[]): string[] =>
  hasTaskset ? ['taskset', '-c', String(core), ...command] : [...command];

/** CPU seconds (user and system, all threads) that a process has used; 0 where /proc is missing. */
export function cpuSeconds(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    return 0;
  }
}

/** Starts a command and resolves with it and the first stdout line that `isReady` accepts. */
export async function startUntil(
  command: readonly string[],
  isReady: (line: string) => boolean,
  env: NodeJS.ProcessEnv = {},
): Promise<{ child: ChildProcess; line: string }> {
  const [program = '', ...args] = command;
  // A file, not a pipe: nobody has to wake up for the service's log lines while it is measured.
  const log = join(mkdtempSync(join(tmpdir(), 'mayfly-bench-log-')), 'stderr');
  const file = openSync(log, 'w');
  const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', file] });
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
  return { child, line };
}

/** Ends a child and waits for it. */
export async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise<void>((resolve) =>
    child.once('exit', () => {
      resolve();
    }),
  );
  child.kill('SIGTERM');
  await gone;
}

/** The middle value. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
