/** Sigstore's own log for Rekor's second API beside ours: on files, as ours. */
import { generateKeyPairSync } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './free-port.ts';
import { findGoProgram, startProgram } from './go-program.ts';
import type { System } from './mayfly.ts';
import { pinned, stop } from './process.ts';
import { workFolder } from './work-folder.ts';

/** The release that Mayfly is compared with. */
export const REKOR_TILES_VERSION = 'v2.3.0';

/** Where the tests keep the same program. */
const KEPT = join(homedir(), '.cache/mayfly-judges/rekor-tiles-2.3.0/posix');

/** Where the program is; undefined, with the reason logged, where it cannot be had. */
export const findRekorTiles = (log: (text: string) => void): string | undefined =>
  existsSync(KEPT)
    ? KEPT
    : findGoProgram(
        {
          title: 'rekor-tiles',
          path: 'github.com/sigstore/rekor-tiles/v2/cmd/rekor-server/posix',
          version: REKOR_TILES_VERSION,
        },
        log,
      );

/** A running log. */
export interface RunningRekorTiles extends System {
  /** The file of its public key, in PEM. */
  readonly publicKey: string;
}

/** Starts it on `core` with one Go processor, a new log and what it does by default. */
export async function startRekorTiles(program: string, core: number): Promise<RunningRekorTiles> {
  const folder = workFolder('rekor-tiles');
  const at = (name: string): string => join(folder, name);
  mkdirSync(at('tiles'));
  const keys = generateKeyPairSync('ed25519');
  writeFileSync(at('key.pem'), keys.privateKey.export({ format: 'pem', type: 'pkcs8' }));
  writeFileSync(at('key.pub.pem'), keys.publicKey.export({ format: 'pem', type: 'spki' }));
  const [port, grpc, metrics] = [await freePort(), await freePort(), await freePort()];
  const command = pinned(core, [
    ...[program, 'serve', '--hostname', 'localhost', '--http-address', '127.0.0.1'],
    ...['--grpc-address', '127.0.0.1', '--http-port', String(port), '--grpc-port', String(grpc)],
    ...['--http-metrics-port', String(metrics), '--signer-filepath', at('key.pem')],
    ...['--storage-dir', at('tiles')],
  ]);
  const child = await startProgram(command, `http://127.0.0.1:${port}/healthz`, { GOMAXPROCS: '1' });
  return {
    host: '127.0.0.1',
    port,
    pid: child.pid ?? 0,
    publicKey: at('key.pub.pem'),
    close: () => stop(child),
  };
}
