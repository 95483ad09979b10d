/** The two keys of a certificate log: how they sign checkpoints, and how that is checked. */
import { createPublicKey, verify } from 'node:crypto';
import { equalBytes } from '../core/bytes.ts';
import type { Signer } from '../signers/signer.ts';
import type { Checkpoint } from '../tlog/format/checkpoint.ts';
import { makeVkey, type Vkey } from '../tlog/format/vkey.ts';
import { LogError } from '../tlog/core/log-error.ts';
import type { CheckpointSigner } from '../tlog/sequence/head-signer.ts';
import { sha256 } from '../tlog/core/sha256.ts';
import { ed25519Key, type CheckpointKey, type VerifiedLine } from '../tlog/tree/verify-head.ts';
import { TLS_ECDSA, TLS_SHA256 } from './format/digitally-signed.ts';
import { encodeTreeHead, encodeTreeHeadSignature, parseTreeHeadSignature } from './format/tree-head.ts';
import type { CtLogIdentity } from './log-identity.ts';

/** The private keys of a certificate log. */
export interface LogSigners {
  /** ECDSA P-256: tree heads and SCTs. */
  readonly treeHead: Signer;
  /** Ed25519: the note signature of checkpoints, which witnesses ask for. */
  readonly checkpoint: Signer;
}

/** A verifier key of a certificate log, and how it checks. */
export type CtCheckpointKey = Vkey & CheckpointKey;

/** What an identity says of a log's keys. */
type PublicKeys = Pick<CtLogIdentity, 'origin' | 'publicKey' | 'ed25519PublicKey'>;

/** The two verifier keys of a log's checkpoints: type 0x05 (ECDSA, with the head's time) and 0x01 (Ed25519). Throws
 * FormatError for keys that nobody may use. */
export const logKeys = ({
  origin,
  publicKey,
  ed25519PublicKey,
}: PublicKeys): [staticCt: CtCheckpointKey, ed25519: CtCheckpointKey] => [
  staticCtKey(makeVkey(sha256, origin, 'static-ct', publicKey)),
  ed25519VkeyOf(makeVkey(sha256, origin, 'ed25519', ed25519PublicKey)),
];

/** The keys of a log among `vkeys`: those of witnesses are left out. */
export const logKeysAmong = (vkeys: readonly Vkey[]): CtCheckpointKey[] =>
  vkeys.flatMap((vkey) => {
    if (vkey.type === 'cosignature') return [];
    return vkey.type === 'ed25519' ? ed25519VkeyOf(vkey) : staticCtKey(vkey);
  });

const ed25519VkeyOf = (vkey: Vkey): CtCheckpointKey => ({ ...vkey, ...ed25519Key(vkey) });

/** A static-ct-api key, which signs the tree head of RFC 6962 in place of the checkpoint's text. */
const staticCtKey = (vkey: Vkey): CtCheckpointKey => ({
  ...vkey,
  origin: vkey.name,
  algorithm: 'ECDSA',
  verify: (checkpoint, signature) => verifyTreeHead(checkpoint, vkey.key, signature),
});

function verifyTreeHead(
  { size, root }: Checkpoint,
  spki: Uint8Array,
  line: Uint8Array,
): VerifiedLine | undefined {
  const { timestamp, signature, hashAlgorithm, signatureAlgorithm } = parseTreeHeadSignature(line);
  // No signature covers which algorithms it says it is of.
  if (hashAlgorithm !== TLS_SHA256 || signatureAlgorithm !== TLS_ECDSA) return undefined;
  const key = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
  const holds = verify('sha256', encodeTreeHead({ timestamp, size, root }), key, signature);
  return holds ? { timestamp } : undefined;
}

/** Both keys with what signs for them. The first line of a checkpoint is that of the ECDSA key. */
export function checkpointSigners(identity: PublicKeys, signers: LogSigners): CheckpointSigner[] {
  const [ecdsa, ed25519] = logKeys(identity);
  return [
    {
      ...ecdsa,
      sign: async (head) =>
        encodeTreeHeadSignature(head.timestamp, await signers.treeHead.sign(encodeTreeHead(head))),
    },
    { ...ed25519, sign: (_, text) => signers.checkpoint.sign(text) },
  ];
}

/** Throws {@link LogError} `LOG_WRONG_KEY` unless the signers are those of the log. */
export function requireSigners(identity: CtLogIdentity, { treeHead, checkpoint }: LogSigners): void {
  const right = treeHead.algorithm === 'ecdsa-p256-sha256' && checkpoint.algorithm === 'ed25519';
  if (right && equalBytes(treeHead.publicKey, identity.publicKey)) {
    if (equalBytes(checkpoint.publicKey.subarray(-32), identity.ed25519PublicKey)) return;
  }
  throw new LogError('LOG_WRONG_KEY', `the keys given are not those of the log "${identity.origin}"`, {
    hint: `Give the ECDSA and Ed25519 keys that were made with the log (keys/log-${identity.name}-*.key.pem, or what mayfly.keys names for it).`,
  });
}
