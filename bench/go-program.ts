/** Programs of others that Go builds once and that are kept below node_modules, and how they are waited for. */
import { execFileSync, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';

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
  try {
    mkdirSync(folder, { recursive: true });
    const env = { ...process.env, GOBIN: folder };
    execFileSync('go', ['install', `${path}@${version}`], { env, stdio: 'ignore' });
    return program;
  } catch {
    log(`no comparison with ${title}: Go could not build it here`);
    return undefined;
  }
}

/** The folder with `bin/`, whether this runs from source or from `dist`. */
function checkout(): string {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, 'bin/mayfly.js'))) folder = dirname(folder);
  return folder;
}

/** A port of 127.0.0.1 that nobody listens on now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Waits until `url` answers with a success. Rejects when the child has ended, or after ten seconds. */
export async function untilHealthy(url: string, child: ChildProcess): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    if (child.exitCode !== null)
      throw new Error(`${child.spawnfile} ended with ${child.exitCode} while starting`);
    const healthy = await fetch(url, { signal: AbortSignal.timeout(1_000) }).then(
      async (response) => {
        // A body that is not read keeps its connection.
        await response.arrayBuffer();
        return response.ok;
      },
      () => false,
    );
    if (healthy) return;
    await setTimeout(100);
  }
  throw new Error(`${url} did not answer within ten seconds`);
}
