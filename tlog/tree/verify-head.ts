/** Checks the signatures of tree heads and checkpoints with the log's public keys. */
import { createPublicKey, verify, type KeyObject } from 'node:crypto';
import { concat, equalBytes, fromHex } from '../../core/bytes.ts';
import type { Head } from '../store/commit-store.ts';
import { parseCheckpoint, type Checkpoint } from '../format/checkpoint.ts';
import { encodeTreeHead, parseTreeHeadSignature } from '../../ct-log/format/tree-head.ts';
import type { Vkey } from '../format/vkey.ts';
import { LogError } from '../log-error.ts';

/** What precedes the 32 bytes of an Ed25519 key in its SubjectPublicKeyInfo (RFC 8410). */
const ED25519_SPKI = fromHex('302a300506032b6570032100');

function keyOf(vkey: Vkey): KeyObject {
  const der = vkey.type === 'static-ct' ? vkey.key : concat([ED25519_SPKI, vkey.key]);
  return createPublicKey({ key: Buffer.from(der), format: 'der', type: 'spki' });
}

/** The head that a checkpoint proves: with its time when the log's ECDSA key signed it. */
export interface VerifiedCheckpoint {
  readonly origin: string;
  readonly size: number;
  readonly root: Uint8Array;
  /** Milliseconds since the epoch; undefined when only an Ed25519 key was known. */
  readonly timestamp: number | undefined;
  /** The known keys whose signatures it carries. */
  readonly signedBy: readonly Vkey[];
}

/**
 * Reads a checkpoint and checks it with the log's `keys` (types `static-ct` and `ed25519`; others are ignored). Every
 * signature of a known key must hold and there must be at least one, and the origin must be the keys' name. Throws
 * {@link LogError} `LOG_CORRUPT` naming what does not hold, or FormatError.
 */
export function verifyCheckpoint(bytes: Uint8Array, keys: readonly Vkey[]): VerifiedCheckpoint {
  const checkpoint = parseCheckpoint(bytes);
  const signedBy: Vkey[] = [];
  let timestamp: number | undefined;
  for (const { name, keyId, signature } of checkpoint.signatures) {
    const vkey = keys.find((key) => key.name === name && equalBytes(key.keyId, keyId));
    if (vkey === undefined || vkey.type === 'cosignature' || vkey.name !== checkpoint.origin) continue;
    timestamp = checkSignature(checkpoint, vkey, signature) ?? timestamp;
    signedBy.push(vkey);
  }
  const { origin, size, root } = checkpoint;
  if (signedBy.length > 0) return { origin, size, root, timestamp, signedBy };
  throw new LogError(
    'LOG_CORRUPT',
    `the checkpoint of "${origin}" carries no signature of a known key of that log`,
  );
}

/** Throws {@link LogError} `LOG_CORRUPT` unless every one of the log's `keys` has signed: a line whose key id is damaged
 * counts as that of a stranger, and {@link verifyCheckpoint} is content with the other one. */
export function requireEverySignature({ signedBy }: VerifiedCheckpoint, keys: readonly Vkey[]): void {
  const missing = keys.find((key) => key.type !== 'cosignature' && !signedBy.includes(key));
  if (missing === undefined) return;
  const kind = missing.type === 'ed25519' ? 'Ed25519' : 'ECDSA';
  throw new LogError('LOG_CORRUPT', `the checkpoint lacks the signature of the log's ${kind} key`);
}

/** Throws unless the signature holds; the time that a type 0x05 signature covers. */
function checkSignature(checkpoint: Checkpoint, vkey: Vkey, signature: Uint8Array): number | undefined {
  if (vkey.type === 'ed25519') {
    if (!verify(null, checkpoint.text, keyOf(vkey), signature)) throw badSignature('Ed25519');
    return undefined;
  }
  const { timestamp, signature: ecdsa } = parseTreeHeadSignature(signature);
  const signed = encodeTreeHead({ timestamp, size: checkpoint.size, root: checkpoint.root });
  if (!verify('sha256', signed, keyOf(vkey), ecdsa)) throw badSignature('ECDSA');
  return timestamp;
}

const badSignature = (kind: string): LogError =>
  new LogError('LOG_CORRUPT', `the ${kind} signature of the checkpoint does not hold`);

/** Throws unless `checkpoint` is the signed form of exactly this head. */
export function requireCheckpointOf(head: Head, checkpoint: Uint8Array, keys: readonly Vkey[]): void {
  const verified = verifyCheckpoint(checkpoint, keys);
  const same = verified.size === head.size && equalBytes(verified.root, head.root);
  if (!same || verified.timestamp !== head.timestamp) {
    throw new LogError('LOG_WRONG_KEY', 'the signed head is not the committed one');
  }
}
