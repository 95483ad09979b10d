/**
 * What one kind of log has of its own. The tree, the stores and the sequencer are the same for all of them, and know
 * nothing of certificates or artifacts. A value of these types belongs to one log: it holds that log's identity and keys.
 */
import type { MayflyError } from '../core/errors.ts';
import type { Head } from './store/commit-store.ts';
import type { TileStore } from './store/tile-store.ts';
import type { EntryFormat, PlacedEntry, StoredEntry } from './format/entry-format.ts';
import type { HashReader } from './format/merkle-proof.ts';
import type { LogIdentity } from './core/log-identity.ts';
import type { CheckpointSigner, SignedHead } from './sequence/head-signer.ts';
import type { EntryPlacer } from './sequence/waiting-entries.ts';

/** Files beside the tiles that entries refer to, such as the certificates of a chain. */
export interface CompanionFiles {
  /** Their folder in the log's directory: lower-case letters. Each file's name in it is its SHA-256 in hexadecimal. */
  readonly folder: string;
  /** Throws LogError `LOG_CORRUPT` for a file that holds something else. Changes nothing. */
  inspect(tiles: TileStore): Promise<void>;
  /** Makes them durable. Entries that refer to them may be logged afterwards. */
  store(tiles: TileStore): Promise<void>;
}

/** What a log says of itself in other places than `log.json`. */
export interface IdentityEvidence {
  /** The file of that name. */
  readonly checkpoint: Uint8Array | undefined;
  /** An entry that was logged, as it is stored. */
  readonly entry: Uint8Array | undefined;
  /** Entries of the log. */
  readonly size: number;
  /** What the commit store is called in messages. */
  readonly storeName: string;
}

/** What a log says of itself where others read its tile store in the place of the service. `there`: what it says there now, not believed. `end`: its last head, and when it ended, in milliseconds since the
 * epoch; undefined while it goes on. */
export type DescribeLog = (
  there: Uint8Array | undefined,
  end: (Head & { readonly frozenAt: number }) | undefined,
) => Uint8Array;

/** What the files and keys of a log are held to when it is opened. */
export interface StoredLog<Stored extends StoredEntry = StoredEntry> {
  readonly identity: LogIdentity;
  readonly entries: EntryFormat<Stored>;
  /** Every one of them signs every checkpoint, with a line each in this order. */
  readonly keys: readonly CheckpointSigner[];
  /** The log id that belongs to the keys given, 32 bytes: another one than the identity's when they are of another log. */
  readonly logIdOfKeys: Uint8Array;
  readonly companions?: CompanionFiles;
  /** Absent where such a log says nothing of itself. */
  readonly describe?: DescribeLog;
  /** What operators and callers know it as, in the middle of a sentence. */
  readonly knownAs: string;
  /** What a log that has ended answers its callers, after "… ended at TIME: ". */
  readonly endNotice: string;
  /** Throws LogError `LOG_WRONG_KEY` unless the keys given are those of the identity. */
  requireKeys(): void;
  /** Holds `log.json` to what else is known of the log. For a commit store of an older version, which keeps the log's id
   * alone; a kind without it has no such stores. Returns what nothing confirms, a sentence each. Throws LogError
   * `LOG_CORRUPT` when `log.json` was edited. */
  requireUnedited?(evidence: IdentityEvidence): string[];
}

/**
 * A kind of log, for one log: what callers hand in (`Entry`), how that is kept, and what they get for it (`Receipt`).
 * `Placed` may carry more than every kind has, for the receipt; `Stored` is an entry as it is read back.
 */
export interface LogKind<
  Entry,
  Receipt,
  Placed extends PlacedEntry = PlacedEntry,
  Stored extends StoredEntry = StoredEntry,
>
  extends StoredLog<Stored>, EntryPlacer<Entry, Placed> {
  /** The receipts of a batch, in its order, after `head`, which covers it, was committed, and while it is being signed. None of them leaves before it is. `hashes` reads the
   * tree of that head. Rejects when a key cannot be reached, and when `signing` does and is needed; it is called again then. */
  receipts(
    entries: readonly Placed[],
    head: Head,
    signing: Promise<SignedHead>,
    hashes: HashReader,
  ): Promise<readonly Receipt[]>;
  /** What is known to keep the keys from signing, so that nothing should be added; undefined while nothing is. Cheap. */
  keyRefusal(): MayflyError | undefined;
}
