import { createPublicKey, hash, verify, type KeyObject } from 'node:crypto';
import { encodePem } from '../../core/pem.ts';
import { verifyDigest } from '../../rekor/entries/digest-signature.ts';
import type { BundleCrypto } from '../../verify/bundle/artifact.ts';

/** Of keys that somebody holds, such as those of a trust. */
const KEYS = new WeakMap<Uint8Array, KeyObject | string>();

/**
 * Reading a key takes OpenSSL as long as a fifth of a signature: one that is asked for again gets a handle, and one that is not, such as that of a certificate in a bundle, does without.
 * As text, for Node takes longer to find out what else it could be than OpenSSL takes to read it.
 */
function keyOf(spki: Uint8Array): KeyObject | string {
  const known = KEYS.get(spki);
  if (typeof known === 'object') return known;
  const key = known === undefined ? encodePem('PUBLIC KEY', spki) : createPublicKey(known);
  KEYS.set(spki, key);
  return key;
}

/** The verifier's cryptography by Node's OpenSSL. The bytes of a key must not be changed after it was used. */
export const platformCrypto = {
  sha256: (data): Uint8Array => hash('sha256', data, 'buffer'),
  digest: (algorithm, data): Uint8Array => hash(algorithm, data, 'buffer'),
  verify: (scheme, spki, data, signature) => {
    try {
      return verify(scheme.hash, data, keyOf(spki), signature);
    } catch {
      // OpenSSL could not make sense of the key or the signature.
      return false;
    }
  },
  verifyDigest,
} satisfies BundleCrypto;
