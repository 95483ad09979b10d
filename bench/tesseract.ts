/** The certificate log of a stock deployment: TesseraCT on files, with its defaults. */
import { createHash, generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from './free-port.ts';
import { findGoProgram, startProgram } from './go-program.ts';
import { stop } from './process.ts';
import { workFolder } from './work-folder.ts';

/** The release that a stock deployment logs certificates with. */
const TESSERACT_VERSION = 'v0.1.1';

/** A running log. */
interface RunningTesseract {
  readonly url: string;
  /** DER SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
  readonly logId: Uint8Array;
  close(): void;
}

/** Where the program is; undefined, with the reason logged, where it cannot be had. */
export const findTesseract = (log: (text: string) => void): string | undefined =>
  findGoProgram(
    {
      title: 'TesseraCT',
      path: 'github.com/transparency-dev/tesseract/cmd/tesseract/posix',
      version: TESSERACT_VERSION,
    },
    log,
  );

/** Starts it with a new key, for certificates below the roots in that file. */
export async function startTesseract(program: string, roots: string): Promise<RunningTesseract> {
  const folder = workFolder('tesseract');
  const key = join(folder, 'key.pem');
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  writeFileSync(key, pair.privateKey.export({ type: 'sec1', format: 'pem' }));
  const publicKey = pair.publicKey.export({ type: 'spki', format: 'der' });
  const address = `127.0.0.1:${await freePort()}`;
  const files = [`-private_key=${key}`, `-roots_pem_file=${roots}`, `-storage_dir=${join(folder, 'log')}`];
  const command = [program, ...files, '-origin=localhost/bench', `-http_endpoint=${address}`];
  const child = await startProgram(command, `http://${address}/ct/v1/get-roots`);
  return {
    url: `http://${address}`,
    publicKey,
    logId: createHash('sha256').update(publicKey).digest(),
    close: () => void stop(child),
  };
}
