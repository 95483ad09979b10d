/**
 * Checks the signature of a token. jose imports the keys and checks EdDSA.
 *
 * RSA and ECDSA, which practically every issuer uses, are checked by OpenSSL on this thread. Through WebCrypto, which jose
 * uses, the same check costs some 50 µs more a certificate, a tenth of all that issuing costs (docs/benchmarks.md). jose also
 * accepts no RSA key of 2047 bits.
 */
import { constants, KeyObject, verify } from 'node:crypto';
import { compactVerify, errors } from 'jose';
import type { CryptoKey } from 'jose';
import { derOfP1363 } from '../../core/ecdsa-signature.ts';
import type { Algorithm } from '../core/algorithms.ts';

/** A public key that jose has imported, in the two forms that checking needs. */
export interface ImportedKey {
  readonly cryptoKey: CryptoKey;
  readonly handle: KeyObject;
}

/** Both forms of an imported key. */
export const importedKey = (cryptoKey: CryptoKey): ImportedKey => ({
  cryptoKey,
  handle: KeyObject.from(cryptoKey),
});

interface DirectCheck {
  readonly hash: 'sha256' | 'sha384' | 'sha512';
  /** Bytes of r‖s (RFC 7518 §3.4); undefined for RSA, whose signature is as long as the modulus. */
  readonly length?: number;
  /** RSASSA-PSS with a salt as long as the hash (RFC 7518 §3.5). */
  readonly isPss?: boolean;
}

const DIRECT: ReadonlyMap<Algorithm, DirectCheck> = new Map<Algorithm, DirectCheck>([
  ['RS256', { hash: 'sha256' }],
  ['RS384', { hash: 'sha384' }],
  ['RS512', { hash: 'sha512' }],
  ['PS256', { hash: 'sha256', isPss: true }],
  ['PS384', { hash: 'sha384', isPss: true }],
  ['PS512', { hash: 'sha512', isPss: true }],
  ['ES256', { hash: 'sha256', length: 64 }],
  ['ES384', { hash: 'sha384', length: 96 }],
  ['ES512', { hash: 'sha512', length: 132 }],
]);

/** Whether the compact token's signature was made by `key` with `algorithm`. The key must be one that the algorithm
 * may use (`verification-key.ts` sees to it), the token one that `oidc/token.ts` has taken apart. Rejects with jose's
 * error when the token is no compact JWS after all. */
export function isSignedBy(
  compact: string,
  key: ImportedKey,
  algorithm: Algorithm,
): boolean | Promise<boolean> {
  const direct = DIRECT.get(algorithm);
  return direct === undefined
    ? checkWithJose(compact, key.cryptoKey, algorithm)
    : checkDirectly(compact, key.handle, direct);
}

const PSS = {
  padding: constants.RSA_PKCS1_PSS_PADDING,
  saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
} as const;

function checkDirectly(compact: string, handle: KeyObject, { hash, length, isPss }: DirectCheck): boolean {
  const end = compact.lastIndexOf('.');
  const signature = Buffer.from(compact.slice(end + 1), 'base64url');
  if (length !== undefined && signature.length !== length) return false;
  const der = length === undefined ? signature : derOfP1363(signature);
  // OpenSSL takes one without its leading zero byte, but only with this padding (RFC 8017 §8.1.2, step 1).
  if (isPss === true && signature.length !== modulusBytes(handle)) return false;
  // The text was checked to be base64url and dots: one byte a character.
  const key = isPss === true ? { key: handle, ...PSS } : handle;
  return der !== undefined && verify(hash, Buffer.from(compact.slice(0, end), 'latin1'), key, der);
}

const modulusBytes = (handle: KeyObject): number =>
  Math.ceil((handle.asymmetricKeyDetails?.modulusLength ?? 0) / 8);

async function checkWithJose(compact: string, key: CryptoKey, algorithm: Algorithm): Promise<boolean> {
  try {
    await compactVerify(compact, key, { algorithms: [algorithm] });
    return true;
  } catch (error) {
    if (error instanceof errors.JWSSignatureVerificationFailed) return false;
    throw error;
  }
}
