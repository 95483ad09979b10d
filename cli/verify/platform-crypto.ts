import { createHash, createPublicKey, verify } from 'node:crypto';
import type { TimestampCrypto } from '../../verify/crypto.ts';

/** The verifier's cryptography by Node's OpenSSL. */
export const platformCrypto: TimestampCrypto = {
  sha256: (data) => createHash('sha256').update(data).digest(),
  digest: (hash, data) => createHash(hash).update(data).digest(),
  verify: (scheme, spki, data, signature) => {
    try {
      const key = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
      return verify(scheme.hash, data, key, signature);
    } catch {
      // OpenSSL could not make sense of the key or the signature.
      return false;
    }
  },
};
