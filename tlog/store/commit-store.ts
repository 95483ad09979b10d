/** The small, trusted part of a log. */
import type { EntryClaim } from '../core/committed.ts';
import { LogError } from '../core/log-error.ts';
import type { LogIdentity } from '../core/log-identity.ts';
import type { LocatedStore, Noted } from './store-location.ts';

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
  /** As bundles hold them: entries `firstEntry` … `head.size - 1`. */
  readonly entries: readonly Uint8Array[];
  /** When the log ended, milliseconds since the epoch; undefined while it goes on. Nothing is committed afterwards. */
  readonly frozenAt?: number | undefined;
}

/** Whose store it is. */
export interface StoredIdentity {
  readonly logId: Uint8Array;
  /** The text of `log.json` as the store keeps it; undefined in a store of an older version. */
  readonly bound: string | undefined;
}

/** What operators read of a store. Hints are whole sentences. */
export interface StoreTexts {
  /** Its name, such as `commit.db`. */
  readonly name: string;
  /** What the state was read from, such as `commit.db with commit.db-wal`. */
  readonly source: string;
  /** The hint when its entries do not give the root of its head. */
  readonly contradictionHint: string;
  /** The hint when one of its entries is damaged. */
  readonly damageHint: string;
  /** The hint when an old copy was put in its place. */
  readonly rollbackHint: string;
}

/** All of a store, as one snapshot. */
export interface StoredState extends CommittedState {
  readonly identity: StoredIdentity;
  /** Where it was used last, as it says itself. */
  readonly noted?: Noted;
  readonly texts: StoreTexts;
}

/** Why a store may hold less than was committed although no old copy was put in its place. */
export interface StoreLoss {
  /** What the rest of a sentence is said of, which begins with "holds 7 entries". */
  readonly subject: string;
  readonly hint: string;
  /** Entries that it is seen to have had; undefined where nothing in the store says how many. */
  readonly atLeast?: number;
}

/** What {@link CommitStore.load} found. */
export interface LoadedState extends StoredState {
  /** Absent when all that lies there could be read. */
  readonly loss?: StoreLoss;
}

/** One step of the log. */
export interface Batch {
  /** The head this step builds on. */
  readonly expected: Head;
  readonly next: Head;
  /** As bundles hold them: entries `expected.size` … `next.size - 1`. */
  readonly entries: readonly Uint8Array[];
  /** Entries below this index are durable in full tiles and may go. */
  readonly pruneBelow: number;
  /** What its entries use up, each key once. Only for a store with {@link SharedCommits}. */
  readonly claims?: readonly EntryClaim[] | undefined;
}

/** Some of what a batch was to use up is used up already. Nothing of the batch is stored. */
export class ClaimsTaken extends LogError {
  /** The keys of those. */
  readonly keys: readonly Uint8Array[];

  constructor(keys: readonly Uint8Array[]) {
    super('LOG_CLAIM_TAKEN', 'what an entry was to use up was used up before');
    this.keys = keys;
  }
}

/**
 * Where a log's history is decided. The promise, for any backend:
 *
 * - `commit` is one transaction: compare the stored head with `expected` (size, root and time), append, replace the
 *   head, drop what is pruned. When it resolves, all of it survives a power cut. When another head is stored, nothing
 *   changes and it rejects with LogError `LOG_HEAD_MOVED`.
 * - Any other rejection means *unknown*: the batch may or may not be stored. The caller must stop, `load` and `recover`
 *   again and go on from what it finds. Nothing is tried again on a file that failed to sync.
 * - One `commit` at a time: the next one only after the last one has resolved.
 * - `load` takes the store for this writer and changes nothing in it: it may yet be refused.
 * - `recover` is for a state that was found right. What was loaded may lie in a cache only: it is copied and synced, so
 *   that nothing of it can vanish any more. Commits are possible from then on. When the store turns out to hold another
 *   head, nothing changes and it rejects with LogError `LOG_STALE`: `load` again, and judge what that returns.
 *
 * Trusted: anyone who can change it can make the log contradict itself, though not unseen by those who keep heads.
 * No derived state is kept here; the right edge of the tree is computed from tiles and entries, and must give `root`.
 */
export interface CommitStore {
  load(): Promise<LoadedState>;
  /** Resolves with what other writers added since `load`; undefined where there are none. */
  recover(): Promise<Addition | undefined>;
  commit(batch: Batch): Promise<void>;
  /** Where it is used, to be called after `load`; absent where a copy of the log's directory is no copy of the store. */
  readonly location?: LocatedStore;
  /** What there is more where other processes write to the store, too; absent where one writer has it. */
  readonly shared?: SharedCommits;
  /** Bytes that wait to be moved to their place; absent where nothing does. */
  readonly walBytes?: number;
  /** Why those grow although they need not, for the operator; undefined while all is well. */
  readonly growth?: string | undefined;
  /** Releases the store for the next writer. Idempotent. */
  close(): Promise<void>;
}

/** A batch that another writer added. */
interface AddedBatch {
  /** The head that it made. */
  readonly head: Head;
  /** As bundles hold them. */
  readonly entries: readonly Uint8Array[];
}

/** What other writers added behind a head. */
export interface Addition {
  /** In order; the first one begins where that head ends. */
  readonly batches: readonly AddedBatch[];
  /** The head that the store has now: that of the last batch, unless there is none. */
  readonly head: Head;
  /** Entries below this index are durable in full tiles. */
  readonly durableBelow: number;
}

/** A head that another writer signed. */
export interface PublishedHead {
  readonly head: Head;
  /** With the signatures of all keys of the log; to be verified. */
  readonly checkpoint: Uint8Array;
}

/** What readers are to see that this writer has not. */
export interface NewerHead {
  /** The head that the store has. It was only read: it may not be durable, and is not to be signed. */
  readonly head: Head;
  /** The newest head that somebody signed, behind `head` or the same, with what leads there; undefined when it is not newer. */
  readonly published?: PublishedHead & { readonly addition: Addition };
}

/**
 * A {@link CommitStore} that several processes write. There `LOG_HEAD_MOVED` is no fault: another writer was first, nothing of the batch is stored, and what was
 * added can be had by {@link addedSince}. The same holds of {@link ClaimsTaken}, but for the head, which may still be the same. The claims of a batch are durable with it: they share its
 * outcome, and every other writer of a log in the same place is refused them, until an hour after they expire. A rejection with another code means that the outcome is unknown, or that the store looked and the batch is not there.
 *
 * A head may be signed that `commit` or `recover` or `settle` of this writer has returned, and no other.
 */
export interface SharedCommits {
  /** What was added behind `head`. Rejects with LogError `LOG_STALE` when that cannot be had any more: load again. */
  addedSince(head: Head): Promise<Addition>;
  /** To be called before each batch, with the newest head that is known. Where races were lost lately it keeps other writers waiting until the next
   * commit, or {@link giveWay}, and resolves with what they added; otherwise with undefined. */
  begin(head: Head): Promise<Addition | undefined>;
  /** No commit follows after {@link begin}. */
  giveWay(): Promise<void>;
  /** Makes sure that no commit of others is under way, and resolves with what was added behind `head`. */
  settle(head: Head): Promise<Addition>;
  /** What is newer than `head`; undefined when nothing is. Rejects when it does not. */
  newerThan(head: Head): Promise<NewerHead | undefined>;
  /** Shows others a head that this writer has signed: late, at most once a second. Never rejects. */
  publish(head: PublishedHead): void;
  /** Why that did not work the last time; undefined while all is well. */
  readonly publishFailure: string | undefined;
}

/** Where a log goes. */
export interface Arrival {
  /** The name of the store. */
  readonly store: string;
  /** 16 hexadecimal digits, another one for each attempt: stores of one name are on several machines, and what an attempt that was given up has left there must never be taken into use. */
  readonly move: string;
}

/** Damage of what a store lies in. */
export interface StoreDamage {
  readonly where: string;
  readonly message: string;
  /** Whether nothing of the log is damaged, and a service that starts puts it right. */
  readonly isRenewed?: boolean;
}

/** A store that no writer can take meanwhile. Nothing in it changes before `end` or `rewrite`: those who call them have judged `state` before, and what it may have lost. Both reject with
 * LogError `LOG_STALE`, and change nothing, when the store turns out to hold another head. */
export interface LockedStore {
  readonly state: LoadedState;
  /** Notes that the log ended at `at`, milliseconds since the epoch: durable on return. */
  end(at: number): Promise<void>;
  /** Puts other bytes in the place of each entry for which `other` returns some, and leaves nothing of the former ones in the store's files, nor of entries that it no longer
   * has. Durable on return. A crash leaves each entry old or new; to be called again then. */
  rewrite(other: (index: number, bytes: Uint8Array) => Uint8Array | undefined): Promise<void>;
  /** Absent as in {@link CommitStore}. */
  readonly location?: LocatedStore;
  /** Notes that the log is in the store `to` from now on: this one is never written again, by any version. Durable on return. */
  leave(to: Arrival): Promise<void>;
}

/**
 * A kind of commit store, for one log: all that is done with its store. Another kind implements this and
 * {@link CommitStore}, keeps what test/tlog/store/commit-store-contract.ts asks of that, and is chosen in choose-stores.ts.
 * Everything rejects with {@link LogError} that says which file or place is meant.
 */
export interface CommitStoreBackend {
  /** As operators know the store, such as `commit.db`. */
  readonly name: string;
  /** Makes the store of a new log with its first, empty head. The log's directory gets its place afterwards: a store that lies
   * elsewhere may be left by a crash, and must let itself be made again. */
  create(identity: LogIdentity, head: Head): Promise<void>;
  /** Makes the store with what another store of the log holds, for which it is made anew where an earlier move was interrupted, or the log was here before and left. Nothing can be written, and
   * nothing read, before {@link arrive}. Rejects with LogError `LOG_EXISTS` when the log is here already. */
  receive(identity: LogIdentity, state: CommittedState, move: string): Promise<void>;
  /** Takes what was received by that `move` into use; nothing, where that was done. Only for the move that the former store has left by. Durable on return. Rejects with LogError `LOG_HEAD_MOVED` or
   * `LOG_ELSEWHERE` when the log did not come here by that. */
  arrive(move: string): Promise<void>;
  /** Where the log has left to; undefined while it is here, or never was. */
  movedTo(): Promise<Arrival | undefined>;
  /** Takes the server that answers now for the log's own from now on, on this machine. Absent where no other one can come in its place. */
  readonly acceptServer?: () => Promise<void>;
  /** The store for the log's one writer, which takes it by `load`. */
  openForWriting(identity: LogIdentity): CommitStore;
  /** What it holds, beside a writer or alone. Changes nothing. */
  read(): Promise<StoredState>;
  /** What is wrong with what the store lies in although `read` may not meet it; undefined when nothing is. */
  findDamage(): Promise<StoreDamage | undefined>;
  /** Takes the store as a writer does, and releases it when `work` is done. Rejects with `LOG_LOCKED` while there is a writer or one that {@link shared} it,
   * and with what `work` rejects with. */
  whileLocked<T>(work: (store: LockedStore) => Promise<T>): Promise<T>;
  /** Keeps writers from taking the store, until the function that it resolves with is called. For those who hold in memory what they read. Rejects with `LOG_LOCKED` while
   * there is a writer. */
  shared(): Promise<() => void>;
}
