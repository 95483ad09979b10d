/** The command line as a child process, from the same tree (source or build) that the tests run from. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { User } from './ordinary-user.ts';

const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
const main = new URL(`../../cli/main.${extension}`, import.meta.url).href;
const SCRIPT = `void import(${JSON.stringify(main)}).then(({ main }) => main(process.argv.slice(1)));`;

/** A child that runs `mayfly` with some words. */
export interface Program {
  readonly child: ChildProcess;
  /** Everything on each stream so far. */
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** The first line on stdout; rejects with what is on stderr when the child ends without one. */
  readonly firstLine: Promise<string>;
  /** Exit code, or the signal's name. */
  readonly ended: Promise<number | string>;
}

/** Starts `mayfly` with those words, as `user` if one is given. */
export function startProgram(args: readonly string[], user?: User): Program {
  const child = spawn(process.execPath, ['-e', SCRIPT, '--', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    ...user,
  });
  const text = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk: Buffer) => (text.stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (text.stderr += chunk.toString()));
  const ended = once(child, 'close').then(([code, signal]) => (code ?? signal) as number | string);
  const line = once(createInterface({ input: child.stdout }), 'line').then(([first]) => String(first));
  const failed = ended.then((status) => {
    throw new Error(`mayfly ended with ${status}:\n${text.stdout}${text.stderr}`);
  });
  const firstLine = Promise.race([line, failed]);
  firstLine.catch(() => undefined);
  failed.catch(() => undefined);
  return { child, ended, firstLine, stdout: () => text.stdout, stderr: () => text.stderr };
}

/** Runs `mayfly` to its end. */
export async function runProgram(
  args: readonly string[],
  user?: User,
): Promise<{ readonly status: number | string; readonly stdout: string; readonly stderr: string }> {
  const program = startProgram(args, user);
  return { status: await program.ended, stdout: program.stdout(), stderr: program.stderr() };
}
