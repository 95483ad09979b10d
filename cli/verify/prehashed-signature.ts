/** Signatures over artifacts of which the digest alone is known. OpenSSL can check them, and Node offers no way to ask it. */
import { createPublicKey, publicDecrypt, constants } from 'node:crypto';
import { p256, p384, p521 } from '@noble/curves/nist.js';
import { concat, equalBytes } from '../../core/bytes.ts';
import { octetString, oid, sequence } from '../../core/der-writer.ts';
import { Tag } from '../../core/der-tag.ts';
import { parsePublicKey } from '../../core/public-key.ts';
import type { BundleCrypto } from '../../verify/bundle/artifact.ts';

const CURVES = { 'P-256': p256, 'P-384': p384, 'P-521': p521 } as const;

const HASH_OIDS = {
  sha256: '2.16.840.1.101.3.4.2.1',
  sha384: '2.16.840.1.101.3.4.2.2',
  sha512: '2.16.840.1.101.3.4.2.3',
} as const;

/** As {@link BundleCrypto}'s `verifyDigest` says. */
export const verifyDigest: NonNullable<BundleCrypto['verifyDigest']> = (
  { keyType, hash },
  spki,
  digest,
  signature,
) => {
  try {
    const key = parsePublicKey(spki);
    if (key.type !== keyType) return false;
    if (key.type === 'ec') {
      const options = { prehash: false, format: 'der', lowS: false } as const;
      return CURVES[key.curve].verify(signature, digest, key.point, options);
    }
    // RFC 8017 §8.2.2: what the key makes of the signature is the DigestInfo in its only DER form.
    const identifier = sequence(oid(HASH_OIDS[hash]), Uint8Array.of(Tag.null, 0));
    const found = publicDecrypt(
      {
        key: createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' }),
        padding: constants.RSA_PKCS1_PADDING,
      },
      signature,
    );
    return equalBytes(found, sequence(concat([identifier, octetString(digest)])));
  } catch {
    // The library or OpenSSL could not make sense of the key or the signature.
    return false;
  }
};
