/**
 * Puts every entry in its place. One batch at a time, and each step only after the one before:
 *
 *     time → collect → hash → commit entries and unsigned head → sign that head → make receipts → resolve → tiles
 *
 * A crash before the commit returns leaves the old head, or the new one that nobody has seen signed; start-up signs
 * whichever it finds. A crash after it loses nothing: the entries are durable and the head can be signed again. So two
 * signed heads of one size cannot exist, and no receipt without its entry.
 *
 * A failed commit ends this sequencer: it cannot know what is stored. Its owner opens the store again, and goes on with
 * another one.
 */
import { messageOf } from '../../core/errors.ts';
import { makeCommitted, type Committed } from '../core/committed.ts';
import type { Clock } from '../../core/clock.ts';
import { GroupCommit } from '../../storage/group-commit.ts';
import type { CommitStore, Head } from '../store/commit-store.ts';
import type { SignedHead } from './head-signer.ts';
import { requireNotBehind, timeAfter } from './head-time.ts';
import { LogError } from '../core/log-error.ts';
import type { PlacedEntry } from '../format/entry-format.ts';
import type { TreeEdge } from '../tree/tree-edge.ts';
import type { BatchSigner, SignedBatch } from './batch-signer.ts';
import type { SequencerLimits } from './sequencer-limits.ts';
import type { TileWriter } from './tile-writer.ts';
import { WaitingEntries, type EntryPlacer, type PlacedBatch } from './waiting-entries.ts';

/** Where a sequencer begins. */
interface SequencerStart {
  /** The newest head, committed and signed. */
  readonly head: SignedHead;
  /** The edge of its tree, and what writes the full tiles of that. */
  readonly edge: TreeEdge;
  readonly writer: TileWriter;
}

/** What a sequencer works with. */
interface SequencerOptions<Placed, Receipt> {
  readonly store: CommitStore;
  readonly signer: BatchSigner<Placed, Receipt>;
  /** Throws LogError `LOG_CLOCK` while it is not trusted. */
  readonly clock: Clock;
  readonly limits: SequencerLimits;
}

/** The owner of a sequencer, which follows what becomes of the log. */
interface SequencerOwner {
  /** A new head is signed; with the leaf hashes that it adds. */
  readonly published: (head: SignedHead, leafHashes: readonly Uint8Array[]) => void;
  /** Nothing is logged any more, for this cause. Once. */
  readonly stopped: (cause: unknown) => void;
}

/** The one writer of a log. */
export class Sequencer<Entry, Receipt, Placed extends PlacedEntry> {
  readonly #kind: EntryPlacer<Entry, Placed>;
  readonly #edge: TreeEdge;
  readonly #tiles: TileWriter;
  readonly #options: SequencerOptions<Placed, Receipt>;
  readonly #owner: SequencerOwner;
  #head: SignedHead;
  readonly #waiting = new WaitingEntries<Entry, Receipt, Placed>();
  readonly #batches = new GroupCommit({
    isDue: () => this.#waiting.queued > 0 && this.#failure === undefined,
    commit: () => this.#commitBatch(),
    gathers: true,
  });
  #attempted: Head | undefined;
  #failure: LogError | undefined;
  #closed = false;

  constructor(
    kind: EntryPlacer<Entry, Placed>,
    { head, edge, writer }: SequencerStart,
    options: SequencerOptions<Placed, Receipt>,
    owner: SequencerOwner,
  ) {
    this.#kind = kind;
    this.#edge = edge;
    this.#tiles = writer;
    this.#head = head;
    this.#options = options;
    this.#owner = owner;
  }

  /** The newest signed head. */
  get head(): SignedHead {
    return this.#head;
  }

  /** Entries whose place is not committed yet. */
  get queued(): number {
    return this.#waiting.all;
  }

  /** The heads that the store may hold by now: the newest signed one, and the one whose commit was tried last. */
  get possibleHeads(): readonly Head[] {
    return this.#attempted === undefined ? [this.#head.head] : [this.#head.head, this.#attempted];
  }

  /** Why nothing is logged any more; undefined while all is well. */
  get failure(): string | undefined {
    return this.#failure === undefined ? undefined : messageOf(this.#failure.cause);
  }

  /** Why a committed head is not signed yet; undefined while all is well. */
  get signingFailure(): string | undefined {
    return this.#options.signer.failure;
  }

  /** Resolves when the entry is durable, covered by a signed head, and its receipt is made. Rejects with {@link LogError}:
   * `LOG_BUSY`, `LOG_CLOCK` and `LOG_UNAVAILABLE` pass by themselves, `LOG_ENTRY_REFUSED` is of this entry alone, `LOG_CLOSED` is
   * the end of this log object. Its `mayBeLogged` says whether the entry may be durable all the same. */
  append(entry: Entry): Promise<Committed<Receipt>> {
    const refusal = this.refusal();
    if (refusal !== undefined) return Promise.reject(refusal);
    const committed = this.#waiting.add(entry);
    this.#batches.start();
    return committed;
  }

  /** What {@link append} would reject with at once; undefined when it would try. */
  refusal(): LogError | undefined {
    if (this.#failure !== undefined) return this.#failure;
    if (this.#closed) return new LogError('LOG_CLOSED', 'the log is closed');
    const { signer, limits } = this.#options;
    if (signer.late !== undefined) return signer.late;
    if (this.#waiting.queued >= limits.queued)
      return new LogError('LOG_BUSY', 'too many entries wait to be logged', {
        hint: 'Try again in a moment.',
      });
    return this.clockRefusal();
  }

  /** Why the clock keeps entries out; undefined while it does not. */
  clockRefusal(): LogError | undefined {
    try {
      requireNotBehind(this.#head.head.timestamp, this.#options.clock());
      return undefined;
    } catch (error) {
      if (error instanceof LogError) return error;
      throw error;
    }
  }

  /** Takes no more entries; resolves when those that wait are done and full tiles are written. A head that cannot be
   * signed is left for the next start, which signs it. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#options.signer.stop();
    await this.#batches.running;
    await this.#tiles.write(this.#head.head.size);
  }

  async #commitBatch(): Promise<true> {
    try {
      await this.#batch();
    } catch (error) {
      this.#stop(error);
    }
    return true;
  }

  /** After a fault it is not known what is stored: only opening the store again can show it. */
  #stop(cause: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = new LogError('LOG_UNAVAILABLE', 'the log has stopped after a fault and accepts nothing', {
      hint: 'Try again later. The log of the server and /readyz name the fault.',
      cause,
    });
    this.#waiting.rejectAll(this.#failure);
    this.#owner.stopped(cause);
  }

  async #batch(): Promise<void> {
    const { limits } = this.#options;
    await this.#tiles.waitBelow(limits.tileBacklog, this.#head.head.size);
    const timestamp = await this.#time();
    if (timestamp === undefined) return;
    const first = this.#edge.size;
    const place = (entry: Entry, at: number): Placed => this.#kind.place(entry, first + at, timestamp);
    const placed = this.#waiting.take(limits.batch, place);
    if (placed.entries.length > 0) await this.#log(placed, timestamp);
    this.#waiting.endBatch();
  }

  /** The time of the next head. While the clock is far behind, what waits is refused and the log goes on. */
  async #time(): Promise<number | undefined> {
    try {
      return await timeAfter(this.#head.head.timestamp, this.#options.clock);
    } catch (error) {
      if (!(error instanceof LogError)) throw error;
      this.#waiting.rejectQueued(error);
      return undefined;
    }
  }

  async #log(batch: PlacedBatch<Entry, Receipt, Placed>, timestamp: number): Promise<void> {
    const { entries } = batch;
    const { store, signer } = this.#options;
    for (const { leafHash, bytes } of entries) this.#edge.append(leafHash, bytes);
    const next: Head = { size: this.#edge.size, root: this.#edge.root(), timestamp };
    this.#attempted = next;
    await store.commit({
      expected: this.#head.head,
      next,
      entries: entries.map(({ bytes }) => bytes),
      pruneBelow: this.#tiles.durableBelow,
    });
    // From here on the entries are durable and `next` is the only head of its size there can ever be.
    this.#requireRunning();
    // After a while those that wait are refused, and so is every later caller, before a token is used up.
    const signed = await signer.sign(next, entries, (late) => {
      this.#waiting.rejectAll(late);
    });
    this.#requireRunning();
    this.#publish(batch, signed);
    if (this.#tiles.backlog(next.size) > 0) void this.#writeTiles();
  }

  #publish(
    { waiters, entries }: PlacedBatch<Entry, Receipt, Placed>,
    { head, receipts }: SignedBatch<Receipt>,
  ): void {
    this.#head = head;
    this.#waiting.endBatch();
    this.#owner.published(
      head,
      entries.map(({ leafHash }) => leafHash),
    );
    const { size: treeSize, root, timestamp } = head.head;
    for (const [i, receipt] of receipts.entries()) {
      const entry = entries[i];
      if (entry === undefined) continue;
      const { index, leafHash } = entry;
      waiters[i]?.resolve(makeCommitted({ index, timestamp, leafHash, treeSize, root, receipt }));
    }
  }

  /** Tries again to write full tiles that failed. */
  retryTiles(): void {
    if (this.#failure === undefined && this.#tiles.failure !== undefined) void this.#writeTiles();
  }

  /** In the background; what cannot pass by itself stops the log wherever the next batch is. */
  async #writeTiles(): Promise<void> {
    await this.#tiles.write(this.#head.head.size);
    if (this.#tiles.contradiction !== undefined) this.#stop(this.#tiles.contradiction);
  }

  /** The log may have stopped while a batch was waiting for a store or a key. */
  #requireRunning(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }
}
