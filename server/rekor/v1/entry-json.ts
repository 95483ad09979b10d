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
      ...placeJson(log, entry),
      verification: { inclusionProof: proofJson(entry, proof), signedEntryTimestamp },
    },
  };
}

/** The same of an entry that is redacted: without its body, and without a timestamp, which would sign the body. */
export const withheldEntryJson = (
  log: Pick<ArtifactLog, 'identity'>,
  { entry, proof }: AnsweredEntry,
): Readonly<Record<string, unknown>> => ({
  [entryId(entry)]: { ...placeJson(log, entry), verification: { inclusionProof: proofJson(entry, proof) } },
});

const placeJson = (
  { identity }: Pick<ArtifactLog, 'identity'>,
  { integratedTime, logIndex }: LoggedEntry,
): Readonly<Record<string, unknown>> => ({ integratedTime, logID: toHex(identity.logId), logIndex });

const proofJson = (
  { index }: LoggedEntry,
  { checkpoint, hashes, root, size }: LoggedProof,
): Readonly<Record<string, unknown>> => ({
  checkpoint,
  hashes: hashes.map(toHex),
  logIndex: index,
  rootHash: toHex(root),
  treeSize: size,
});
