/** What every kind of log says of its entries: how they lie in bundles. */
import type { BundleName } from './tile.ts';

/** An entry as it is read back from a bundle. */
export interface StoredEntry {
  /** What its leaf hash covers, without the prefix of RFC 6962. */
  readonly leaf: Uint8Array;
  /** Offset of the first byte behind the entry. */
  readonly next: number;
}

/** How the entries of a log lie in its bundles, and in the commit store before a bundle is full. */
export interface EntryFormat<Stored extends StoredEntry = StoredEntry> {
  /** Where full bundles lie: `tile/data` by static-ct-api, `tile/entries` by tlog-tiles. */
  readonly bundle: BundleName;
  /** Reads the entry that starts at `offset`; throws FormatError. */
  parse(bytes: Uint8Array, offset: number): Stored;
  /** Whether an entry that `parse` could read agrees with itself where no hash covers it. Always true when its leaf is
   * all that is stored. */
  isSound(entry: Stored): boolean;
  /** The leaf hash of the entry at `index` whose leaf is withheld: it lies there with an empty one, and the root of the tree shows whether the hash is right. Throws FormatError
   * where nothing says that it is withheld. Absent in kinds of log of whose entries none ever is. */
  withheldHash?(index: number): Uint8Array;
}

/** An entry with its index and time, encoded as the log keeps it. */
export interface PlacedEntry {
  readonly index: number;
  readonly leafHash: Uint8Array;
  /** The entry as a bundle holds it. */
  readonly bytes: Uint8Array;
}
