/** Checks the signatures of checkpoints with the log's public keys. */
import { createPublicKey, verify } from 'node:crypto';
import { concat, equalBytes, fromHex } from '../../core/bytes.ts';
import type { Head } from '../store/commit-store.ts';
import { parseCheckpoint, type Checkpoint } from '../format/checkpoint.ts';
import type { Vkey } from '../format/vkey.ts';
import { LogError } from '../core/log-error.ts';

/** What a signature that holds says. */
export interface VerifiedLine {
  /** Milliseconds since the epoch, when the signature covers the time of the head. */
  readonly timestamp?: number;
}

/** A public key of a log, with its own way to sign a checkpoint. */
export interface CheckpointKey {
  /** The name on its lines. */
  readonly name: string;
  /** Of the checkpoints that it signs: its lines count on no others. Mostly the same as the name. */
  readonly origin: string;
  /** 4 bytes. */
  readonly keyId: Uint8Array;
  /** As messages call it, e.g. `Ed25519`. */
  readonly algorithm: string;
  /** Checks what a line of this key holds behind its id; undefined when it does not hold. Throws FormatError when it
   * cannot be read. */
  verify(checkpoint: Checkpoint, signature: Uint8Array): VerifiedLine | undefined;
}

/** What precedes the 32 bytes of an Ed25519 key in its SubjectPublicKeyInfo (RFC 8410). */
const ED25519_SPKI = fromHex('302a300506032b6570032100');

/** A key that signs the text of the checkpoint with Ed25519 (note type 0x01), under the origin as its name. */
export const ed25519Key = ({ name, keyId, key }: Vkey): CheckpointKey => ({
  name,
  origin: name,
  keyId,
  algorithm: 'Ed25519',
  verify({ text }, signature) {
    const der = Buffer.from(concat([ED25519_SPKI, key]));
    const publicKey = createPublicKey({ key: der, format: 'der', type: 'spki' });
    return verify(null, text, publicKey, signature) ? {} : undefined;
  },
});

/** The head that a checkpoint proves: with its time when a key signed that. */
export interface VerifiedCheckpoint {
  readonly origin: string;
  readonly size: number;
  readonly root: Uint8Array;
  /** Milliseconds since the epoch; undefined when no known key signed it. */
  readonly timestamp: number | undefined;
  /** The known keys whose signatures it carries. */
  readonly signedBy: readonly CheckpointKey[];
}

/**
 * Reads a checkpoint and checks it with the log's `keys`. Every signature of a known key must hold and there must be at
 * least one, and the origin must be that of the keys. Throws {@link LogError} `LOG_CORRUPT` naming what does not hold, or
 * FormatError.
 */
export function verifyCheckpoint(bytes: Uint8Array, keys: readonly CheckpointKey[]): VerifiedCheckpoint {
  const checkpoint = parseCheckpoint(bytes);
  const { origin, size, root } = checkpoint;
  const signedBy: CheckpointKey[] = [];
  let timestamp: number | undefined;
  for (const { name, keyId, signature } of checkpoint.signatures) {
    const key = keys.find((known) => known.name === name && equalBytes(known.keyId, keyId));
    if (key === undefined || key.origin !== origin) continue;
    const verified = key.verify(checkpoint, signature);
    if (verified === undefined) throw badSignature(key);
    timestamp = verified.timestamp ?? timestamp;
    signedBy.push(key);
  }
  if (signedBy.length > 0) return { origin, size, root, timestamp, signedBy };
  throw new LogError(
    'LOG_CORRUPT',
    `the checkpoint of "${origin}" carries no signature of a known key of that log`,
  );
}

const badSignature = ({ algorithm }: CheckpointKey): LogError =>
  new LogError('LOG_CORRUPT', `the ${algorithm} signature of the checkpoint does not hold`);

/** Throws {@link LogError} `LOG_CORRUPT` unless every one of the log's `keys` has signed: a line whose key id is damaged
 * counts as that of an unknown key, and {@link verifyCheckpoint} is content with the other one. */
export function requireEverySignature(
  { signedBy }: VerifiedCheckpoint,
  keys: readonly CheckpointKey[],
): void {
  const missing = keys.find((key) => !signedBy.includes(key));
  if (missing === undefined) return;
  throw new LogError(
    'LOG_CORRUPT',
    `the checkpoint lacks the signature of the log's ${missing.algorithm} key`,
  );
}

/** Throws {@link LogError} unless `checkpoint` is the form of exactly this head that all of `keys` signed. */
export function requireCheckpointOf(
  head: Head,
  checkpoint: Uint8Array,
  keys: readonly CheckpointKey[],
): void {
  const { size, root, signedBy, timestamp = head.timestamp } = verifyCheckpoint(checkpoint, keys);
  const isSame = size === head.size && equalBytes(root, head.root) && timestamp === head.timestamp;
  if (isSame && keys.every((key) => signedBy.includes(key))) return;
  throw new LogError('LOG_WRONG_KEY', 'the signed head is not the committed one');
}
