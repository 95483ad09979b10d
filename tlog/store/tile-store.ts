/**
 * The large, immutable part of a log: full hash tiles, full bundles of entries, companion files. Names are the paths under
 * which they are served (`tile/0/x001/000`, `tile/data/000`, `issuer/<hex>`).
 *
 * Not trusted: every byte that comes back is checked against the committed head before it is signed again, and
 * `mayfly log check` checks all of them.
 */
export interface TileStore {
  /** Durable on return. A path's bytes never change: the same bytes again are accepted (and made durable again, for
   * the first time may have failed half-way), others are refused with LogError `LOG_CORRUPT`. A reader never sees a
   * part of the bytes. */
  put(path: string, bytes: Uint8Array): Promise<void>;
  /** The bytes, or undefined when nothing was put there. */
  get(path: string): Promise<Uint8Array | undefined>;
}

/** A tile store of whose bundles entries can be withheld. */
export interface RewritableTileStore extends TileStore {
  /** Puts other bytes in the place of those that are there. Durable on return; a crash leaves the old bytes or the new ones. Only while nobody writes to the log. */
  replace(path: string, bytes: Uint8Array): Promise<void>;
}
