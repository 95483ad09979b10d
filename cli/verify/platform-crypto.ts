import { createPublicKey, hash, verify, type KeyObject } from 'node:crypto';
import { verifyDigest } from '../../rekor/entries/digest-signature.ts';
import type { BundleCrypto } from '../../verify/bundle/artifact.ts';

/** Of keys that somebody holds, such as those of a trust: reading one takes OpenSSL as long as half a signature. */
const KEYS = new WeakMap<Uint8Array, KeyObject>();

function keyOf(spki: Uint8Array): KeyObject {
  const known = KEYS.get(spki);
  if (known !== undefined) return known;
  const key = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
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
