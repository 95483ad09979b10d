import type { TimestampCrypto } from '../crypto.ts';

/** Hashes by which artifacts are known. */
export type ArtifactHash = 'sha256' | 'sha384' | 'sha512';

/** What must have been signed, or be spoken of. */
export interface Artifact {
  /** Its bytes, where they are at hand. */
  readonly bytes?: Uint8Array | undefined;
  /** Its digest; undefined where it is not known by that hash. */
  digest(hash: ArtifactHash): Uint8Array | undefined | Promise<Uint8Array | undefined>;
}

/** What verifying a bundle needs of cryptography. */
export interface BundleCrypto extends TimestampCrypto {
  /**
   * Whether `signature` holds over what has that digest, by the scheme's hash: for artifacts of which the digest alone is known. Without it the signature over such an artifact
   * is refused; WebCrypto cannot do it. Like `verify` otherwise. That of an Ed25519 key is Ed25519ph (RFC 8032) with an empty context, over artifacts whose bytes are known as well.
   */
  verifyDigest?(
    scheme:
      | { readonly keyType: 'ec' | 'rsa'; readonly hash: ArtifactHash }
      | { readonly keyType: 'ed25519'; readonly hash: 'sha512' },
    spki: Uint8Array,
    digest: Uint8Array,
    signature: Uint8Array,
  ): boolean | Promise<boolean>;
}

/** An artifact whose bytes are at hand. Each digest is computed once. */
export function artifactOfBytes(bytes: Uint8Array, crypto: Pick<BundleCrypto, 'digest'>): Artifact {
  const known = new Map<ArtifactHash, Uint8Array | Promise<Uint8Array>>();
  const digest = (hash: ArtifactHash): Uint8Array | Promise<Uint8Array> => {
    const found = known.get(hash) ?? crypto.digest(hash, bytes);
    known.set(hash, found);
    return found;
  };
  return { bytes, digest };
}

/** Bytes of a digest. */
export const DIGEST_LENGTHS: Readonly<Record<ArtifactHash, number>> = { sha256: 32, sha384: 48, sha512: 64 };

/** An artifact of which only digests are known. Throws RangeError for one that is not as long as the hash makes them: ECDSA looks at its beginning alone. */
export function artifactOfDigests(digests: ReadonlyMap<ArtifactHash, Uint8Array>): Artifact {
  for (const [hash, { length }] of digests)
    if (length !== DIGEST_LENGTHS[hash])
      throw new RangeError(`a ${hash} digest has ${DIGEST_LENGTHS[hash]} bytes, and ${length} were given`);
  return { digest: (hash) => digests.get(hash) };
}
