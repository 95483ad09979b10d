/**
 * From a leaf hash to the indexes that may have it. Groups of 65,536 entries: the newest in memory, complete ones in
 * `index.db`, which a thread fills in the background. Nothing trusts an answer (the reader compares with the tile),
 * nothing waits for it on the way of an entry, and it can be deleted at any time: start-up computes what is missing.
 *
 * Whole groups, sorted by hash, cost a page written for many entries rather than one each, so the cost of an entry
 * does not grow with the log. Nor does the memory: a group for which the thread has no time, or that cannot be stored,
 * is dropped, and read again from tiles when its turn comes.
 */
import { LogError, messageOf } from './log-error.ts';
import { HASH_LENGTH } from './format/merkle.ts';
import { TILE_WIDTH, type Tile } from './format/tile.ts';
import type { HashIndexData, HashIndexReply, HashIndexRequest } from './hash-index-worker.ts';
import { startWorker, type WorkerChannel } from '../storage/worker-channel.ts';

/** Entries of a group: one tile of level 1. */
export const GROUP = TILE_WIDTH * TILE_WIDTH;

/** Complete groups that wait in memory, 512 KB each. */
const HELD = 2;

/** The first 48 bits of a hash: exact as a number, and enough that a wrong candidate is rare. */
function prefixOf(hash: Uint8Array, at = 0): number {
  let out = 0;
  for (let i = 0; i < 6; i++) out = out * 256 + (hash[at + i] ?? 0);
  return out;
}

/** The prefixes of a group by the place of their entries; `UNKNOWN` where none was noted yet. Searched from end to
 * end: that costs a look-up some 50 µs, but the log only a number for each entry. */
type Group = Float64Array;
const UNKNOWN = -1;

/** What the index reads from: level 0 tiles of the published tree. */
export type LeafTileReader = (tile: Tile) => Promise<Uint8Array>;

/** See above. */
export class HashIndex {
  readonly #data: HashIndexData;
  readonly #read: LeafTileReader;
  readonly #groups = new Map<number, Group>();
  /** Complete groups that are to be stored and are not in memory. */
  readonly #dropped = new Set<number>();
  #waiting = 0;
  #channel: WorkerChannel<HashIndexRequest, HashIndexReply> | undefined;
  #filled = false;
  #failure: string | undefined;
  #work: Promise<void>;
  #closed = false;

  /** Starts to index the tree of `size` entries in the background. */
  constructor(data: HashIndexData, size: number, read: LeafTileReader) {
    this.#data = data;
    this.#read = read;
    this.#work = this.#catchUp(size);
  }

  /** Why complete groups cannot be looked up; undefined while all is well. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** Notes the entry `index`, which follows the last one noted. */
  add(leafHash: Uint8Array, index: number): void {
    this.#note(prefixOf(leafHash), index);
    if ((index + 1) % GROUP === 0) this.#complete((index + 1) / GROUP - 1);
  }

  #complete(n: number): void {
    if (this.#failure !== undefined || this.#waiting >= HELD) this.#drop(n);
    if (this.#failure === undefined) this.#store(n);
  }

  #drop(n: number): void {
    this.#groups.delete(n);
    this.#dropped.add(n);
  }

  #note(prefix: number, index: number): void {
    const n = Math.floor(index / GROUP);
    let group = this.#groups.get(n);
    if (group === undefined) this.#groups.set(n, (group = new Float64Array(GROUP).fill(UNKNOWN)));
    group[index - n * GROUP] = prefix;
  }

  /** Indexes whose hash may be this one, lowest first; undefined while the index is being rebuilt, is behind or has
   * failed, and so cannot say that there is none. */
  async candidates(leafHash: Uint8Array): Promise<number[] | undefined> {
    const prefix = prefixOf(leafHash);
    const out: number[] = [];
    for (const [n, group] of this.#groups) out.push(...placesOf(prefix, group).map((at) => n * GROUP + at));
    const stored = await this.#channel?.ask({ kind: 'find', prefix }).catch(() => undefined);
    out.push(...(stored?.indexes ?? []));
    if (out.length === 0 && !this.#knowsAll()) return undefined;
    return [...new Set(out)].sort((a, b) => a - b);
  }

  #knowsAll(): boolean {
    return this.#filled && this.#failure === undefined && this.#dropped.size === 0;
  }

  /** Resolves when everything there was at the start, and every group complete since, is indexed. */
  async settled(): Promise<void> {
    await this.#work;
  }

  /** Stops at once; what is not stored is computed again at the next start. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#channel?.terminate();
    await this.#work;
  }

  /** Reads the level 0 tiles of every group that `index.db` does not hold; the newest entries first, because they are
   * what people ask for. */
  async #catchUp(size: number): Promise<void> {
    const complete = Math.floor(size / GROUP);
    await this.#guard(async () => {
      await this.#readGroup(complete, size);
      // A thread that is started now would never be ended, and hold the process.
      const isOver = this.#closed;
      if (complete === 0 || isOver) return;
      const { covered = 0 } = await this.#worker().ask({ kind: 'covered', complete });
      for (let n = covered; n < complete && !this.#closed; n++) {
        await this.#readGroup(n, size);
        await this.#storeNow(n);
      }
    });
    this.#filled = this.#failure === undefined;
  }

  async #readGroup(n: number, size: number): Promise<void> {
    const end = Math.min((n + 1) * GROUP, size);
    for (let at = n * GROUP; at < end && !this.#closed; at += TILE_WIDTH) {
      const width = Math.min(TILE_WIDTH, end - at);
      const tile = await this.#read({ level: 0, n: at / TILE_WIDTH, width });
      for (let i = 0; i < width; i++) this.#note(prefixOf(tile, i * HASH_LENGTH), at + i);
    }
  }

  /** Groups are stored one after the other, in order: the worker's mark says "all below". */
  #store(n: number): void {
    this.#waiting++;
    this.#work = this.#work.then(async () => {
      this.#waiting--;
      await this.#guard(() => this.#storeNow(n));
    });
  }

  async #storeNow(n: number): Promise<void> {
    if (this.#dropped.has(n) && this.#failure === undefined) await this.#readGroup(n, (n + 1) * GROUP);
    const group = this.#groups.get(n);
    if (group === undefined || this.#closed || this.#failure !== undefined) return;
    await this.#worker().ask({ kind: 'store', group: n, prefixes: group });
    this.#groups.delete(n);
    this.#dropped.delete(n);
  }

  #worker(): WorkerChannel<HashIndexRequest, HashIndexReply> {
    return (this.#channel ??= startWorker({
      beside: import.meta.url,
      name: 'hash-index-worker',
      workerData: this.#data,
      gone: (reason) => new LogError('LOG_STORAGE', reason),
    }));
  }

  async #guard(step: () => Promise<void>): Promise<void> {
    try {
      await step();
    } catch (error) {
      if (this.#closed) return;
      this.#failure = messageOf(error);
      this.#keepNewest();
    }
  }

  /** After a failure only the next start stores anything. */
  #keepNewest(): void {
    const newest = Math.max(...this.#groups.keys());
    for (const n of this.#groups.keys()) if (n !== newest) this.#drop(n);
  }
}

function placesOf(prefix: number, group: Group): number[] {
  const out: number[] = [];
  for (let at = group.indexOf(prefix); at >= 0; at = group.indexOf(prefix, at + 1)) out.push(at);
  return out;
}
