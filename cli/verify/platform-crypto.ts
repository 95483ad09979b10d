import { createHash, createPublicKey, verify } from 'node:crypto';
import type { BundleCrypto } from '../../verify/bundle/artifact.ts';

/** The verifier's cryptography by Node's OpenSSL. */
export const platformCrypto = {
  sha256: (data): Uint8Array => createHash('sha256').update(data).digest(),
  digest: (hash, data): Uint8Array => createHash(hash).update(data).digest(),
  verify: (scheme, spki, data, signature) => {
    try {
      const key = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
      return verify(scheme.hash, data, key, signature);
    } catch {
      // OpenSSL could not make sense of the key or the signature.
      return false;
    }
  },
  // The library behind it takes longer to load than everything else: hardly anybody needs it.
  verifyDigest: async (scheme, spki, digest, signature) =>
    (await import('./prehashed-signature.ts')).verifyDigest(scheme, spki, digest, signature),
} satisfies BundleCrypto;
