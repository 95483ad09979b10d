/**
 * Gives every entry its place. One batch at a time, and each step only after the one before:
 *
 *     collect → time → hash → commit entries and unsigned head → sign that head → sign SCTs → resolve → tiles
 *
 * A crash before the commit returns leaves the old head, or the new one that nobody has seen signed; start-up signs
 * whichever it finds. A crash after it loses nothing: the entries are durable and the head can be signed again. So two
 * signed heads of one size cannot exist, and no SCT without its entry.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../core/clock.ts';
import { FormatError } from '../core/errors.ts';
import type { Signer } from '../core/signer.ts';
import { makeCommitted, type Committed } from './committed.ts';
import type { CommitStore, Head } from './commit-store.ts';
import { encodeEntry, type EncodedEntry, type PrecertificateEntry } from './format/leaf.ts';
import { leafIndexExtension } from './format/leaf-index.ts';
import { encodeSct } from './format/sct.ts';
import type { SignedHead, SignHead } from './head-signer.ts';
import { LogError, messageOf } from './log-error.ts';
import type { LogIdentity } from './log-identity.ts';
import { sha256 } from './sha256.ts';
import type { TileWriter } from './tile-writer.ts';
import type { TreeEdge } from './tree-edge.ts';

/** How much the sequencer takes and holds. */
export interface SequencerLimits {
  /** Entries of one batch. */
  readonly batch: number;
  /** Entries that may wait; more are refused with `LOG_BUSY`. */
  readonly queued: number;
  /** Full data tiles that may wait for a tile store that is slow or fails; beyond them the log stops. */
  readonly tileBacklog: number;
}

/** Some seconds of full load each; the tiles are about 600 KB a piece, in memory and in the commit store. */
export const SEQUENCER_LIMITS: SequencerLimits = { batch: 1024, queued: 4096, tileBacklog: 64 };

/** How far the clock may be behind the last head before entries are refused rather than kept waiting. */
const CLOCK_TOLERANCE_MS = 1000;

/** What the sequencer works with. `head` is the signed, committed head that `edge` has computed. */
export interface SequencerParts {
  readonly identity: LogIdentity;
  readonly store: CommitStore;
  readonly edge: TreeEdge;
  readonly tiles: TileWriter;
  readonly head: SignedHead;
  readonly signHead: SignHead;
  /** ECDSA P-256, for SCTs. */
  readonly sctSigner: Signer;
  readonly clock: Clock;
  /** Whether every certificate of this chain is served already (fingerprints, n × 32 bytes). */
  readonly knowsChain: (fingerprints: Uint8Array) => boolean;
  /** Told of each new head, with the leaf hashes it adds. */
  readonly published: (head: SignedHead, leafHashes: readonly Uint8Array[]) => void;
  readonly limits: SequencerLimits;
}

interface Waiter {
  readonly entry: PrecertificateEntry;
  readonly resolve: (committed: Committed) => void;
  readonly reject: (error: unknown) => void;
}

interface Placed extends EncodedEntry {
  readonly waiter: Waiter;
  readonly index: number;
  readonly extensions: Uint8Array;
  readonly leafHash: Uint8Array;
}

const NO_EXTENSIONS = new Uint8Array();

/** The one writer of a log; see above. */
export class Sequencer {
  readonly #parts: SequencerParts;
  #head: SignedHead;
  #queue: Waiter[] = [];
  #inBatch: readonly Waiter[] = [];
  #running: Promise<void> | undefined;
  #failure: LogError | undefined;
  #closed = false;

  constructor(parts: SequencerParts) {
    this.#parts = parts;
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
    await this.#waitForTiles();
    const timestamp = await this.#time();
    if (timestamp === undefined) return;
    this.#inBatch = this.#queue.splice(0, this.#parts.limits.batch);
    const placed = this.#place(this.#inBatch, timestamp);
    if (placed.length > 0) await this.#log(placed, timestamp);
    this.#inBatch = [];
  }

  /** A tile store that cannot keep up is waited for; one that fails while the backlog is full ends the run, before
   * commit store and memory fill up. */
  async #waitForTiles(): Promise<void> {
    const { tiles, limits } = this.#parts;
    const { size } = this.#head.head;
    if (tiles.backlog(size) < limits.tileBacklog) return;
    await tiles.write(size);
    // The attempt that was under way may have failed long ago; this one is new.
    await tiles.write(size);
    if (tiles.backlog(size) < limits.tileBacklog) return;
    throw new LogError(
      'LOG_STORAGE',
      `full tiles cannot be written: ${tiles.failure ?? 'no reason was given'}`,
    );
  }

  /** The time of the next head: the clock's, and later than the last head's. Waits out a clock that is a little
   * behind; refuses what waits, and goes on, when it is far behind. */
  async #time(): Promise<number | undefined> {
    const last = this.#head.head.timestamp;
    for (;;) {
      const now = Math.floor(this.#parts.clock());
      if (now > last) return now;
      if (last - now > CLOCK_TOLERANCE_MS) {
        const error = new LogError('LOG_CLOCK', `the clock is ${last - now} ms behind the last tree head`, {
          hint: 'Set the clock right: a log must not date an entry before the head it builds on.',
        });
        for (const { reject } of this.#queue.splice(0)) reject(error);
        return undefined;
      }
      await delay(last - now + 1);
    }
  }

  /** Encodes and numbers the entries; one that cannot be logged is refused alone and takes no number. */
  #place(waiters: readonly Waiter[], timestamp: number): Placed[] {
    const placed: Placed[] = [];
    for (const waiter of waiters) {
      const index = this.#parts.edge.size + placed.length;
      try {
        placed.push(this.#encode(waiter, index, timestamp));
      } catch (error) {
        waiter.reject(
          error instanceof FormatError
            ? new LogError('LOG_ENTRY_REFUSED', error.message, { cause: error })
            : error,
        );
      }
    }
    return placed;
  }

  #encode(waiter: Waiter, index: number, timestamp: number): Placed {
    const { entry } = waiter;
    if (!this.#parts.knowsChain(entry.chainFingerprints)) {
      throw new LogError('LOG_ENTRY_REFUSED', 'the chain of the entry is not that of this log');
    }
    const withIndex = this.#parts.identity.sctExtensions === 'leaf_index';
    const extensions = withIndex ? leafIndexExtension(index) : NO_EXTENSIONS;
    const encoded = encodeEntry(entry, timestamp, extensions);
    return { ...encoded, waiter, index, extensions, leafHash: sha256(encoded.hashInput) };
  }

  async #log(placed: readonly Placed[], timestamp: number): Promise<void> {
    const { edge, store, tiles, signHead } = this.#parts;
    for (const { leafHash, tileLeaf } of placed) edge.append(leafHash, tileLeaf);
    const next: Head = { size: edge.size, root: edge.root(), timestamp };
    await store.commit({
      expected: this.#head.head,
      next,
      entries: placed.map(({ tileLeaf }) => tileLeaf),
      pruneBelow: tiles.durableBelow,
    });
    // From here on the entries are durable and `next` is the only head of its size there can ever be.
    this.#requireRunning();
    const signed = await signHead(next);
    const scts = await Promise.all(placed.map((entry) => this.#sct(entry, timestamp)));
    const committed = placed.map(({ index, leafHash }, i) => {
      const sct = scts[i];
      if (sct === undefined) throw new LogError('LOG_STORAGE', 'an SCT is missing');
      return makeCommitted({ index, timestamp, leafHash, treeSize: next.size, root: next.root, sct });
    });
    this.#requireRunning();
    this.#publish(signed, placed, committed);
    if (tiles.backlog(next.size) > 0) void this.#writeTiles();
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

  #publish(signed: SignedHead, placed: readonly Placed[], committed: readonly Committed[]): void {
    this.#head = signed;
    this.#inBatch = [];
    this.#parts.published(
      signed,
      placed.map(({ leafHash }) => leafHash),
    );
    for (const [i, value] of committed.entries()) placed[i]?.waiter.resolve(value);
  }

  async #sct({ leaf, extensions }: Placed, timestamp: number): Promise<Uint8Array> {
    const signature = await this.#parts.sctSigner.sign(leaf);
    return encodeSct({ logId: this.#parts.identity.logId, timestamp, extensions, signature });
  }
}
