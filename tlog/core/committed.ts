/**
 * The proof that an entry is durably in the log. `ca` builds a final certificate only from one of these, and only the
 * sequencer makes them (scripts/check-layers.ts lets nobody else import {@link makeCommitted}), or what receives them from the
 * thread that has it ({@link receivedCommitted}).
 */

/** What is used up with an entry, in the step that commits it, and by one entry alone. Logs that several processes write take such, and no others. */
export interface EntryClaim {
  /** 32 bytes. */
  readonly key: Uint8Array;
  /** Until when it has to be remembered, in milliseconds since the epoch: a whole number. */
  readonly expires: number;
  /** Whether it keeps the same entry from being logged twice, and is no token. */
  readonly isOfEntry?: boolean | undefined;
}

/** Whether an error of a log says that the claim of the entry was taken before. Then the entry is not logged. */
export const isClaimTaken = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'LOG_CLAIM_TAKEN';

/** What the log knows of one entry after the commit that covers it. */
export interface CommittedEntry<Receipt> {
  /** Position in the tree, from 0. */
  readonly index: number;
  /** Milliseconds since the epoch: the time of the head that covers the entry. */
  readonly timestamp: number;
  /** RFC 6962 leaf hash, 32 bytes. */
  readonly leafHash: Uint8Array;
  /** Size of the signed head that covers the entry. */
  readonly treeSize: number;
  /** Root hash of that head, 32 bytes. */
  readonly root: Uint8Array;
  /** What the caller takes away, made after the commit: its form is that of the kind of log. */
  readonly receipt: Receipt;
}

// Nominal by its private field, which nothing outside this file can set or copy, and which costs nothing to look for.
class CommittedValue<Receipt> implements CommittedEntry<Receipt> {
  readonly index: number;
  readonly timestamp: number;
  readonly leafHash: Uint8Array;
  readonly treeSize: number;
  readonly root: Uint8Array;
  readonly receipt: Receipt;
  readonly #vouched = true;

  constructor(entry: CommittedEntry<Receipt>) {
    this.index = entry.index;
    this.timestamp = entry.timestamp;
    this.leafHash = entry.leafHash;
    this.treeSize = entry.treeSize;
    this.root = entry.root;
    this.receipt = entry.receipt;
  }

  static isOne(value: object): value is CommittedValue<unknown> {
    return #vouched in value && value.#vouched;
  }
}

/** A {@link CommittedEntry} that the sequencer vouches for. */
export type Committed<Receipt> = CommittedValue<Receipt>;

/** For the sequencer alone, after the store said that the commit is durable and the head was signed. */
export const makeCommitted = <Receipt>(entry: CommittedEntry<Receipt>): Committed<Receipt> =>
  new CommittedValue(entry);

/** For a thread to which the main thread, which has the sequencer, has sent what that made: a class is lost on the way. */
export const receivedCommitted = <Receipt>(entry: CommittedEntry<Receipt>): Committed<Receipt> =>
  new CommittedValue(entry);

/** The check at release: whether the sequencer really made this value, whatever its type says. */
export const isCommitted = (value: object): value is Committed<unknown> => CommittedValue.isOne(value);
