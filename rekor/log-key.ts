/** The one key of a log of artifacts: how it signs checkpoints, and how that is checked. */
import { createPublicKey, verify } from 'node:crypto';
import { equalBytes } from '../core/bytes.ts';
import { parsePublicKey } from '../core/public-key.ts';
import type { Signer } from '../signers/signer.ts';
import { LogError } from '../tlog/core/log-error.ts';
import { sha256 } from '../tlog/core/sha256.ts';
import { makeVkey } from '../tlog/format/vkey.ts';
import type { CheckpointSigner } from '../tlog/sequence/head-signer.ts';
import { ed25519Key, type CheckpointKey } from '../tlog/tree/verify-head.ts';
import { artifactLogId, type ArtifactApi, type ArtifactLogIdentity } from './log-identity.ts';

/** The kind of key that a log of each API has. */
export const ARTIFACT_KEY_TYPES: Readonly<Record<ArtifactApi, 'p256' | 'ed25519'>> = {
  1: 'p256',
  2: 'ed25519',
};

/** The key with which checkpoints of the log are checked. In the first API its id in notes is the start of the hash of the key, whatever its
 * name; in the second it is a note key of Ed25519. */
export function checkpointKey({ api, origin, host, logId, publicKey }: ArtifactLogIdentity): CheckpointKey {
  if (api === 2) return ed25519Key(makeVkey(sha256, host, 'ed25519', rawEd25519(publicKey)));
  const key = createPublicKey({ key: Buffer.from(publicKey), format: 'der', type: 'spki' });
  return {
    name: host,
    origin,
    keyId: logId.subarray(0, 4),
    algorithm: 'ECDSA',
    verify: ({ text }, signature) => (verify('sha256', text, key, signature) ? {} : undefined),
  };
}

/** The same with what signs for it: the text of the checkpoint, in both APIs. */
export const checkpointSigner = (identity: ArtifactLogIdentity, signer: Signer): CheckpointSigner => ({
  ...checkpointKey(identity),
  sign: (_, text) => signer.sign(text),
});

/** The log id that belongs to a key: another one than the log's for a key of another log. */
export const logIdOfKey = ({ api, host }: ArtifactLogIdentity, { publicKey }: Signer): Uint8Array =>
  artifactLogId({ api, host, publicKey });

/** Throws {@link LogError} `LOG_WRONG_KEY` unless the signer is that of the log. */
export function requireSigner({ api, origin, publicKey }: ArtifactLogIdentity, signer: Signer): void {
  const algorithm = api === 1 ? 'ecdsa-p256-sha256' : 'ed25519';
  if (signer.algorithm === algorithm && equalBytes(signer.publicKey, publicKey)) return;
  throw new LogError('LOG_WRONG_KEY', `the key given is not that of the log of artifacts "${origin}"`, {
    hint: 'Give the key that was made with the log (keys/artifacts-NAME.key.pem).',
  });
}

function rawEd25519(spki: Uint8Array): Uint8Array {
  const key = parsePublicKey(spki);
  if (key.type !== 'ed25519') throw new TypeError('this is not an Ed25519 key');
  return key.key;
}
