/** Entries as Rekor's first API writes them. */
import { toBase64, toHex } from '../../../core/bytes.ts';
import type { ArtifactLog, LoggedProof, LoggedEntry } from '../../../rekor/artifact-log.ts';

/** An entry with what proves it. */
export interface AnsweredEntry {
  readonly entry: LoggedEntry;
  readonly proof: LoggedProof;
}

/** Hexadecimal digits of a tree id in an entry's. */
export const TREE_DIGITS = 16;

/** What clients call an entry: tree id and leaf hash in hexadecimal. */
export const entryId = ({ treeId, leafHash }: Pick<LoggedEntry, 'treeId' | 'leafHash'>): string =>
  (treeId ?? 0n).toString(16).padStart(TREE_DIGITS, '0') + toHex(leafHash);

/** `{id: entry}` with a new signed entry timestamp. Members stand in Go's order, which is that of the alphabet. Rejects as `signEntryTimestamp`. */
export async function entryJson(
  log: Pick<ArtifactLog, 'identity' | 'signEntryTimestamp'>,
  { entry, proof }: AnsweredEntry,
): Promise<Readonly<Record<string, unknown>>> {
  const signedEntryTimestamp = toBase64(await log.signEntryTimestamp(entry));
  return {
    [entryId(entry)]: {
      body: Buffer.from(entry.body).toString('base64'),
      integratedTime: entry.integratedTime,
      logID: toHex(log.identity.logId),
      logIndex: entry.logIndex,
      verification: {
        inclusionProof: {
          checkpoint: proof.checkpoint,
          hashes: proof.hashes.map(toHex),
          logIndex: entry.index,
          rootHash: toHex(proof.root),
          treeSize: proof.size,
        },
        signedEntryTimestamp,
      },
    },
  };
}
