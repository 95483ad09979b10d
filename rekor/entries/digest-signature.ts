/** Signatures over artifacts of which the digest alone is known. OpenSSL can check them, and Node offers no way to ask it. */
import { constants, createPublicKey, publicDecrypt } from 'node:crypto';
import { concat, equalBytes } from '../../core/bytes.ts';
import { octetString, oid, sequence } from '../../core/der-writer.ts';
import { Tag } from '../../core/der-tag.ts';
import { parsePublicKey, type PublicKeyInfo } from '../../core/public-key.ts';
import type * as ed25519ph from './ed25519ph.ts';
import { verifyEcdsaDigest } from './curve-verification.ts';

/** Hashes of artifacts. */
type DigestHash = 'sha256' | 'sha384' | 'sha512';

const HASH_OIDS: Readonly<Record<DigestHash, string>> = {
  sha256: '2.16.840.1.101.3.4.2.1',
  sha384: '2.16.840.1.101.3.4.2.2',
  sha512: '2.16.840.1.101.3.4.2.3',
};

/** How it was made: Ed25519 keys sign digests by SHA-512 alone. */
export interface DigestScheme {
  readonly keyType: PublicKeyInfo['type'];
  readonly hash: DigestHash;
}

/** Loads what checks Ed25519ph. Its library takes longer to load than everything else, and hardly anybody needs it: commands load it when they do, and a service before its first request, whose
 * turn would be a tenth of a second. */
export const loadEd25519ph = (): Promise<typeof ed25519ph> => import('./ed25519ph.ts');

/** Whether `signature` is one by the key (DER SubjectPublicKeyInfo) over the digest: ECDSA in DER, RSA PKCS#1 v1.5, and Ed25519ph (RFC 8032) with an empty context.
 * False for another kind of key, and for what is no key or no signature. A caller judges first whether the key is one to believe. */
export async function verifyDigest(
  { keyType, hash }: DigestScheme,
  spki: Uint8Array,
  digest: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  try {
    const key = parsePublicKey(spki);
    if (key.type !== keyType) return false;
    if (key.type === 'ec') return verifyEcdsaDigest(key, digest, signature);
    if (key.type === 'rsa') return verifyRsa(hash, key, spki, digest, signature);
    const { verifyEd25519ph } = await loadEd25519ph();
    return verifyEd25519ph(key.key, digest, signature);
  } catch {
    // The library or OpenSSL could not make sense of the key or the signature.
    return false;
  }
}

function verifyRsa(
  hash: DigestHash,
  { modulus }: Extract<PublicKeyInfo, { type: 'rsa' }>,
  spki: Uint8Array,
  digest: Uint8Array,
  signature: Uint8Array,
): boolean {
  // RFC 8017 §8.2.2: a signature is as long as the modulus, and OpenSSL takes a shorter one for the number that it is.
  if (signature.length !== modulus.length) return false;
  // What the key makes of the signature is the DigestInfo in its only DER form.
  const identifier = sequence(oid(HASH_OIDS[hash]), Uint8Array.of(Tag.null, 0));
  const key = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
  const found = publicDecrypt({ key, padding: constants.RSA_PKCS1_PADDING }, signature);
  return equalBytes(found, sequence(concat([identifier, octetString(digest)])));
}
