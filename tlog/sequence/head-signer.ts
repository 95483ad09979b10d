import { equalBytes, utf8 } from '../../core/bytes.ts';
import type { Head, PublishedHead } from '../store/commit-store.ts';
import { checkpointText, encodeCheckpoint, parseCheckpoint } from '../format/checkpoint.ts';
import type { NoteSignature } from '../format/signed-note.ts';
import { requireCheckpointOf, type CheckpointKey } from '../tree/verify-head.ts';

/** A key of a log with what signs for it. */
export interface CheckpointSigner extends CheckpointKey {
  /** What its line of the checkpoint holds behind the key's id; `text` is that of the checkpoint. Rejects when the key
   * cannot be reached. */
  sign(head: Head, text: Uint8Array): Promise<Uint8Array>;
}

/** A committed head with its signatures. */
export interface SignedHead {
  readonly head: Head;
  /** Those of the checkpoint, in the order of the log's keys. */
  readonly signatures: readonly NoteSignature[];
  /** The checkpoint, ready to be served, with all signatures. */
  readonly checkpoint: Uint8Array;
}

/** Signs heads; rejects when a key cannot be reached. */
export type SignHead = (head: Head) => Promise<SignedHead>;

/** Signs the heads of the log of that origin with all of its keys. Only a head that the commit store holds may be given to
 * the result: two signed heads of one size would be a fork. */
export function headSigner(origin: string, keys: readonly CheckpointSigner[]): SignHead {
  return async (head) => {
    const body = { origin, size: head.size, root: head.root };
    const text = utf8(checkpointText(body));
    const signed = await Promise.all(keys.map((key) => key.sign(head, text)));
    const signatures = keys.map(({ name, keyId }, i) => ({
      name,
      keyId,
      signature: signed[i] ?? new Uint8Array(),
    }));
    return { head, signatures, checkpoint: encodeCheckpoint(body, signatures) };
  };
}

/** The signed head that a checkpoint is, which has lines of other keys, too. */
export function signedHeadOf(
  { head, checkpoint }: PublishedHead,
  keys: readonly CheckpointKey[],
): SignedHead {
  const lines = parseCheckpoint(checkpoint).signatures;
  const signatures = keys.flatMap(({ name, keyId }) =>
    lines.filter((line) => line.name === name && equalBytes(line.keyId, keyId)).slice(0, 1),
  );
  return { head, signatures, checkpoint };
}

/** {@link signedHeadOf} for what another process has signed. Throws {@link LogError} `LOG_CORRUPT` or `LOG_WRONG_KEY`, or FormatError, unless all `keys` have signed exactly that. */
export function verifiedHead(published: PublishedHead, keys: readonly CheckpointKey[]): SignedHead {
  requireCheckpointOf(published.head, published.checkpoint, keys);
  return signedHeadOf(published, keys);
}
