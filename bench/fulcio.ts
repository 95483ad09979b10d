/** Fulcio v1.8.8 beside ours: ephemeral P-256 CA, no CT log at all, the same configuration and the same requests. */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { githubProviderYaml } from './github-provider-yaml.ts';
import type { System } from './mayfly.ts';
import { pinned, stop } from './process.ts';

const VERSION = 'v1.8.8';
const cache = join(import.meta.dirname, '../../node_modules/.cache/mayfly-bench');

/** Where Fulcio's program is, built once with Go and kept; undefined, with the reason told, where it cannot be had. */
export function findFulcio(tell: (text: string) => void): string | undefined {
  const program = join(cache, `fulcio-${VERSION}`, 'fulcio');
  if (existsSync(program)) return program;
  try {
    execFileSync('go', ['version'], { stdio: 'ignore' });
  } catch {
    tell('Fulcio is not measured: there is no Go here to build it with');
    return undefined;
  }
  tell(`building Fulcio ${VERSION} with Go, once (some two minutes) …`);
  try {
    mkdirSync(cache, { recursive: true });
    const env = { ...process.env, GOBIN: join(cache, `fulcio-${VERSION}`) };
    execFileSync('go', ['install', `github.com/sigstore/fulcio@${VERSION}`], { env, stdio: 'ignore' });
    return program;
  } catch {
    tell('Fulcio is not measured: Go could not build it here');
    return undefined;
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Starts Fulcio on `core` with one Go processor. */
export async function startFulcio(program: string, issuer: string, core: number): Promise<System> {
  const config = join(mkdtempSync(join(tmpdir(), 'mayfly-bench-fulcio-')), 'config.yaml');
  writeFileSync(config, githubProviderYaml(issuer));
  const port = await freePort();
  const grpc = [
    '--grpc-host=127.0.0.1',
    `--grpc-port=${await freePort()}`,
    `--metrics-port=${await freePort()}`,
  ];
  const socket = `--legacy-unix-domain-socket=@mayfly-bench-${process.pid}`;
  const http = ['--host=127.0.0.1', `--port=${port}`, '--ct-log-url=', `--config-path=${config}`];
  const [launcher = '', ...args] = pinned(core, [
    program,
    'serve',
    '--ca=ephemeralca',
    ...http,
    ...grpc,
    socket,
  ]);
  const child = spawn(launcher, args, { env: { ...process.env, GOMAXPROCS: '1' }, stdio: 'ignore' });
  await untilHealthy(`http://127.0.0.1:${port}/healthz`);
  return { host: '127.0.0.1', port, pid: child.pid ?? 0, close: () => stop(child) };
}

async function untilHealthy(url: string): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    const healthy = await fetch(url).then(
      (response) => response.ok,
      () => false,
    );
    if (healthy) return;
    await setTimeout(100);
  }
  throw new Error('Fulcio did not become healthy within ten seconds');
}
