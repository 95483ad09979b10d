/** Keys of certificate logs, and what they sign: SCTs and tree heads, both as DigitallySigned (RFC 6962 §2.1.4). */
import { FormatError } from '../core/errors.ts';
import type { SignatureScheme } from '../core/signature-algorithm.ts';
import type { DigitallySigned } from '../ct-log/format/digitally-signed.ts';
import type { VerifyCrypto } from './crypto.ts';
import { publicKeyOf, weaknessOf } from './read-once.ts';
import { refused } from './verify-error.ts';

/** The kind of a key: how people call it. */
export type LogKeyKind = 'ECDSA' | 'RSA' | 'Ed25519';

interface KeyRow {
  readonly kind: LogKeyKind;
  readonly keyType: SignatureScheme['keyType'];
  /** TLS SignatureAlgorithm. */
  readonly signature: number;
  /** TLS HashAlgorithm of the hashes that it may sign with. RFC 6962 knows SHA-256 alone; logs with larger keys use theirs too. */
  readonly hashes: readonly number[];
}

const SHA256 = 4;
const SHA384 = 5;
const SHA512 = 6;
/** It hashes by itself (RFC 8422 §5.1.3). */
const INTRINSIC = 8;

const HASHES: ReadonlyMap<number, readonly [SignatureScheme['hash'], name: string]> = new Map([
  [SHA256, ['sha256', 'SHA-256']],
  [SHA384, ['sha384', 'SHA-384']],
  [SHA512, ['sha512', 'SHA-512']],
  [INTRINSIC, [undefined, 'no hash of its own']],
]);

const ecdsa = (...hashes: readonly number[]): KeyRow => ({
  kind: 'ECDSA',
  keyType: 'ec',
  signature: 3,
  hashes,
});

const ROWS: Readonly<Record<'P-256' | 'P-384' | 'P-521' | 'rsa' | 'ed25519', KeyRow>> = {
  'P-256': ecdsa(SHA256),
  'P-384': ecdsa(SHA256, SHA384),
  'P-521': ecdsa(SHA256, SHA512),
  rsa: { kind: 'RSA', keyType: 'rsa', signature: 1, hashes: [SHA256] },
  ed25519: { kind: 'Ed25519', keyType: 'ed25519', signature: 7, hashes: [INTRINSIC] },
};

/** The kind of a log's key (DER SubjectPublicKeyInfo). Throws {@link FormatError} for a key that no log should have. */
export const logKeyKind = (spki: Uint8Array): LogKeyKind => rowOf(spki).kind;

function rowOf(spki: Uint8Array): KeyRow {
  const key = publicKeyOf(spki);
  if (key.type === 'ec') return ROWS[key.curve];
  if (key.type === 'ed25519') return ROWS.ed25519;
  const weakness = weaknessOf(key);
  if (weakness === undefined) return ROWS.rsa;
  throw new FormatError('UNSUPPORTED', `its RSA key ${weakness}`);
}

/** How `what` is signed, by its own word. Throws a refusal when the key of the log does not sign so. */
export function logScheme(
  { hashAlgorithm, signatureAlgorithm }: DigitallySigned,
  logKey: Uint8Array,
  what: string,
): SignatureScheme {
  const { kind, keyType, signature, hashes } = rowOf(logKey);
  if (signatureAlgorithm === signature && hashes.includes(hashAlgorithm))
    return { keyType, hash: HASHES.get(hashAlgorithm)?.[0] };
  const names = hashes.map((hash) => HASHES.get(hash)?.[1] ?? '').join(' or ');
  throw refused(`${what} is not signed by ${kind} with ${names}, as this log signs`);
}

/** Whether the log's key signed `data`. Throws a refusal as {@link logScheme} does. */
export const isSignedByLog = (
  signed: DigitallySigned,
  logKey: Uint8Array,
  data: Uint8Array,
  what: string,
  crypto: VerifyCrypto,
): boolean | Promise<boolean> =>
  crypto.verify(logScheme(signed, logKey, what), logKey, data, signed.signature);
