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
 *
 * Where other processes write to the store, too, another one may be first: then nothing of the batch is stored. What was added
 * is appended here, and the batch is placed anew behind it, with other indexes and another time, and with what came meanwhile.
 */
import { messageOf } from '../../core/errors.ts';
import { makeCommitted, type Committed, type EntryClaim } from '../core/committed.ts';
import type { Clock } from '../../core/clock.ts';
import { GroupCommit } from '../../storage/group-commit.ts';
import { ClaimsTaken, type Addition, type CommitStore, type Head } from '../store/commit-store.ts';
import { verifiedHead, type SignedHead } from './head-signer.ts';
import { requireNotBehind, timeAfter, timeBeside } from './head-time.ts';
import { LogError } from '../core/log-error.ts';
import type { EntryFormat, PlacedEntry } from '../format/entry-format.ts';
import { TILE_WIDTH } from '../format/tile.ts';
import { adoptBatches } from '../tree/added-batches.ts';
import type { CheckpointKey } from '../tree/verify-head.ts';
import { Others } from './others.ts';
import type { TreeEdge } from '../tree/tree-edge.ts';
import type { BatchSigner, SignedBatch } from './batch-signer.ts';
import type { SequencerLimits } from './sequencer-limits.ts';
import type { TileWriter } from './tile-writer.ts';
import { WaitingEntries, type EntryPlacer, type PlacedBatch } from './waiting-entries.ts';

/** Milliseconds for which entries wait for a store that others write, too. */
const STORE_PATIENCE_MS = 1_500;

/** Nothing of the batch is stored, and it is placed anew: another writer was first, or an entry is to be left out. */
const PLACED_ANEW: ReadonlySet<LogError['code']> = new Set(['LOG_HEAD_MOVED', 'LOG_CLAIM_TAKEN']);

/** Rounds after which a full tile that another writer has left is written. */
const LEFT_TILES = 3;

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

/** What a sequencer has to know of a kind of log. */
interface SequencedKind<Entry, Placed extends PlacedEntry> extends EntryPlacer<Entry, Placed> {
  readonly entries: EntryFormat;
  /** Those that sign every checkpoint. */
  readonly keys: readonly CheckpointKey[];
}

/** The one writer of a log in its process. */
export class Sequencer<Entry, Receipt, Placed extends PlacedEntry> {
  readonly #kind: SequencedKind<Entry, Placed>;
  readonly #edge: TreeEdge;
  readonly #tiles: TileWriter;
  readonly #others: Others | undefined;
  readonly #options: SequencerOptions<Placed, Receipt>;
  readonly #owner: SequencerOwner;
  #head: SignedHead;
  /** The newest head that is known, up to which the edge goes: what others added may not be published here yet. */
  #tip: Head;
  /** The leaf hashes of that. */
  #unpublished: Uint8Array[] = [];
  readonly #waiting = new WaitingEntries<Entry, Receipt, Placed>();
  readonly #batches = new GroupCommit({
    isDue: () => this.#failure === undefined && (this.#waiting.queued > 0 || this.#others?.isDue === true),
    commit: () => this.#commitBatch(),
    gathers: true,
  });
  #attempted: Head | undefined;
  /** What to reject with while the store takes too long. */
  #late: LogError | undefined;
  #unwritten = 0;
  #failure: LogError | undefined;
  #closed = false;

  constructor(
    kind: SequencedKind<Entry, Placed>,
    { head, edge, writer }: SequencerStart,
    options: SequencerOptions<Placed, Receipt>,
    owner: SequencerOwner,
  ) {
    this.#kind = kind;
    this.#edge = edge;
    this.#tiles = writer;
    this.#head = head;
    this.#tip = head.head;
    this.#options = options;
    this.#owner = owner;
    const { shared } = options.store;
    this.#others = shared === undefined ? undefined : new Others(shared);
    shared?.publish(head);
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
   * the end of this log object. Its `mayBeLogged` says whether the entry may be durable all the same. With a `claim`, which only a log that {@link takesClaims} may be given, either the entry is logged and the claim
   * used up, for all writers of the log, or neither; `LOG_CLAIM_TAKEN` when it was used up before. */
  append(entry: Entry, claim?: EntryClaim): Promise<Committed<Receipt>> {
    if (claim !== undefined && !this.takesClaims)
      return Promise.reject(new TypeError('this log has one writer, and takes no claims'));
    const refusal = this.refusal();
    if (refusal !== undefined) return Promise.reject(refusal);
    const committed = this.#waiting.add(entry, claim);
    this.#batches.start();
    return committed;
  }

  /** Whether several processes write the log, so that what an entry uses up has to be claimed with it. */
  get takesClaims(): boolean {
    return this.#others !== undefined;
  }

  /** What {@link append} would reject with at once; undefined when it would try. */
  refusal(): LogError | undefined {
    if (this.#failure !== undefined) return this.#failure;
    if (this.#closed) return new LogError('LOG_CLOSED', 'the log is closed');
    const { signer, limits } = this.#options;
    const late = this.#late ?? signer.refusal;
    if (late !== undefined) return late;
    if (this.#waiting.queued >= limits.queued)
      return new LogError('LOG_BUSY', 'too many entries wait to be logged', {
        hint: 'Try again in a moment.',
      });
    return this.clockRefusal();
  }

  /** The time that the next head would have. Throws {@link LogError} `LOG_CLOCK` while the clock keeps entries out. */
  now(): number {
    const now = this.#options.clock();
    requireNotBehind(this.#head.head.timestamp, now);
    return now;
  }

  /** Why the clock keeps entries out; undefined while it does not. */
  clockRefusal(): LogError | undefined {
    try {
      this.now();
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
      await this.#hearOthers();
      if (this.#waiting.queued > 0) await this.#batch();
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
    for (;;) {
      // Who lost a race has the store to itself for the next batches.
      const added = await this.#patiently(() => this.#others?.shared.begin(this.#tip));
      if (added !== undefined) this.#adopt(added);
      const timestamp = await this.#time();
      const placed = timestamp === undefined ? undefined : this.#place(timestamp);
      if (timestamp === undefined || placed === undefined) {
        await this.#others?.shared.giveWay();
        return;
      }
      const next = await this.#commit(placed, timestamp);
      if (next === undefined) continue;
      await this.#sign(placed, next);
      return;
    }
  }

  /** Undefined when there is nothing to log. */
  #place(timestamp: number): PlacedBatch<Entry, Receipt, Placed> | undefined {
    const first = this.#edge.size;
    const place = (entry: Entry, at: number): Placed => this.#kind.place(entry, first + at, timestamp);
    const placed = this.#waiting.take(this.#options.limits.batch, place);
    if (placed.entries.length > 0) return placed;
    this.#waiting.endBatch();
    return undefined;
  }

  /** The time of the next head. While the clock is far behind, what waits is refused and the log goes on. */
  async #time(): Promise<number | undefined> {
    const { clock } = this.#options;
    const last = this.#tip.timestamp;
    try {
      return this.#others === undefined ? await timeAfter(last, clock) : timeBeside(last, clock);
    } catch (error) {
      if (!(error instanceof LogError)) throw error;
      this.#waiting.rejectQueued(error);
      return undefined;
    }
  }

  /** The committed head, or undefined when another writer was first. */
  async #commit(
    { entries }: PlacedBatch<Entry, Receipt, Placed>,
    timestamp: number,
  ): Promise<Head | undefined> {
    const { store } = this.#options;
    const mark = this.#others === undefined ? undefined : this.#edge.mark();
    for (const { leafHash, bytes } of entries) this.#edge.append(leafHash, bytes);
    const next: Head = { size: this.#edge.size, root: this.#edge.root(), timestamp };
    this.#attempted = next;
    try {
      await this.#patiently(() =>
        store.commit({
          expected: this.#tip,
          next,
          entries: entries.map(({ bytes }) => bytes),
          pruneBelow: this.#tiles.durableBelow,
          claims: this.#others === undefined ? undefined : this.#waiting.claims,
        }),
      );
    } catch (error) {
      const isLostRace = error instanceof LogError && PLACED_ANEW.has(error.code);
      if (mark === undefined || !isLostRace) throw error;
      this.#requireRunning();
      this.#edge.reset(mark);
      if (error instanceof ClaimsTaken) this.#waiting.refuseClaims(error.keys);
      else this.#waiting.putBack();
      return undefined;
    }
    // From here on the entries are durable and `next` is the only head of its size there can ever be.
    this.#tip = next;
    this.#requireRunning();
    return next;
  }

  /** Where others write, too, a store that takes long is no fault, and may come back: those that wait are refused, and so is every later caller. */
  async #patiently<T>(work: () => Promise<T> | undefined): Promise<T | undefined> {
    if (this.#others === undefined) return work();
    const timer = setTimeout(() => {
      this.#late = new LogError('LOG_UNAVAILABLE', 'the store of the log does not answer at the moment', {
        hint: 'Try again later. The log of the server and /readyz name the fault.',
      });
      this.#waiting.rejectAll(this.#late);
    }, STORE_PATIENCE_MS);
    try {
      return await work();
    } finally {
      clearTimeout(timer);
      this.#late = undefined;
    }
  }

  /** After a while those that wait are refused, and so is every later caller, before a token is used up. */
  async #sign(batch: PlacedBatch<Entry, Receipt, Placed>, next: Head): Promise<void> {
    const signed = await this.#options.signer.sign(next, batch.entries, (late) => {
      this.#waiting.rejectAll(late);
    });
    this.#requireRunning();
    const before = this.#head.head.size + this.#unpublished.length;
    this.#publish(batch, signed);
    this.#others?.shared.publish(signed.head);
    // Of several writers, the one that fills a tile writes it.
    const isFilled = Math.floor(before / TILE_WIDTH) < Math.floor(next.size / TILE_WIDTH);
    if (this.#tiles.backlog(next.size) > 0 && (this.#others === undefined || isFilled))
      void this.#writeTiles();
  }

  /** What another writer added is in the tree, and is not published before a head that covers it is signed. */
  #adopt(added: Addition): void {
    for (const hash of adoptBatches(this.#edge, this.#kind.entries, added)) this.#unpublished.push(hash);
    this.#tip = added.head;
    this.#tiles.skipTo(Math.min(added.durableBelow, this.#edge.size));
  }

  /** Looks, in the background, for what other writers have logged; what is found is published before the next batch. To be called every second or so. */
  followOthers(): void {
    if (this.#others === undefined || this.#failure !== undefined || this.#closed) return;
    this.#others.look(this.#tip, this.#head.head).then(
      () => {
        this.#batches.start();
      },
      (error: unknown) => {
        this.#stop(error);
      },
    );
  }

  async #hearOthers(): Promise<void> {
    if (this.#others?.isDue !== true) return;
    const { shared } = this.#others;
    const heard = this.#others.take();
    if (heard === 'unsigned') {
      // Its writer may have ended before it signed, and readers are to see what was acknowledged.
      const added = await this.#patiently(() => shared.settle(this.#tip));
      if (added !== undefined) this.#adopt(added);
      await this.#sign({ waiters: [], entries: [] }, this.#tip);
    } else if (heard !== undefined && heard.known === this.#tip) {
      this.#adopt(heard.addition);
      const head = verifiedHead(heard, this.#kind.keys);
      this.#publish({ waiters: [], entries: [] }, { head, receipts: [] });
    }
  }

  #publish(
    { waiters, entries }: PlacedBatch<Entry, Receipt, Placed>,
    { head, receipts }: SignedBatch<Receipt>,
  ): void {
    this.#head = head;
    this.#waiting.endBatch();
    const ofOthers = this.#unpublished;
    this.#unpublished = [];
    this.#owner.published(head, [...ofOthers, ...entries.map(({ leafHash }) => leafHash)]);
    const { size: treeSize, root, timestamp } = head.head;
    for (const [i, receipt] of receipts.entries()) {
      const entry = entries[i];
      if (entry === undefined) continue;
      const { index, leafHash } = entry;
      waiters[i]?.resolve(makeCommitted({ index, timestamp, leafHash, treeSize, root, receipt }));
    }
  }

  /** Ends this sequencer for a cause that its owner found: nothing is signed any more. */
  halt(cause: LogError): void {
    this.#stop(cause);
  }

  /** Tries again to write full tiles that failed, and those that another writer has left. To be called every second or so. */
  retryTiles(): void {
    if (this.#failure !== undefined) return;
    this.#unwritten = this.#tiles.backlog(this.#head.head.size) > 0 ? this.#unwritten + 1 : 0;
    if (this.#tiles.failure !== undefined || this.#unwritten > LEFT_TILES) void this.#writeTiles();
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
