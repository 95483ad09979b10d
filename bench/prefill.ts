/**
 * Grows a log to a size without going through the CA: synthetic precertificate entries, shorter than real ones (some
 * 300 bytes), appended through the real sequencer and the real stores.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { readdirSync, readFileSync } from 'node:fs';
import { decodePem } from '../core/pem.ts';
import { openSigner } from '../signers/open-signer.ts';
import type { Signer } from '../signers/signer.ts';
import { openCtLog } from '../ct-log/ct-log.ts';

const WAITING = 1000;

/** Appends entries until the log of the directory has at least `size`. */
export async function prefill(data: string, size: number): Promise<void> {
  const [name = ''] = readdirSync(join(data, 'logs'));
  const key = (kind: string): Promise<Signer> =>
    openSigner(join(data, 'keys', `log-${name}-${kind}.key.pem`));
  const chain = decodePem(readFileSync(join(data, 'ca/chain.pem'), 'utf8')).map((block) => block.bytes);
  const signers = { treeHead: await key('ecdsa'), checkpoint: await key('ed25519') };
  const log = await openCtLog({ directory: join(data, 'logs', name), signers, chain, clock: Date.now });
  const fingerprints = Buffer.concat(chain.map((der) => createHash('sha256').update(der).digest()));
  const issuerKeyHash = new Uint8Array(32).fill(7);
  const grow = async (): Promise<void> => {
    for (let i = log.status().size; i < size; i = log.status().size) {
      const tbs = Buffer.alloc(100, i & 0xff);
      await log.append({ issuerKeyHash, tbs, precertificate: tbs, chainFingerprints: fingerprints });
    }
  };
  await Promise.all(Array.from({ length: Math.min(WAITING, size) }, grow));
  await log.close();
}
