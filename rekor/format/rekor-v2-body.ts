/** The bodies of entries of Rekor v2. Members stand in the order of RFC 8785. */
import { toBase64 } from '../../core/bytes.ts';
import { FormatError } from '../../core/errors.ts';
import { parsePublicKey, type PublicKeyInfo } from '../../core/public-key.ts';
import type { JsonValue } from '../../core/strict-json.ts';
import { HASHES_BY_NAME, type EntryDigest, type EntryHash } from './entry-digest.ts';
import type { LoggedSignature } from './logged-signature.ts';

/** Of a `hashedrekord` 0.0.2. Throws {@link FormatError} as {@link loggedDigest} does. */
export async function hashedrekord2(logged: LoggedSignature, digest: EntryDigest): Promise<JsonValue> {
  const { details, value } = await loggedDigest(logged, digest);
  return hashedrekord2Of(logged.verifier, details, value, logged.signature);
}

/** The same of a signature over a digest by the hash of the key. */
export const hashedrekord2Of = (
  verifier: LoggedSignature['verifier'],
  { keyDetails, hash }: KeyDetails,
  digest: Uint8Array,
  signature: Uint8Array,
): JsonValue => ({
  apiVersion: '0.0.2',
  kind: 'hashedrekord',
  spec: {
    hashedRekordV002: {
      data: { algorithm: HASH_NAMES[hash], digest: toBase64(digest) },
      signature: { content: toBase64(signature), verifier: verifierJson(verifier, keyDetails) },
    },
  },
});

/** The digest by which an entry of Rekor v2 is about a signature: of the artifact, or of an envelope's pre-authentication encoding. With it what the key signs by. Throws
 * {@link FormatError} for another hash than such a key signs with in logs, and for a key of which they have no entries. */
export async function loggedDigest(
  { verifier, signed }: LoggedSignature,
  digest: EntryDigest,
): Promise<{ readonly details: KeyDetails; readonly value: Uint8Array }> {
  const details = keyDetailsOf(parsePublicKey(verifier.spki));
  const { hash } = details;
  if (signed.type === 'message' && signed.hash !== hash)
    throw new FormatError(
      'MALFORMED',
      `a log entry of such a key is by ${hash}, the signature is by ${signed.hash}`,
    );
  const value =
    signed.type === 'message' ? signed.digest : await digest(hash, signed.preAuthenticationEncoding);
  return { details, value };
}

const HASH_NAMES = Object.fromEntries(
  Object.entries(HASHES_BY_NAME).map(([name, hash]) => [hash, name]),
) as Readonly<Record<EntryHash, string>>;

/** A key or certificate as Rekor v2 has both. */
export const verifierJson = (
  { certificate, spki }: LoggedSignature['verifier'],
  keyDetails: string,
): { readonly keyDetails: string; readonly [name: string]: JsonValue } =>
  certificate === undefined
    ? { keyDetails, publicKey: { rawBytes: toBase64(spki) } }
    : { keyDetails, x509Certificate: { rawBytes: toBase64(certificate) } };

/** What a key signs by, in logs. */
export interface KeyDetails {
  /** The name in `sigstore_common.proto`. */
  readonly keyDetails: string;
  readonly hash: EntryHash;
}

const EC_DETAILS: Readonly<Record<'P-256' | 'P-384' | 'P-521', KeyDetails>> = {
  'P-256': { keyDetails: 'PKIX_ECDSA_P256_SHA_256', hash: 'sha256' },
  'P-384': { keyDetails: 'PKIX_ECDSA_P384_SHA_384', hash: 'sha384' },
  'P-521': { keyDetails: 'PKIX_ECDSA_P521_SHA_512', hash: 'sha512' },
};

/** How Rekor v2 calls a key that signs as such keys do by default, which alone is verified of it. Throws {@link FormatError} for a key of which logs have no entries. */
export function keyDetailsOf(key: PublicKeyInfo): KeyDetails {
  if (key.type === 'ec') return EC_DETAILS[key.curve];
  if (key.type === 'ed25519') return { keyDetails: 'PKIX_ED25519_PH', hash: 'sha512' };
  if ([2048, 3072, 4096].includes(key.bits))
    return { keyDetails: `PKIX_RSA_PKCS1V15_${key.bits}_SHA256`, hash: 'sha256' };
  throw new FormatError('UNSUPPORTED', `no log of artifacts has entries of RSA keys of ${key.bits} bits`);
}
