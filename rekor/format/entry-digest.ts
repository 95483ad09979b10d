/** The hashes by which entries of artifact logs are about something, and how they are computed. */

/** Hashes of what is signed, by their names in `sigstore_common.proto`, which bundles and entries of the second API have. */
export const HASHES_BY_NAME = { SHA2_256: 'sha256', SHA2_384: 'sha384', SHA2_512: 'sha512' } as const;

/** One of them. */
export type EntryHash = (typeof HASHES_BY_NAME)[keyof typeof HASHES_BY_NAME];

/** The digest of `data`. */
export type EntryDigest = (hash: EntryHash, data: Uint8Array) => Uint8Array | Promise<Uint8Array>;

/** The same digests, each computed once for the same array of bytes: the entries of a bundle are about one payload. */
export function rememberedDigest(digest: EntryDigest): EntryDigest {
  const known = new Map<EntryHash, Map<Uint8Array, ReturnType<EntryDigest>>>();
  return (hash, data) => {
    const ofHash = known.get(hash) ?? new Map<Uint8Array, ReturnType<EntryDigest>>();
    const found = ofHash.get(data) ?? digest(hash, data);
    known.set(hash, ofHash.set(data, found));
    return found;
  };
}
