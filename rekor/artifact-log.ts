/** An artifact log as the rest of the program holds it: entries about signatures in a tile log, for clients of Rekor's first or second API. */
import type { LogError } from '../tlog/core/log-error.ts';
import type { LogStatus } from '../tlog/log-status.ts';
import type { PublishedTree } from '../tlog/published-tree.ts';
import type { ProposedEntry } from './entries/proposed-entry.ts';
import type { ArtifactLogIdentity } from './log-identity.ts';
import type { Redactions, Redaction } from './redactions.ts';
import type { StoredArtifact } from './stored-artifact.ts';

/** What a log keeps of an entry whose signatures were verified. A log of the second API does not keep the digests. */
export type LoggableEntry = Pick<ProposedEntry, 'body' | 'namedDigests'>;

/** An entry of a log. */
export interface LoggedEntry {
  /** In its tree. */
  readonly index: number;
  /** As clients count: over all trees of the first API, as `index` in the second. */
  readonly logIndex: number;
  /** 32 bytes. */
  readonly leafHash: Uint8Array;
  /** Empty where the entry is redacted. */
  readonly body: Uint8Array;
  /** Seconds since the epoch, durable with the entry; undefined in a log of the second API. */
  readonly integratedTime: number | undefined;
  /** Undefined in a log of the second API. */
  readonly treeId: bigint | undefined;
  /** As they came with the entry; empty in a log of the second API, and where the entry is redacted. */
  readonly namedDigests: readonly string[];
  /** That the body is withheld. Nobody is given such an entry for one that has its body. */
  readonly redaction?: Redaction | undefined;
}

/** A proof under a checkpoint that the log signed, all of one head. */
export interface LoggedProof {
  readonly size: number;
  /** 32 bytes. */
  readonly root: Uint8Array;
  /** The audit path, from the leaf up. */
  readonly hashes: readonly Uint8Array[];
  /** The signed note. */
  readonly checkpoint: string;
}

/** What became of an entry that was to be added. */
export interface AddedEntry {
  readonly entry: LoggedEntry;
  readonly proof: LoggedProof;
  /** False where the same body was there already, or under way for another caller. */
  readonly isNew: boolean;
}

/** A log of artifacts that is open: for writing, or, where it has ended, for reading alone. */
export interface ArtifactLog {
  readonly api: 1 | 2;
  readonly identity: ArtifactLogIdentity;
  /** Whether several services may write it. */
  readonly isShared: boolean;
  /** What works but should be known of where it lies, a sentence each. */
  readonly warnings: readonly string[];
  readonly tree: PublishedTree<StoredArtifact>;
  /** Which of its entries are redacted. */
  readonly redactions: Redactions;
  /** What was wrong with them when the log was opened, and what to do; undefined where nothing is. They are withheld all the same. For the operator. */
  readonly redactionFault: string | undefined;
  /** Has each redaction recorded that no service has recorded yet, and notes that. A crash in between has one recorded twice. Rejects with what `record` rejects with, and with LogError
   * `LOG_STORAGE`; then the next start does it. */
  recordRedactions(
    record: (redaction: Redaction, logIndex: number) => Promise<void> | undefined,
  ): Promise<void>;
  /** Adds an entry. Resolves when it is durable and under a published checkpoint. The twin of an entry that is there, or under way, resolves
   * with that one; of one that is redacted with its `redaction`, and nothing is logged. Rejects with {@link LogError}: `LOG_ENTRY_REFUSED` for a body that can never be logged, `LOG_FROZEN` where the log
   * has ended, `LOG_BUSY` also while it is not known yet whether the entry is there, and what `TileLog.append` rejects with. */
  add(entry: LoggableEntry): Promise<AddedEntry>;
  /** The entry with that body, with a new proof; undefined where the log has none. Also where it takes no entries. Rejects with LogError `LOG_BUSY` while that is not known yet, and as {@link entryAt}. */
  find(body: Uint8Array): Promise<AddedEntry | undefined>;
  /** By its place in the tree; undefined beyond the newest signed head. Rejects with LogError `LOG_CORRUPT` for an entry that is not what its
   * hash says, and with what reading throws. */
  entryAt(index: number): Promise<LoggedEntry | undefined>;
  /** {@link entryAt} for several at once, in the order of `indexes`: each bundle is read once. */
  entriesAt(indexes: readonly number[]): Promise<readonly (LoggedEntry | undefined)[]>;
  /** Where the entry with that leaf hash is in the tree; undefined where there is none. Rejects with LogReadError `NOT_READY` while the index of hashes is being made. */
  indexOf(hash: Uint8Array): Promise<number | undefined>;
  /** The entry at {@link indexOf}. Rejects as that and as {@link entryAt}. */
  entryByLeafHash(hash: Uint8Array): Promise<LoggedEntry | undefined>;
  /** Entries from `first` on, to the end of their bundle: at most 256, none at the end of the log. For those who read all, in pieces. */
  entriesFrom(first: number): Promise<readonly LoggedEntry[]>;
  /** Of an entry that is there, under the newest head. Rejects with LogReadError `BAD_PARAMETER` for another index. */
  proofOf(index: number): Promise<LoggedProof>;
  /** Between two sizes that the log has had, RFC 9162: empty where they are the same. Rejects with LogReadError `BAD_PARAMETER`. */
  consistency(first: number, last: number): Promise<readonly Uint8Array[]>;
  /** The newest signed checkpoint. */
  checkpoint(): Uint8Array;
  /** `path` as in tlog-tiles: `tile/0/000`, `tile/entries/000.p/7`, … A partial tile of any width that the tree has reached is there, also after the tile is full.
   * In a bundle, a redacted entry has the length 0. Rejects with LogReadError `NOT_FOUND`. */
  tile(path: string): Promise<Uint8Array>;
  /** A new signed entry timestamp. Rejects with TypeError in a log of the second API and for a redacted entry, and when the key cannot be reached. */
  signEntryTimestamp(entry: LoggedEntry): Promise<Uint8Array>;
  /** What `add` of a new entry would reject with at once; undefined when it would try. Cheap. */
  refusal(): LogError | undefined;
  status(): LogStatus;
  /** As `TileLog.noteUse`; nothing for a log that has ended. */
  noteUse(): Promise<void>;
  /** Finishes what waits and releases the directory. Idempotent. */
  close(): Promise<void>;
}
