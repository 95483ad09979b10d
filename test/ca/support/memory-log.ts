/**
 * A log in memory with real bytes: real leaves, real SCTs signed by a real key. It stands in for `ct-log` where a
 * test wants to see what the CA hands in, or to hand back something wrong.
 */
import { createHash, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import type { PrecertificateLog } from '../../../ca/precertificate-log.ts';
import type { Clock } from '../../../core/clock.ts';
import { makeCommitted, type Committed, type CommittedEntry } from '../../../tlog/core/committed.ts';
import { leafIndexExtension } from '../../../ct-log/format/leaf-index.ts';
import { encodeEntry, type PrecertificateEntry } from '../../../ct-log/format/leaf.ts';
import { encodeSct, type SctReceipt } from '../../../ct-log/format/sct.ts';

export interface MemoryLog extends PrecertificateLog {
  readonly entries: PrecertificateEntry[];
  readonly publicKey: KeyObject;
}

const sha256 = (data: Uint8Array): Uint8Array => createHash('sha256').update(data).digest();

/** `distort` may change what the log says before it vouches for it. */
export function memoryLog(
  clock: Clock,
  distort: (entry: CommittedEntry<SctReceipt>) => CommittedEntry<SctReceipt> = (e) => e,
): MemoryLog {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const logId = sha256(publicKey.export({ type: 'spki', format: 'der' }));
  const entries: PrecertificateEntry[] = [];
  const append = (entry: PrecertificateEntry): Promise<Committed<SctReceipt>> => {
    const index = entries.push(entry) - 1;
    const timestamp = clock();
    const extensions = leafIndexExtension(index);
    const { leaf, hashInput } = encodeEntry(entry, timestamp, extensions);
    const sct = encodeSct({ logId, timestamp, extensions, signature: sign('sha256', leaf, privateKey) });
    const leafHash = sha256(hashInput);
    const committed = { index, timestamp, leafHash, treeSize: index + 1, root: leafHash, receipt: { sct } };
    return Promise.resolve(makeCommitted(distort(committed)));
  };
  const identity = { origin: 'ca.example.org/log/memory' };
  return { identity, entries, publicKey, append, refusal: () => undefined };
}
