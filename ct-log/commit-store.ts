/** The small, trusted part of a log. */

/** A head before it is signed: everything that a signature will say. */
export interface Head {
  /** Number of entries. */
  readonly size: number;
  /** RFC 6962 root hash over them, 32 bytes. */
  readonly root: Uint8Array;
  /** Milliseconds since the epoch; no earlier than any entry's time. */
  readonly timestamp: number;
}

/** What a {@link CommitStore} holds. */
export interface CommittedState {
  readonly head: Head;
  /** Index of `entries[0]`: a multiple of 256. Everything below is in full tiles. */
  readonly firstEntry: number;
  /** Tile leaves (static-ct-api TileLeaf) of `firstEntry` … `head.size - 1`. */
  readonly entries: readonly Uint8Array[];
  /** When the log ended, milliseconds since the epoch; undefined while it goes on. Nothing is committed afterwards. */
  readonly frozenAt?: number | undefined;
}

/** One step of the log. */
export interface Batch {
  /** The head this step builds on. */
  readonly expected: Head;
  readonly next: Head;
  /** Tile leaves of `expected.size` … `next.size - 1`. */
  readonly entries: readonly Uint8Array[];
  /** Entries below this index are durable in full tiles and may go. */
  readonly pruneBelow: number;
}

/**
 * Where a log's history is decided. The promise, for any backend:
 *
 * - `commit` is one transaction: compare the stored head with `expected` (size, root and time), append, replace the
 *   head, drop what is pruned. When it resolves, all of it survives a power cut. When another head is stored, nothing
 *   changes and it rejects with LogError `LOG_HEAD_MOVED`.
 * - Any other rejection means *unknown*: the batch may or may not be stored. The caller must stop, open the store
 *   again and go on from what it finds.
 * - One `commit` at a time: the next one only after the last one has resolved.
 * - `load` returns nothing that could still vanish: what an unclean end left in a cache is copied and synced first.
 *
 * Trusted: whoever can change it can make the log contradict itself, though not unseen by those who keep heads.
 * No derived state is kept here; the right edge of the tree is computed from tiles and entries, and must give `root`.
 */
export interface CommitStore {
  load(): Promise<CommittedState>;
  commit(batch: Batch): Promise<void>;
  /** Releases the store for the next writer. Idempotent. */
  close(): Promise<void>;
}
