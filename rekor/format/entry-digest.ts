/** The hashes by which entries of artifact logs are about something, and how they are computed. */

/** Hashes of what is signed. */
export type EntryHash = 'sha256' | 'sha384' | 'sha512';

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
