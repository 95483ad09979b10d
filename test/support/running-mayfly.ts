/** The real program as a child process, for tests that look at it from outside. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { projectRoot } from './project-root.ts';
import { cliWords } from './run-cli.ts';

/** What a command printed and how it ended. */
export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A running `mayfly dev` in a directory of its own. */
export interface RunningMayfly {
  readonly url: string;
  readonly metricsUrl: string;
  readonly logUrl: string;
  readonly issuerUrl: string;
  /** Its data directory. */
  readonly data: string;
  /** A folder for the test's own files, removed by {@link RunningMayfly.stop}. */
  readonly scratch: string;
  readonly process: ChildProcess;
  /** A token of the development issuer. */
  token(email: string): Promise<string>;
  stop(): Promise<void>;
}

/** Built, the program is bin/mayfly.js itself; from source, what that would load: a build may be there, and old. */
const program = import.meta.url.endsWith('.js') ? [join(projectRoot, 'bin/mayfly.js')] : cliWords([]);

/** Runs `mayfly` with those words; never rejects. */
export function mayfly(
  args: readonly string[],
  options: { env?: NodeJS.ProcessEnv; cwd?: string } = {},
): Promise<CommandResult> {
  const env = { ...process.env, ...options.env };
  return new Promise((resolve) => {
    execFile(process.execPath, [...program, ...args], { ...options, env }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1;
      resolve({ code, stdout, stderr });
    });
  });
}

/** Starts `mayfly dev` on free ports and waits until it says that it is ready. */
export async function startMayfly(): Promise<RunningMayfly> {
  const scratch = await mkdtemp(join(tmpdir(), 'mayfly-test-'));
  const data = join(scratch, 'data');
  const anywhere = ['--listen', '--issuer-listen', '--metrics-listen'].flatMap((flag) => [
    flag,
    '127.0.0.1:0',
  ]);
  const args = [...program, 'dev', ...anywhere, '--data', data, '--json'];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let complaints = '';
  child.stderr.on('data', (chunk: Buffer) => {
    complaints = (complaints + chunk.toString()).slice(-4000);
  });
  const ready = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', resolve);
    child.once('exit', (code) => {
      reject(new Error(`mayfly dev ended with ${String(code)}:\n${complaints}`));
    });
  });
  const urls = JSON.parse(ready) as Pick<RunningMayfly, 'url' | 'metricsUrl' | 'logUrl' | 'issuerUrl'>;
  const token = async (email: string): Promise<string> => {
    const made = await mayfly(['token', '--email', email, '--data', data]);
    if (made.code !== 0) throw new Error(made.stderr);
    return made.stdout;
  };
  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await gone;
    }
    await rm(scratch, { recursive: true, force: true });
  };
  return { ...urls, data, scratch, process: child, token, stop };
}
