/** The command line as a process of its own, from the same code (source or compiled) that the test runs from. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { User } from './ordinary-user.ts';

const extension = import.meta.url.endsWith('.js') ? 'js' : 'ts';
const entry = fileURLToPath(new URL(`cli-entry.${extension}`, import.meta.url));

/** What a run left behind. */
export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** How to run it. */
export interface CliOptions {
  readonly cwd?: string;
  /** Added to a plain environment: no token, no CI, no display of the user who runs the tests. */
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
  /** Whom to run it as; default: the user who runs the tests. */
  readonly user?: User | undefined;
}

/** What a child needs of this process's environment: where programs are, and where compiled sources are kept. */
function plainEnvironment(): NodeJS.ProcessEnv {
  const { PATH, HOME, NODE_COMPILE_CACHE } = process.env;
  return { PATH, HOME, ...(NODE_COMPILE_CACHE === undefined ? undefined : { NODE_COMPILE_CACHE }) };
}

/** Words of the runtime that start the command line with `args`. */
export const cliWords = (args: readonly string[]): string[] => [entry, ...args];

/** Runs `mayfly ARGS` to its end. */
export function runCli(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  const child = spawn(process.execPath, cliWords(args), {
    cwd: options.cwd,
    ...options.user,
    env: { ...plainEnvironment(), ...options.env },
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  child.stdin.end(options.stdin ?? '');
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      resolve({ code, stdout, stderr });
    });
  });
}
