import { utf8 } from '../../core/bytes.ts';
import type { Signer } from '../../signers/signer.ts';
import type { Head } from '../store/commit-store.ts';
import { checkpointText, encodeCheckpoint } from '../format/checkpoint.ts';
import { encodeTreeHead, encodeTreeHeadSignature } from '../../ct-log/format/tree-head.ts';
import type { LogIdentity } from '../log-identity.ts';
import { logKeys } from '../log-keys.ts';

/** The two keys of a log. */
export interface LogSigners {
  /** ECDSA P-256: tree heads and SCTs. */
  readonly treeHead: Signer;
  /** Ed25519: the note signature of checkpoints, which witnesses ask for. */
  readonly checkpoint: Signer;
}

/** A committed head with its signatures. */
export interface SignedHead {
  readonly head: Head;
  /** DER ECDSA signature over the RFC 6962 tree head. */
  readonly treeHeadSignature: Uint8Array;
  /** The checkpoint, ready to be served, with both signatures. */
  readonly checkpoint: Uint8Array;
}

/** Signs heads; rejects when a key cannot be reached. */
export type SignHead = (head: Head) => Promise<SignedHead>;

/** Prepares what is the same for every head of the log. Only a head that the commit store holds may be given to the
 * result: two signed heads of one size would be a fork. */
export function headSigner(identity: LogIdentity, signers: LogSigners): SignHead {
  const { origin } = identity;
  const [ecdsa, ed25519] = logKeys(identity);
  return async (head) => {
    const body = { origin, size: head.size, root: head.root };
    const [treeHeadSignature, noteSignature] = await Promise.all([
      signers.treeHead.sign(encodeTreeHead(head)),
      signers.checkpoint.sign(utf8(checkpointText(body))),
    ]);
    const checkpoint = encodeCheckpoint(body, [
      {
        name: origin,
        keyId: ecdsa.keyId,
        signature: encodeTreeHeadSignature(head.timestamp, treeHeadSignature),
      },
      { name: origin, keyId: ed25519.keyId, signature: noteSignature },
    ]);
    return { head, treeHeadSignature, checkpoint };
  };
}
