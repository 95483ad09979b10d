/**
 * What the entries of a log are found by. A file beside the log, `search.db`, which a thread fills behind the writers, in batches; a search waits until
 * it has reached the head that was signed when the search began, so that what was logged before is found. The file is derived: it can be deleted at any time, and is
 * made anew where it is missing, damaged, or of another log. Nothing trusts it: each hit is read from the log and compared.
 */
import { performance } from 'node:perf_hooks';
import { equalBytes } from '../core/bytes.ts';
import { messageOf } from '../core/errors.ts';
import { DerivedFile } from '../tlog/core/derived-file.ts';
import { LogError, LogReadError } from '../tlog/core/log-error.ts';
import type { SearchCondition, SearchedEntry } from './search-keys.ts';
import type { Found, IndexLookup, SearchReply, SearchRequest, SearchWorkerData } from './search-worker.ts';

/** Milliseconds between two looks for new entries. A search does not wait for the next one. */
const TICK = 250;

/** Milliseconds that the thread rests after each batch while no search waits. */
const REST = 5;

/** Share of its time for which the event loop works when it counts as busy, and the times that a batch took for which the thread rests then: making the index must not
 * take a core from issuing. What is left for later is made up for when there is less to do, or when a search waits. */
const BUSY = 0.5;
const BUSY_RESTS = 60;

/** Searches that may wait for the index. */
export const MAX_WAITERS = 64;

/** Entries of a bundle. */
const BUNDLE = 256;

/** The log that is searched. */
export interface SearchedLog<Entry extends SearchedEntry> {
  /** Entries under the newest signed head. */
  readonly size: () => number;
  /** Entries from that one on to the end of its bundle of 256; none at the end of the log. */
  readonly entriesFrom: (first: number) => Promise<readonly Entry[]>;
  readonly entryAt: (index: number) => Promise<Entry | undefined>;
}

/** What is searched for. */
export interface SearchQuery {
  /** Without any, nothing is found. */
  readonly conditions: readonly SearchCondition[];
  readonly match: 'all' | 'any';
  /** Only entries from that index on. */
  readonly from?: number | undefined;
  /** Only entries below that index: where the last page ended. */
  readonly before?: number | undefined;
  /** Hits of a page, at most. */
  readonly limit: number;
}

/** A page of hits. */
export interface SearchPage<Entry> {
  /** The newest first. */
  readonly entries: readonly Entry[];
  /** Where the next page begins; undefined when every entry was searched. */
  readonly before: number | undefined;
}

/** How long a search may take. */
export interface SearchTimes {
  /** Milliseconds until the index has reached the log's head; beyond, the search is refused. */
  readonly waitMs: number;
  /** Milliseconds after which the page ends with what it has. */
  readonly searchMs: number;
}

const TIMES: SearchTimes = { waitMs: 5_000, searchMs: 2_000 };

/** A search that waits for the index. */
interface Waiter {
  readonly size: number;
  readonly done: (refusal?: LogReadError) => void;
}

/** The index of one log. */
export class SearchIndex<Entry extends SearchedEntry> {
  readonly #log: SearchedLog<Entry>;
  readonly #times: SearchTimes;
  readonly #abort = new AbortController();
  readonly #ticker: NodeJS.Timeout;
  readonly #file: DerivedFile<SearchRequest, SearchReply>;
  readonly #waiters = new Set<Waiter>();
  /** Ends the rest after a batch. */
  #goOn: () => void = () => undefined;
  #load = performance.eventLoopUtilization();
  /** Entries in the file, from the first one on; undefined until it was held to the log. */
  #covered: number | undefined;
  #failure: string | undefined;
  #work: Promise<void> | undefined;

  /** Starts to index the log in the background. */
  constructor(data: SearchWorkerData, log: SearchedLog<Entry>, times = TIMES) {
    const { path } = data;
    this.#file = new DerivedFile({
      path,
      beside: import.meta.url,
      name: 'search-worker',
      workerData: data,
    });
    this.#log = log;
    this.#times = times;
    this.#ticker = setInterval(() => {
      this.#start();
    }, TICK).unref();
    this.#start();
  }

  /** Why the index could not be made, the last time; undefined while all is well. For the operator: it names files. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** Entries that are indexed. */
  get covered(): number {
    return this.#covered ?? 0;
  }

  /** Resolves when every entry that is logged now is indexed. For those who must not hold anything else meanwhile. Rejects with LogReadError `NOT_READY` when that takes too
   * long, or too many wait already. */
  async ready(): Promise<void> {
    await this.#reach(this.#log.size(), performance.now() + this.#times.waitMs);
  }

  /** One page of entries. Rejects with LogReadError `NOT_READY` while the index is being made, and with what reading the log rejects with. */
  async search({ conditions, match, from = 0, before, limit }: SearchQuery): Promise<SearchPage<Entry>> {
    if (conditions.length === 0) return { entries: [], before: undefined };
    const size = this.#log.size();
    const readyBy = performance.now() + this.#times.waitMs;
    await this.#reach(size, readyBy);
    const end = performance.now() + this.#times.searchMs;
    const entries: Entry[] = [];
    let below = Math.min(before ?? size, size);
    const first = below;
    while (below > from && entries.length < limit && (below === first || performance.now() < end)) {
      const lookup = { conditions, match, from, before: below, limit: limit - entries.length };
      const found = await this.#find(lookup, size, readyBy);
      for (const bundle of byBundle(found.indexes))
        entries.push(...(await this.#hitsAmong(await this.#entriesAt(bundle), { conditions, match })));
      below = found.before;
    }
    return { entries, before: below > from ? below : undefined };
  }

  /** In the thread, because a body takes as long to read as the signature in it to check. */
  async #hitsAmong(
    entries: readonly Entry[],
    asked: Pick<SearchQuery, 'conditions' | 'match'>,
  ): Promise<readonly Entry[]> {
    const { hits } = await this.#file.ask({ kind: 'compare', ...asked, entries: entries.map(indexed) });
    return entries.filter((_, i) => hits?.[i] === true);
  }

  /** Entries of one bundle, which is read once. */
  async #entriesAt(indexes: readonly number[]): Promise<readonly Entry[]> {
    const lowest = indexes.at(-1) ?? 0;
    if (indexes.length === 1) {
      const entry = await this.#log.entryAt(lowest);
      return entry === undefined ? [] : [entry];
    }
    const wanted = new Set(indexes);
    return (await this.#log.entriesFrom(lowest)).filter(({ index }) => wanted.has(index)).toReversed();
  }

  /** Stops at once; what is missing is indexed at the next start. Idempotent. */
  async close(): Promise<void> {
    clearInterval(this.#ticker);
    this.#abort.abort();
    this.#wake(notReady('the log is closed'));
    this.#goOn();
    await this.#file.close();
    await this.#work;
  }

  /** Again where the file turns out to be damaged: then it is made anew, if there is time. */
  async #find(lookup: IndexLookup, size: number, readyBy: number): Promise<Found> {
    const find = async (): Promise<Found> => {
      const { found } = await this.#file.ask({ kind: 'find', ...lookup });
      return found ?? { indexes: [], before: 0 };
    };
    try {
      return await find();
    } catch (error) {
      this.#fail(error, true);
      this.#start();
      await this.#reach(size, readyBy);
      return find();
    }
  }

  /** Resolves when so many entries are indexed. */
  async #reach(size: number, by: number): Promise<void> {
    if (this.#covered !== undefined && this.#covered >= size) return;
    if (this.#waiters.size >= MAX_WAITERS) throw notReady('too many searches wait for it already');
    const refusal = await new Promise<LogReadError | undefined>((resolve) => {
      const late = setTimeout(
        () => {
          const covered = notReady(`it has ${this.covered} of ${size} entries`);
          waiter.done(this.#failure === undefined ? covered : notMade(this.#failure));
        },
        Math.max(0, by - performance.now()),
      );
      const waiter: Waiter = {
        size,
        done: (refused) => {
          clearTimeout(late);
          this.#waiters.delete(waiter);
          resolve(refused);
        },
      };
      this.#waiters.add(waiter);
      this.#goOn();
      this.#start();
    });
    if (refusal !== undefined) throw refusal;
  }

  #wake(refusal?: LogReadError): void {
    for (const waiter of [...this.#waiters])
      if (refusal !== undefined || waiter.size <= this.covered) waiter.done(refusal);
  }

  #start(): void {
    const isDone = this.#covered !== undefined && this.#covered >= this.#log.size();
    if (this.#abort.signal.aborted || isDone) return;
    this.#work ??= this.#run().finally(() => {
      this.#work = undefined;
    });
  }

  /** Until everything is indexed. What waits for a damaged file that is made anew at once need not know. */
  #run(): Promise<void> {
    const fill = async (): Promise<void> => {
      if (this.#covered === undefined) await this.#open();
      await this.#fill();
      this.#failure = undefined;
    };
    const failed = (error: unknown, isPassing: boolean): void => {
      this.#fail(error, isPassing);
    };
    return this.#file.fillBy(fill, failed, this.#abort.signal);
  }

  #fail(error: unknown, isPassing: boolean): void {
    if (this.#abort.signal.aborted) return;
    this.#failure = messageOf(error);
    // Nothing is known of the file until it was opened again.
    this.#covered = undefined;
    if (!isPassing) this.#wake(notMade(this.#failure));
  }

  /** Holds the file to the log, by its last entry: the thread holds each group to its sums before it uses it. A thread that failed is replaced, and a damaged file removed. */
  async #open(): Promise<void> {
    await this.#file.renew();
    this.#covered = await this.#usable();
    this.#wake();
  }

  /** Entries that the file has of this log. A file that is ahead of the log, or of another one, is made anew. */
  async #usable(): Promise<number> {
    const { coverage } = await this.#file.ask({ kind: 'coverage' });
    const { covered = 0, lastLeaf = new Uint8Array() } = coverage ?? {};
    if (covered === 0) return 0;
    const last = covered <= this.#log.size() ? await this.#log.entryAt(covered - 1) : undefined;
    if (last !== undefined && equalBytes(last.leafHash, lastLeaf)) return covered;
    await this.#file.ask({ kind: 'reset' });
    return 0;
  }

  async #fill(): Promise<void> {
    while (this.#known() < this.#log.size() && !this.#abort.signal.aborted) {
      const at = this.#known();
      const entries = await this.#log.entriesFrom(at);
      if (entries.length === 0) throw new LogError('LOG_STORAGE', `the log has no entry ${at}`);
      const { spentMs = 0 } = await this.#file.ask({ kind: 'add', entries: entries.map(indexed) });
      this.#covered = this.#known() + entries.length;
      this.#failure = undefined;
      this.#wake();
      if (this.#waiters.size === 0) await this.#rest(spentMs);
    }
  }

  /** Until a search waits, at most. Not once it is closed, which the last answer of the thread may come after: nothing else may keep the process alive by then, and it would end before the rest of
   * the service has. */
  async #rest(spentMs: number): Promise<void> {
    if (this.#abort.signal.aborted) return;
    const { utilization } = performance.eventLoopUtilization(this.#load);
    this.#load = performance.eventLoopUtilization();
    const ms = utilization > BUSY ? Math.max(REST, BUSY_RESTS * spentMs) : REST;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms).unref();
      this.#goOn = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** Throws when a search found the file damaged meanwhile. */
  #known(): number {
    if (this.#covered !== undefined) return this.#covered;
    throw new LogError('LOG_STORAGE', this.#failure ?? 'the index failed');
  }
}

/** Indexes that fall, divided where their bundle changes. */
function byBundle(indexes: readonly number[]): readonly (readonly number[])[] {
  const out: number[][] = [];
  for (const index of indexes) {
    const last = out.at(-1);
    const isSame = last?.[0] !== undefined && Math.floor(last[0] / BUNDLE) === Math.floor(index / BUNDLE);
    if (isSame) last.push(index);
    else out.push([index]);
  }
  return out;
}

/** What the thread needs of an entry, and no more: it is copied. */
const indexed = ({ index, leafHash, body, namedDigests, precertificate }: SearchedEntry): SearchedEntry => ({
  index,
  leafHash,
  body,
  namedDigests,
  precertificate,
});

const notReady = (reason: string): LogReadError =>
  new LogReadError('NOT_READY', `the search index is being made: ${reason}`, {
    hint: 'Try again in a few seconds.',
  });

/** What is wrong has paths of this machine in it, and readers may be anybody: it is the cause, for the operator. */
const notMade = (failure: string): LogReadError =>
  new LogReadError('NOT_READY', 'the search index cannot be made at the moment', {
    hint: 'Try again later; the operator finds the cause in the details of /readyz.',
    cause: new Error(failure),
  });
