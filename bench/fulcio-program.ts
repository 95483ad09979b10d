/** Fulcio's own program: built once with Go, kept below node_modules, and started with a CA of its own and no CT log. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { own } from './process.ts';

/** The release that Mayfly is compared with. */
export const FULCIO_VERSION = 'v1.8.8';

/** Where the program is, built with Go if it is not there yet; undefined, with the reason logged, where it cannot be had. */
export function findFulcio(log: (text: string) => void): string | undefined {
  const folder = join(checkout(), 'node_modules/.cache/mayfly-bench', `fulcio-${FULCIO_VERSION}`);
  const program = join(folder, 'fulcio');
  if (existsSync(program)) return program;
  try {
    execFileSync('go', ['version'], { stdio: 'ignore' });
  } catch {
    log(`no comparison with Fulcio: there is no Go here to build ${FULCIO_VERSION} with`);
    return undefined;
  }
  log(`building Fulcio ${FULCIO_VERSION} with Go, once (some two minutes) …`);
  try {
    mkdirSync(folder, { recursive: true });
    const env = { ...process.env, GOBIN: folder };
    execFileSync('go', ['install', `github.com/sigstore/fulcio@${FULCIO_VERSION}`], { env, stdio: 'ignore' });
    return program;
  } catch {
    log('no comparison with Fulcio: Go could not build it here');
    return undefined;
  }
}

/** The folder with `bin/`, whether this runs from source or from `dist`. */
function checkout(): string {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, 'bin/mayfly.js'))) folder = dirname(folder);
  return folder;
}

/** A running Fulcio. */
export interface RunningFulcio {
  readonly port: number;
  readonly child: ChildProcess;
}

/** How {@link startFulcioProgram} starts it. */
export interface FulcioOptions {
  readonly program: string;
  /** Its configuration file. */
  readonly config: string;
  /** Put in front of the command. */
  readonly launcher?: readonly string[] | undefined;
  readonly env?: NodeJS.ProcessEnv | undefined;
}

let started = 0;

/** Starts Fulcio on 127.0.0.1 and waits until it is healthy. */
export async function startFulcioProgram(options: FulcioOptions): Promise<RunningFulcio> {
  const [port, grpc, metrics] = [await freePort(), await freePort(), await freePort()];
  const [command = '', ...args] = [
    ...(options.launcher ?? []),
    ...[options.program, 'serve', '--ca=ephemeralca', '--ct-log-url=', `--config-path=${options.config}`],
    ...['--host=127.0.0.1', `--port=${port}`, '--grpc-host=127.0.0.1', `--grpc-port=${grpc}`],
    ...[`--metrics-port=${metrics}`, `--legacy-unix-domain-socket=@mayfly-${process.pid}-${++started}`],
  ];
  const child = own(spawn(command, args, { env: { ...process.env, ...options.env }, stdio: 'ignore' }));
  await untilHealthy(`http://127.0.0.1:${port}/healthz`, child);
  return { port, child };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function untilHealthy(url: string, child: ChildProcess): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    if (child.exitCode !== null) throw new Error(`Fulcio ended with ${child.exitCode} while starting`);
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
  throw new Error('Fulcio did not become healthy within ten seconds');
}
