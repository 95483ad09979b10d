/** Programs of others that Go builds once and that are kept below node_modules, and how they are started. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { own, stop } from './process.ts';
import { workFolder } from './work-folder.ts';

/** A program that `go install` builds. */
interface GoProgram {
  /** For sentences. */
  readonly title: string;
  /** Import path of the command; its last part is the name of the program. */
  readonly path: string;
  readonly version: string;
}

/** Where the program is, built with Go if it is not there yet; undefined, with the reason logged, where it cannot be had. */
export function findGoProgram(
  { title, path, version }: GoProgram,
  log: (text: string) => void,
): string | undefined {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const folder = join(checkout(), 'node_modules/.cache/mayfly-bench', `${name}-${version}`);
  const program = join(folder, name);
  if (existsSync(program)) return program;
  try {
    execFileSync('go', ['version'], { stdio: 'ignore' });
  } catch {
    log(`no comparison with ${title}: there is no Go here to build ${version} with`);
    return undefined;
  }
  log(`building ${title} ${version} with Go, once (some two minutes) …`);
  // Another process may build it at this moment: what is found there is whole.
  const unfinished = `${folder}.${process.pid}`;
  try {
    mkdirSync(unfinished, { recursive: true });
    const env = { ...process.env, GOBIN: unfinished };
    execFileSync('go', ['install', `${path}@${version}`], { env, stdio: 'ignore' });
    mkdirSync(folder, { recursive: true });
    renameSync(join(unfinished, name), program);
    return program;
  } catch {
    log(`no comparison with ${title}: Go could not build it here`);
    return undefined;
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
}

/** The folder with `bin/`, whether this runs from source or from `dist`. */
function checkout(): string {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, 'bin/mayfly.js'))) folder = dirname(folder);
  return folder;
}

/** Starts a program of others, and resolves when `url` answers with a success. Rejects with the end of what it said when it
 * ends before, or has not answered after ten seconds. */
export async function startProgram(
  command: readonly string[],
  url: string,
  env: NodeJS.ProcessEnv = {},
): Promise<ChildProcess> {
  const [program = '', ...args] = command;
  // A file, not a pipe: nobody has to wake up for its log while it is measured.
  const log = join(workFolder('program'), 'log');
  const file = openSync(log, 'w');
  const child = own(spawn(program, args, { env: { ...process.env, ...env }, stdio: ['ignore', file, file] }));
  closeSync(file);
  const failure = (what: string): Error => new Error(`${what}:\n${readFileSync(log, 'utf8').slice(-2_000)}`);
  for (let tries = 0; tries < 100; tries++) {
    if (child.exitCode !== null) throw failure(`${program} ended with ${child.exitCode} while starting`);
    const healthy = await fetch(url, { signal: AbortSignal.timeout(1_000) }).then(
      async (response) => {
        // A body that is not read keeps its connection.
        await response.arrayBuffer();
        return response.ok;
      },
      () => false,
    );
    if (healthy) return child;
    await setTimeout(100);
  }
  await stop(child);
  throw failure(`${url} did not answer within ten seconds`);
}
