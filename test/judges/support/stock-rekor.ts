/** A stock Rekor of the second version beside Mayfly, and the files of an export that name it, too. */
import { spawn, type ChildProcess } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { runMayfly } from '../../support/mayfly.ts';
import type { ExportedFile, ExportedInstance } from './exported-instance.ts';
import { freePort } from '../../../bench/free-port.ts';

/** It runs. */
export interface StockRekor {
  readonly url: string;
  /** The path of its public key, PEM. */
  readonly publicKey: string;
  stop(): Promise<void>;
}

/** Starts it with its program; keys and entries lie below `scratch`. */
export async function startRekor(program: string, scratch: string): Promise<StockRekor> {
  const folder = join(scratch, 'rekor');
  const at = (name: string): string => join(folder, name);
  await mkdir(at('tiles'), { recursive: true });
  const keys = generateKeyPairSync('ed25519');
  await writeFile(at('key.pem'), keys.privateKey.export({ format: 'pem', type: 'pkcs8' }));
  await writeFile(at('key.pub.pem'), keys.publicKey.export({ format: 'pem', type: 'spki' }));
  const [http, grpc, metrics] = [await freePort(), await freePort(), await freePort()];
  const ports = ['--http-port', http, '--grpc-port', grpc, '--http-metrics-port', metrics].map(String);
  const files = ['--signer-filepath', at('key.pem'), '--storage-dir', at('tiles')];
  const words = ['serve', ...ports, '--hostname', 'localhost', ...files, '--checkpoint-interval', '1s'];
  const child = spawn(program, words, { stdio: 'ignore' });
  const ended = once(child, 'close');
  const url = `http://localhost:${http}`;
  await reachable(url, child);
  const stop = async (): Promise<void> => {
    child.kill();
    await ended;
  };
  return { url, publicKey: at('key.pub.pem'), stop };
}

/** Resolves when something answers there; rejects when the process ends before. */
async function reachable(url: string, child: ChildProcess): Promise<void> {
  while ((await fetch(`${url}/healthz`).catch(() => undefined)) === undefined) {
    if (child.exitCode !== null) throw new Error(`rekor ended with ${child.exitCode}`);
    await setTimeout(50);
  }
}

/** Exports the files of the instance with the log in them; returns the path of each. */
export async function exportWith(
  { scratch, data, url }: Pick<ExportedInstance, 'scratch' | 'data' | 'url'>,
  rekor: Pick<StockRekor, 'url' | 'publicKey'>,
): Promise<(name: ExportedFile) => string> {
  const out = join(scratch, 'logged');
  const log = ['--rekor', rekor.url, '--rekor-key', rekor.publicKey];
  const words = ['trust', 'export', '--data', data, '--public-url', url, '--out', out, ...log];
  const { code, stderr } = await runMayfly(words, { byLauncher: 'built' });
  if (code !== 0) throw new Error(stderr);
  return (name) => join(out, name);
}
