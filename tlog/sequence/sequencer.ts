/**
 * Gives every entry its place. One batch at a time, and each step only after the one before:
 *
 *     collect → time → hash → commit entries and unsigned head → sign that head → sign SCTs → resolve → tiles
 *
 * A crash before the commit returns leaves the old head, or the new one that nobody has seen signed; start-up signs
 * whichever it finds. A crash after it loses nothing: the entries are durable and the head can be signed again. So two
 * signed heads of one size cannot exist, and no SCT without its entry.
 *
 * A failed commit ends this sequencer: nobody here knows what is stored. Whoever opened it opens the store again, and
 * goes on with another one.
 */
import { makeCommitted, type Committed } from '../committed.ts';
import type { Head } from '../store/commit-store.ts';
import type { PrecertificateEntry } from '../../ct-log/format/leaf.ts';
import type { SignedHead } from './head-signer.ts';
import { requireNotBehind, timeAfter } from './head-time.ts';
import { LogError, messageOf } from '../log-error.ts';
import { entryPlacer, type PlacedEntry, type PlaceEntry } from '../../ct-log/placed-entry.ts';
import type { SignedBatch } from './batch-signer.ts';
import type { SequencerParts } from './sequencer-parts.ts';
import { WaitingEntries, type PlacedBatch, type Waiter } from './waiting-entries.ts';

/** The one writer of a log; see above. */
export class Sequencer {
  readonly #parts: SequencerParts;
  readonly #placeEntry: PlaceEntry;
  #head: SignedHead;
  readonly #waiting = new WaitingEntries();
  #running: Promise<void> | undefined;
  #attempted: Head | undefined;
  /** Called when signing takes longer than anybody is to wait. */
  #onLate: (() => void) | undefined;
  #failure: LogError | undefined;
  #closed = false;

  constructor(parts: SequencerParts) {
    this.#parts = parts;
    this.#placeEntry = entryPlacer(parts.identity, parts.knowsChain);
    this.#head = parts.head;
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
    return this.#parts.signer.failure;
  }

  /** Resolves when the entry is durable, covered by a signed head, and its SCT is made. Rejects with {@link LogError}:
   * `LOG_BUSY`, `LOG_CLOCK`, `LOG_ENTRY_REFUSED` (others can go on), `LOG_UNAVAILABLE`, `LOG_CLOSED` (nobody can). Its
   * `mayBeLogged` says whether the entry may be durable all the same. */
  append(entry: PrecertificateEntry): Promise<Committed> {
    const refusal = this.refusal();
    if (refusal !== undefined) return Promise.reject(refusal);
    const committed = this.#waiting.add(entry);
    this.#running ??= this.#run();
    return committed;
  }

  /** What {@link append} would reject with at once; undefined when it would try. */
  refusal(): LogError | undefined {
    if (this.#failure !== undefined) return this.#failure;
    if (this.#closed) return new LogError('LOG_CLOSED', 'the log is closed');
    const { signer, limits } = this.#parts;
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
      requireNotBehind(this.#head.head.timestamp, this.#parts.clock());
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
    const { signer, tiles } = this.#parts;
    signer.stop();
    const late = new Promise<void>((resolve) => {
      this.#onLate = resolve;
    });
    if (signer.late === undefined) await Promise.race([this.#running, late]);
    await tiles.write(this.#head.head.size);
  }

  async #run(): Promise<void> {
    // Whatever arrives in the same turn of the event loop shares the batch; nothing waits for longer than that.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#waiting.queued > 0 && this.#failure === undefined) {
      await this.#batch().catch((error: unknown) => {
        this.#stop(error);
      });
    }
    this.#running = undefined;
  }

  /** After a fault nobody here knows what is stored: only opening the store again can tell. */
  #stop(cause: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = new LogError('LOG_UNAVAILABLE', 'the log has stopped after a fault and accepts nothing', {
      hint: 'Try again later. The log of the server and /readyz name the fault.',
      cause,
    });
    this.#waiting.rejectAll(this.#failure);
    this.#parts.stopped(cause);
  }

  async #batch(): Promise<void> {
    const { tiles, limits } = this.#parts;
    await tiles.waitBelow(limits.tileBacklog, this.#head.head.size);
    const timestamp = await this.#time();
    if (timestamp === undefined) return;
    const place = (entry: PrecertificateEntry, at: number): PlacedEntry =>
      this.#placeEntry(entry, this.#parts.edge.size + at, timestamp);
    const placed = this.#waiting.take(limits.batch, place);
    if (placed.entries.length > 0) await this.#log(placed, timestamp);
    this.#waiting.endBatch();
  }

  /** The time of the next head. While the clock is far behind, what waits is refused and the log goes on. */
  async #time(): Promise<number | undefined> {
    try {
      return await timeAfter(this.#head.head.timestamp, this.#parts.clock);
    } catch (error) {
      if (!(error instanceof LogError)) throw error;
      this.#waiting.rejectQueued(error);
      return undefined;
    }
  }

  async #log({ waiters, entries }: PlacedBatch, timestamp: number): Promise<void> {
    const { edge, store, tiles, signer } = this.#parts;
    for (const { leafHash, tileLeaf } of entries) edge.append(leafHash, tileLeaf);
    const next: Head = { size: edge.size, root: edge.root(), timestamp };
    this.#attempted = next;
    await store.commit({
      expected: this.#head.head,
      next,
      entries: entries.map(({ tileLeaf }) => tileLeaf),
      pruneBelow: tiles.durableBelow,
    });
    // From here on the entries are durable and `next` is the only head of its size there can ever be.
    this.#requireRunning();
    // Whoever waits is refused after a while, and then everybody is, before their tokens are used up.
    const signed = await signer.sign(next, entries, (late) => {
      this.#waiting.rejectAll(late);
      this.#onLate?.();
    });
    this.#requireRunning();
    this.#publish(signed, waiters);
    if (tiles.backlog(next.size) > 0) void this.#writeTiles();
  }

  #publish({ head, entries }: SignedBatch, waiters: readonly Waiter[]): void {
    this.#head = head;
    this.#waiting.endBatch();
    this.#parts.published(
      head,
      entries.map(({ entry }) => entry.leafHash),
    );
    const { size: treeSize, root, timestamp } = head.head;
    for (const [i, { entry, sct }] of entries.entries()) {
      const { index, leafHash } = entry;
      waiters[i]?.resolve(makeCommitted({ index, timestamp, leafHash, treeSize, root, sct }));
    }
  }

  /** Tries again to write full tiles that failed. */
  retryTiles(): void {
    if (this.#failure === undefined && this.#parts.tiles.failure !== undefined) void this.#writeTiles();
  }

  /** In the background; what cannot pass by itself stops the log wherever the next batch is. */
  async #writeTiles(): Promise<void> {
    const { tiles } = this.#parts;
    await tiles.write(this.#head.head.size);
    if (tiles.contradiction !== undefined) this.#stop(tiles.contradiction);
  }

  /** The log may have stopped while a batch was waiting for a store or a key. */
  #requireRunning(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }
}
