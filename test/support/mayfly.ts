/**
 * `mayfly` as a process of its own: a command run to its end, one that goes on, and `mayfly dev`.
 *
 * It comes from the same tree, source or build, that the tests run from, with a plain environment: no token, no CI, no proxy
 * of the user who runs the tests.
 */
import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { User } from './ordinary-user.ts';
import { projectRoot } from './project-root.ts';

const isBuilt = import.meta.url.endsWith('.js');
const entry = fileURLToPath(new URL(`cli-entry.${isBuilt ? 'js' : 'ts'}`, import.meta.url));
const launcher = join(projectRoot, 'bin/mayfly.js');

/** Listeners of `serve` on ports that are free. */
export const ANYWHERE = ['--listen', '127.0.0.1:0', '--metrics-listen', '127.0.0.1:0'] as const;

/** How to start it. */
interface MayflyOptions {
  readonly cwd?: string | undefined;
  /** Added to the plain environment. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Whom to run it as; default: the user who runs the tests. */
  readonly user?: User | undefined;
  /** Start bin/mayfly.js, as users do: when the tests run from a build, or always. From source it starts a build where there
   * is one, and that may be old. */
  readonly byLauncher?: 'built' | 'always' | undefined;
}

/** How to run it to its end. */
export interface RunOptions extends MayflyOptions {
  /** Default: empty. */
  readonly stdin?: string | undefined;
}

/** What a command left behind. */
export interface MayflyResult {
  /** The exit code, or the name of the signal that ended it. */
  readonly code: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command that goes on. */
export interface MayflyProcess {
  readonly child: ChildProcess;
  /** Everything on each stream so far. */
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** The first line on stdout; rejects with all that was printed when the process ends without one. */
  readonly firstLine: Promise<string>;
  /** The exit code, or the name of the signal that ended it. */
  readonly ended: Promise<number | string>;
}

/** The first line of `mayfly dev --json`. */
interface ReadyLine {
  readonly event: 'ready';
  readonly url: string;
  readonly metricsUrl: string;
  readonly logUrl: string;
  readonly issuerUrl: string;
  /** Where gRPC is taken without TLS. */
  readonly grpcListen: string;
}

/** A running `mayfly dev`. */
export interface DevMayfly extends ReadyLine {
  /** Its data directory. */
  readonly data: string;
  /** The folder around {@link DevMayfly.data}, for the test's own files. */
  readonly scratch: string;
  readonly child: ChildProcess;
  /** Everything on stderr so far. */
  readonly stderr: () => string;
  /** A token of the development issuer. */
  token(email: string): Promise<string>;
  /** Ends it; returns the exit code, or the signal's name. */
  stop(signal?: NodeJS.Signals): Promise<number | string>;
}

/** How to start `mayfly dev`. */
export interface DevOptions extends Pick<MayflyOptions, 'byLauncher' | 'env'> {
  /** Its data directory; default: one that {@link DevMayfly.stop} removes. */
  readonly data?: string;
  readonly args?: readonly string[];
}

/** Arguments of the runtime that start `mayfly` with `args`, for tests that spawn it in a way of their own. */
export const mayflyWords = (args: readonly string[], byLauncher?: MayflyOptions['byLauncher']): string[] => [
  byLauncher === 'always' || (byLauncher === 'built' && isBuilt) ? launcher : entry,
  ...args,
];

/** What a child needs of this process's environment: where programs are, and where compiled sources are kept. */
export function plainEnvironment(): NodeJS.ProcessEnv {
  const { PATH, HOME, NODE_COMPILE_CACHE } = process.env;
  return { PATH, HOME, ...(NODE_COMPILE_CACHE === undefined ? undefined : { NODE_COMPILE_CACHE }) };
}

/** Runs `mayfly ARGS` to its end. Rejects when it cannot be started. */
export async function runMayfly(args: readonly string[], options: RunOptions = {}): Promise<MayflyResult> {
  const child = spawnMayfly(args, options, 'pipe');
  const output = outputOf(child);
  // A command may end before it has read everything.
  child.stdin?.on('error', () => undefined).end(options.stdin ?? '');
  return { code: await endOf(child), stdout: output.stdout, stderr: output.stderr };
}

/** Starts `mayfly ARGS` without stdin. */
export function startMayfly(args: readonly string[], options: MayflyOptions = {}): MayflyProcess {
  const child = spawnMayfly(args, options, 'ignore');
  const output = outputOf(child);
  const ended = endOf(child);
  const failed = ended.then((code) => {
    throw new Error(`mayfly ended with ${code}:\n${output.stdout}${output.stderr}`);
  });
  const firstLine = Promise.race([firstLineOf(child), failed]);
  for (const unread of [firstLine, failed]) unread.catch(() => undefined);
  return { child, ended, firstLine, stdout: () => output.stdout, stderr: () => output.stderr };
}

/** Starts `mayfly dev` on free ports and waits until it is ready. Rejects with what it printed when it ends instead. */
export async function startDev(options: DevOptions = {}): Promise<DevMayfly> {
  const { byLauncher, env, args = [] } = options;
  const made = options.data === undefined ? await mkdtemp(join(tmpdir(), 'mayfly-test-')) : undefined;
  const data = options.data ?? join(made ?? '', 'data');
  const words = ['dev', ...ANYWHERE, '--issuer-listen', '127.0.0.1:0', '--data', data, '--json', ...args];
  const { child, ended, stderr, firstLine } = startMayfly(words, { byLauncher, env });
  const ready = JSON.parse(await firstLine) as Partial<ReadyLine>;
  if (ready.event !== 'ready') {
    await ended;
    throw new Error(`mayfly dev is not ready: ${await firstLine} ${stderr()}`);
  }
  const token = async (email: string): Promise<string> => {
    const { code, ...printed } = await runMayfly(['token', '--email', email, '--data', data], {
      byLauncher,
      env,
    });
    if (code !== 0) throw new Error(printed.stderr);
    return printed.stdout;
  };
  const stop = async (signal: NodeJS.Signals = 'SIGTERM'): Promise<number | string> => {
    child.kill(signal);
    const code = await ended;
    if (made !== undefined) await rm(made, { recursive: true, force: true });
    return code;
  };
  return { ...(ready as ReadyLine), data, scratch: dirname(data), child, stderr, token, stop };
}

function spawnMayfly(
  args: readonly string[],
  options: MayflyOptions,
  stdin: 'pipe' | 'ignore',
): ChildProcess {
  const stdio: StdioOptions = [stdin, 'pipe', 'pipe'];
  const env = { ...plainEnvironment(), ...options.env };
  return spawn(process.execPath, mayflyWords(args, options.byLauncher), {
    cwd: options.cwd,
    ...options.user,
    env,
    stdio,
  });
}

function outputOf(child: ChildProcess): { stdout: string; stderr: string } {
  const output = { stdout: '', stderr: '' };
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (output.stdout += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
  return output;
}

/** Rejects when the process cannot be started. */
async function endOf(child: ChildProcess): Promise<number | string> {
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals];
  return code ?? signal;
}

async function firstLineOf({ stdout }: ChildProcess): Promise<string> {
  if (stdout === null) throw new Error('no stdout');
  const [line] = (await once(createInterface({ input: stdout }), 'line')) as [string];
  return line;
}
