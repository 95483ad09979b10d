/** Signatures over artifacts of which the digest alone is known. OpenSSL can check them, and Node offers no way to ask it. */
import { constants, createHash, createPublicKey, publicDecrypt } from 'node:crypto';
import { eddsa } from '@noble/curves/abstract/edwards.js';
import { ed25519 } from '@noble/curves/ed25519.js';
import { p256, p384, p521 } from '@noble/curves/nist.js';
import { concat, equalBytes, utf8 } from '../../core/bytes.ts';
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

/** Ed25519ph that is handed the digest. The library's own hashes the message by itself. */
const ed25519ph = eddsa(
  ed25519.Point,
  (data: Uint8Array) => Uint8Array.from(createHash('sha512').update(data).digest()),
  {
    prehash: (digest: Uint8Array) => Uint8Array.from(digest),
    // RFC 8032 §5.1: dom2 with the flag of the variant and an empty context.
    domain: (data: Uint8Array) =>
      Uint8Array.from(concat([utf8('SigEd25519 no Ed25519 collisions'), Uint8Array.of(1, 0), data])),
  },
);

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
    if (key.type === 'ed25519') return ed25519ph.verify(signature, digest, key.key, { zip215: false });
    // RFC 8017 §8.2.2: a signature is as long as the modulus, and OpenSSL takes a shorter one for the number that it is.
    if (signature.length !== key.modulus.length) return false;
    // What the key makes of the signature is the DigestInfo in its only DER form.
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
