/** Signs the SCTs of a batch, after the commit that covers it. */
import type { Signer } from '../signers/signer.ts';
import { encodeSct } from './format/sct.ts';
import { LogError } from '../tlog/log-error.ts';
import type { PlacedEntry } from './placed-entry.ts';

/** An entry with its serialized SCT. */
export interface EntryWithSct {
  readonly entry: PlacedEntry;
  readonly sct: Uint8Array;
}

/** Signs all of them at once, for a key that is far away, and in order. Rejects when the key cannot be reached. */
export async function signScts(
  entries: readonly PlacedEntry[],
  timestamp: number,
  log: { readonly logId: Uint8Array; readonly signer: Signer },
): Promise<EntryWithSct[]> {
  const { logId, signer } = log;
  const signatures = await Promise.all(entries.map(({ leaf }) => signer.sign(leaf)));
  return entries.map((entry, i) => {
    const signature = signatures[i];
    if (signature === undefined) throw new LogError('LOG_STORAGE', 'a signature is missing');
    return { entry, sct: encodeSct({ logId, timestamp, extensions: entry.extensions, signature }) };
  });
}
