/**
 * Gives every entry its place. One batch at a time, and each step only after the one before:
 *
 *     collect → time → hash → commit entries and unsigned head → sign that head → sign SCTs → resolve → tiles
 *
 * A crash before the commit returns leaves the old head, or the new one that nobody has seen signed; start-up signs
 * whichever it finds. A crash after it loses nothing: the entries are durable and the head can be signed again. So two
 * signed heads of one size cannot exist, and no SCT without its entry.
 */
import { makeCommitted, type Committed } from './committed.ts';
import type { Head } from './commit-store.ts';
import type { PrecertificateEntry } from './format/leaf.ts';
import type { SignedHead } from './head-signer.ts';
import { timeAfter } from './head-time.ts';
import { LogError, messageOf } from './log-error.ts';
import { entryPlacer, type PlacedEntry, type PlaceEntry } from './placed-entry.ts';
import { signScts, type EntryWithSct } from './sct-maker.ts';
import type { SequencerParts } from './sequencer-parts.ts';

interface Waiter {
  readonly entry: PrecertificateEntry;
  readonly resolve: (committed: Committed) => void;
  readonly reject: (error: unknown) => void;
}

/** What a batch logs; `waiters[i]` waits for `entries[i]`. */
interface PlacedBatch {
  readonly waiters: readonly Waiter[];
  readonly entries: readonly PlacedEntry[];
}

/** The one writer of a log; see above. */
export class Sequencer {
  readonly #parts: SequencerParts;
  readonly #placeEntry: PlaceEntry;
  #head: SignedHead;
  #queue: Waiter[] = [];
  #inBatch: readonly Waiter[] = [];
  #running: Promise<void> | undefined;
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
    return this.#queue.length + this.#inBatch.length;
  }

  /** Why nothing is logged any more; undefined while all is well. */
  get failure(): string | undefined {
    return this.#failure === undefined ? undefined : messageOf(this.#failure.cause);
  }

  /** Resolves when the entry is durable, covered by a signed head, and its SCT is made. Rejects with {@link LogError}:
   * `LOG_BUSY`, `LOG_CLOCK`, `LOG_ENTRY_REFUSED` (others can go on), `LOG_UNAVAILABLE`, `LOG_CLOSED` (nobody can). */
  append(entry: PrecertificateEntry): Promise<Committed> {
    const refusal = this.#refusal();
    if (refusal !== undefined) return Promise.reject(refusal);
    return new Promise((resolve, reject) => {
      this.#queue.push({ entry, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  #refusal(): LogError | undefined {
    if (this.#failure !== undefined) return this.#failure;
    if (this.#closed) return new LogError('LOG_CLOSED', 'the log is closed');
    if (this.#queue.length < this.#parts.limits.queued) return undefined;
    return new LogError('LOG_BUSY', 'too many entries wait to be logged', { hint: 'Try again in a moment.' });
  }

  /** Takes no more entries; resolves when those that wait are done and full tiles are written. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
    await this.#parts.tiles.write(this.#head.head.size);
  }

  async #run(): Promise<void> {
    // Whatever arrives in the same turn of the event loop shares the batch; nothing waits for longer than that.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#queue.length > 0 && this.#failure === undefined) {
      await this.#batch().catch((error: unknown) => {
        this.#stop(error);
      });
    }
    this.#running = undefined;
  }

  /** After a fault nobody here knows what is stored: only opening the log again can tell. */
  #stop(cause: unknown): void {
    this.#failure ??= new LogError(
      'LOG_UNAVAILABLE',
      'the log has stopped after a fault and accepts nothing',
      {
        hint: 'Restart the server: it recovers from what is durable. Its log and /readyz name the fault.',
        cause,
      },
    );
    for (const { reject } of [...this.#inBatch, ...this.#queue]) reject(this.#failure);
    this.#inBatch = [];
    this.#queue = [];
  }

  async #batch(): Promise<void> {
    const { tiles, limits } = this.#parts;
    await tiles.waitBelow(limits.tileBacklog, this.#head.head.size);
    const timestamp = await this.#time();
    if (timestamp === undefined) return;
    this.#inBatch = this.#queue.splice(0, limits.batch);
    const placed = this.#place(this.#inBatch, timestamp);
    if (placed.entries.length > 0) await this.#log(placed, timestamp);
    this.#inBatch = [];
  }

  /** The time of the next head. While the clock is far behind, what waits is refused and the log goes on. */
  async #time(): Promise<number | undefined> {
    try {
      return await timeAfter(this.#head.head.timestamp, this.#parts.clock);
    } catch (error) {
      if (!(error instanceof LogError)) throw error;
      for (const { reject } of this.#queue.splice(0)) reject(error);
      return undefined;
    }
  }

  /** One that cannot be logged is refused alone and takes no number. */
  #place(candidates: readonly Waiter[], timestamp: number): PlacedBatch {
    const waiters: Waiter[] = [];
    const entries: PlacedEntry[] = [];
    for (const waiter of candidates) {
      try {
        entries.push(this.#placeEntry(waiter.entry, this.#parts.edge.size + entries.length, timestamp));
        waiters.push(waiter);
      } catch (error) {
        waiter.reject(error);
      }
    }
    return { waiters, entries };
  }

  async #log({ waiters, entries }: PlacedBatch, timestamp: number): Promise<void> {
    const { edge, store, tiles, signHead, sctSigner: signer, identity } = this.#parts;
    for (const { leafHash, tileLeaf } of entries) edge.append(leafHash, tileLeaf);
    const next: Head = { size: edge.size, root: edge.root(), timestamp };
    await store.commit({
      expected: this.#head.head,
      next,
      entries: entries.map(({ tileLeaf }) => tileLeaf),
      pruneBelow: tiles.durableBelow,
    });
    // From here on the entries are durable and `next` is the only head of its size there can ever be.
    this.#requireRunning();
    const head = await signHead(next);
    const signed = await signScts(entries, timestamp, { logId: identity.logId, signer });
    this.#requireRunning();
    this.#publish(head, waiters, signed);
    if (tiles.backlog(next.size) > 0) void this.#writeTiles();
  }

  #publish(signed: SignedHead, waiters: readonly Waiter[], entries: readonly EntryWithSct[]): void {
    this.#head = signed;
    this.#inBatch = [];
    this.#parts.published(
      signed,
      entries.map(({ entry }) => entry.leafHash),
    );
    const { size: treeSize, root, timestamp } = signed.head;
    for (const [i, { entry, sct }] of entries.entries()) {
      const { index, leafHash } = entry;
      waiters[i]?.resolve(makeCommitted({ index, timestamp, leafHash, treeSize, root, sct }));
    }
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
