/**
 * From a leaf hash, or another hash that each entry has, to the indexes that may have it. Groups of 65,536 entries: the newest in memory, complete ones in
 * `index.db`, which a thread fills in the background. Nothing trusts an answer (the reader compares with the tile),
 * nothing waits for it on the way of an entry, and it can be deleted at any time: what is missing is computed again, at
 * the start or while the log runs. That there is no such entry is said only of what is known to be whole.
 *
 * Whole groups, sorted by hash, cost a page written for many entries rather than one each, so the cost of an entry
 * does not grow with the log. Nor does the memory: a group for which the thread has no time, or that cannot be stored,
 * is dropped, and read again from tiles when its turn comes.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../../core/errors.ts';
import { emptyGroup, GROUP, placesOf, prefixOf, type Group, type GroupReader } from './hash-group.ts';
import type { HashIndexData, HashIndexReply, HashIndexRequest } from './hash-index-worker.ts';
import { DerivedFile } from '../core/derived-file.ts';
import { LogError } from '../core/log-error.ts';

/** Name inside a log's directory. */
export const INDEX_FILE = 'index.db';

/** Complete groups that wait in memory, 512 KB each. */
const HELD = 2;

/** Where an entry may be. */
export interface Candidates {
  /** Lowest first. */
  readonly indexes: readonly number[];
  /** Whether every entry was searched: only then does no match mean that there is none. */
  readonly isAll: boolean;
}

/** The index of one log. */
export class HashIndex {
  readonly #file: DerivedFile<HashIndexRequest, HashIndexReply>;
  readonly #read: GroupReader;
  /** What is in memory: groups that are not stored, each noted from its first entry on. */
  readonly #groups = new Map<number, Group>();
  readonly #abort = new AbortController();
  /** Entries that were there at the start and those noted since. */
  #size: number;
  /** Groups in the file, from the first one on. */
  #covered = 0;
  /** Whether the group that is being filled is noted from its first entry on. */
  #hasNewest = false;
  #failure: string | undefined;
  #isFailing = false;
  #work: Promise<void> | undefined;

  /** Starts to index the tree of `size` entries in the background. */
  constructor(data: HashIndexData, size: number, read: GroupReader) {
    const { path } = data;
    this.#file = new DerivedFile({
      path,
      beside: import.meta.url,
      name: 'hash-index-worker',
      workerData: data,
    });
    this.#size = size;
    this.#read = read;
    this.#start();
  }

  /** Why not every entry can be looked up, and is not being indexed for the first time; undefined while all is well. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** Notes the entry `index`, which follows the last one noted. */
  add(leafHash: Uint8Array, index: number): void {
    this.#note(prefixOf(leafHash), index);
    this.#size = index + 1;
    if (this.#size % GROUP !== 0) return;
    const n = this.#size / GROUP - 1;
    // The one at work is not counted: it goes as soon as it is stored.
    const waiting = [...this.#groups.keys()].filter((group) => group < n && group > this.#covered).length;
    if (!this.#hasNewest || waiting >= HELD) this.#groups.delete(n);
    this.#hasNewest = true;
    this.#start();
  }

  #note(prefix: number, index: number): void {
    const n = Math.floor(index / GROUP);
    let group = this.#groups.get(n);
    if (group === undefined) this.#groups.set(n, (group = emptyGroup()));
    group[index - n * GROUP] = prefix;
  }

  /** Where this hash may be; never rejects. */
  async candidates(leafHash: Uint8Array): Promise<Candidates> {
    const prefix = prefixOf(leafHash);
    const covered = this.#covered;
    const knowsRest = this.#knowsFrom(covered);
    const inMemory = [...this.#groups].flatMap(([n, group]) =>
      placesOf(prefix, group).map((at) => n * GROUP + at),
    );
    const stored = covered === 0 ? [] : await this.#find(prefix, covered);
    const indexes = [...new Set([...inMemory, ...(stored ?? [])])].sort((a, b) => a - b);
    return { indexes, isAll: knowsRest && stored !== undefined };
  }

  /** Whether every group from `first` on is in memory, from its first entry on. */
  #knowsFrom(first: number): boolean {
    if (!this.#hasNewest) return false;
    for (let n = first; n < Math.floor(this.#size / GROUP); n++) if (!this.#groups.has(n)) return false;
    return true;
  }

  /** Undefined when the file cannot say; it is made anew then. */
  async #find(prefix: number, covered: number): Promise<readonly number[] | undefined> {
    try {
      return (await this.#file.ask({ kind: 'find', prefix, covered, size: GROUP })).indexes ?? [];
    } catch (error) {
      this.#fail(error);
      this.#start();
      return undefined;
    }
  }

  /** Resolves when everything there is was indexed, or when that failed and waits to be tried again. */
  async settled(): Promise<void> {
    while (this.#work !== undefined && this.#failure === undefined) await delay(5);
  }

  /** Resolves when everything is indexed, however often that has to be tried. */
  async rebuilt(): Promise<void> {
    await this.#work;
  }

  /** Stops at once; what is not stored is computed again at the next start. */
  async close(): Promise<void> {
    this.#abort.abort();
    await this.#file.close();
    await this.#work;
  }

  #start(): void {
    this.#work ??= this.#run().finally(() => {
      this.#work = undefined;
    });
  }

  /** Until everything is indexed. */
  #run(): Promise<void> {
    const fill = async (): Promise<void> => {
      if (this.#isFailing) {
        await this.#file.renew();
        this.#isFailing = false;
      }
      await this.#fill();
      this.#failure = undefined;
    };
    const failed = (error: unknown): void => {
      this.#fail(error);
    };
    return this.#file.fillBy(fill, failed, this.#abort.signal);
  }

  #fail(error: unknown): void {
    if (this.#abort.signal.aborted) return;
    this.#failure = messageOf(error);
    this.#isFailing = true;
    // Nothing is known of the file until it was opened again.
    this.#covered = 0;
  }

  /** The newest entries first, because they are what people ask for. */
  async #fill(): Promise<void> {
    if (!this.#hasNewest) await this.#readNewest();
    const complete = (): number => Math.floor(this.#size / GROUP);
    if (complete() === 0) return;
    const { covered = 0 } = await this.#file.ask({ kind: 'covered', complete: complete() });
    this.#nowCovers(covered);
    for (let n = covered; n < complete() && !this.#abort.signal.aborted; n++) {
      const group = this.#groups.get(n) ?? (await this.#read(n, (n + 1) * GROUP, this.#abort.signal));
      this.#groups.set(n, group);
      await this.#file.ask({ kind: 'store', group: n, prefixes: group });
      this.#nowCovers(n + 1);
      this.#groups.delete(n);
    }
  }

  /** Unless a look-up found the file damaged meanwhile. */
  #nowCovers(groups: number): void {
    if (this.#isFailing) throw new LogError('LOG_STORAGE', this.#failure ?? 'the index failed');
    this.#covered = groups;
  }

  /** What the newest group had at the start. Entries that came since are noted there already, unless they filled it: then
   * it is read again as a whole, in its turn. */
  async #readNewest(): Promise<void> {
    const size = this.#size;
    const n = Math.floor(size / GROUP);
    const read = await this.#read(n, size, this.#abort.signal);
    if (this.#hasNewest) return;
    const noted = this.#groups.get(n);
    if (noted !== undefined) read.set(noted.subarray(size - n * GROUP), size - n * GROUP);
    this.#groups.set(n, read);
    this.#hasNewest = true;
  }
}
