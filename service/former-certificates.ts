/** The certificate logs that the one in use has followed, as they are searched: each with an index that is made once, as they never change, and is open while somebody searches. */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ReadOnlyCtLog } from '../ct-log/read-only-log.ts';
import { certificateLogPaths, type DataPaths } from '../instance/data-paths.ts';
import { SEARCH_FILE } from '../rekor/redact-entries.ts';
import { searchedCertificates, type CertificateEntry } from '../search/certificate-entries.ts';
import type { FormerLogs } from '../search/log-search.ts';
import { SearchIndex, type SearchedLog } from '../search/search-index.ts';
import { certificateView, searchableLog, type SearchableLog } from '../search/searchable-log.ts';
import { LogReadError } from '../tlog/core/log-error.ts';
import type { ServiceLog } from '../server/operator/service-log.ts';
import type { OtherLogs } from './other-logs.ts';

/** Milliseconds between two looks at what failed, and at what nobody searches any more. */
const ROUND = 10_000;

/** Milliseconds after which an index that nobody searches is closed. */
const IDLE = 60_000;

/** Indexes that are open at once, each with a thread. */
const MOST_OPEN = 4;

/** Searches in them. Nothing that is wrong with one of them stops a search: it is named as not searched. */
export class FormerCertificates {
  readonly #paths: DataPaths;
  readonly #otherLogs: Pick<OtherLogs, 'list' | 'status' | 'open'>;
  readonly #note: ServiceLog['note'];
  readonly #logs = new Map<string, FormerIndex>();
  readonly #abort = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #making: Promise<void> | undefined;

  constructor(
    paths: DataPaths,
    otherLogs: Pick<OtherLogs, 'list' | 'status' | 'open'>,
    note: ServiceLog['note'],
  ) {
    this.#paths = paths;
    this.#otherLogs = otherLogs;
    this.#note = note;
  }

  /** Makes the indexes that are not there, one after the other, in the background. Nothing after {@link close}. */
  start(): void {
    if (this.#abort.signal.aborted) return;
    this.#timer = setInterval(() => {
      for (const log of this.#logs.values()) if (log.isIdle(IDLE)) void log.close();
      this.#startMaking();
    }, ROUND).unref();
    this.#startMaking();
  }

  #startMaking(): void {
    this.#making ??= this.#make().finally(() => {
      this.#making = undefined;
    });
  }

  /** Those that can be searched now, the newest first, and the names of the others. Never rejects. */
  async logs(): Promise<FormerLogs> {
    const searchable: SearchableLog[] = [];
    const unsearched: string[] = [];
    for (const { name, log } of await this.#former()) {
      if (log === undefined || log.state === 'failed') unsearched.push(`certificates-${name}`);
      else searchable.push(log.searchable);
    }
    return { logs: searchable, unsearched };
  }

  /** Ends the threads. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#abort.abort();
    await this.#making;
    await Promise.all([...this.#logs.values()].map((log) => log.close()));
  }

  async #make(): Promise<void> {
    for (const { name, log } of await this.#former()) {
      if (this.#abort.signal.aborted) return;
      if (log === undefined || log.state === 'made') continue;
      const failure = await log.make(this.#abort.signal);
      if (failure !== undefined)
        this.#note('warn', 'former log cannot be searched', { log: name, sentence: failure });
      if (log.isIdle(0)) await log.close();
    }
  }

  /** Undefined for one that cannot be read: it may be one of them. */
  async #former(): Promise<readonly { readonly name: string; readonly log: FormerIndex | undefined }[]> {
    const listed = await this.#otherLogs.list();
    const births = new Map(listed.map(({ identity }) => [identity.name, identity.createdAt]));
    const former = this.#otherLogs
      .status()
      .filter(({ state }) => state !== 'staged')
      .sort((a, b) => (births.get(b.name) ?? 0) - (births.get(a.name) ?? 0));
    return Promise.all(
      former.map(async ({ name, failure }) => ({
        name,
        log: await this.#indexOf(name, failure !== undefined),
      })),
    );
  }

  /** A log of which nothing is known to be wrong is opened by what reads it, and not by each search. */
  async #indexOf(name: string, isFailing: boolean): Promise<FormerIndex | undefined> {
    const known = this.#logs.get(name);
    if (known !== undefined && !isFailing) return known;
    const opened = await this.#otherLogs.open(name).catch(() => undefined);
    if (opened === undefined) return undefined;
    const log = known ?? new FormerIndex(this.#sourceOf(name, opened), () => this.#closeSome());
    this.#logs.set(name, log);
    return log;
  }

  #sourceOf(name: string, { identity, size }: ReadOnlyCtLog): FormerSource {
    const tree = async (): Promise<SearchedLog<CertificateEntry>> => {
      // Opened anew where nobody read it for some minutes.
      const opened = await this.#otherLogs.open(name);
      if (opened === undefined) throw notReadable(name);
      return searchedCertificates(opened.tree);
    };
    const { directory } = certificateLogPaths(this.#paths, name);
    return {
      name,
      path: join(directory, SEARCH_FILE),
      origin: identity.origin,
      logId: identity.logId,
      log: {
        size: () => size,
        entriesFrom: async (first) => (await tree()).entriesFrom(first),
        entryAt: async (index) => (await tree()).entryAt(index),
      },
    };
  }

  /** Those that were searched last stay open. */
  async #closeSome(): Promise<void> {
    const open = [...this.#logs.values()].filter((log) => log.isOpen);
    const least = open.sort((a, b) => b.usedAt - a.usedAt).slice(MOST_OPEN);
    await Promise.all(least.filter((log) => log.isIdle(0)).map((log) => log.close()));
  }
}

/** What a former log is read by. */
interface FormerSource {
  readonly name: string;
  /** Of the index. */
  readonly path: string;
  readonly origin: string;
  readonly logId: Uint8Array;
  readonly log: SearchedLog<CertificateEntry>;
}

/** One of them with its index. */
class FormerIndex {
  readonly searchable: SearchableLog;
  /** `failed`: it cannot be made or read, until that was tried again. */
  state: 'making' | 'made' | 'failed' = 'making';
  readonly #source: FormerSource;
  readonly #opens: () => Promise<void>;
  #index: SearchIndex<CertificateEntry> | undefined;
  /** Why it could not be made, the last time. */
  #failure: string | undefined;
  #running = 0;
  #usedAt = 0;

  /** `opens` is called when the index is opened. */
  constructor(source: FormerSource, opens: () => Promise<void>) {
    this.#source = source;
    this.#opens = opens;
    const { name, origin, logId, log } = source;
    this.searchable = searchableLog(
      { name: `certificates-${name}`, origin, logId, kind: 'certificates' },
      {
        size: () => log.size(),
        entriesFrom: (first) => this.#guarded(() => log.entriesFrom(first)),
        entryAt: (index) => this.#guarded(() => log.entryAt(index)),
      },
      {
        ready: () => this.#use((index) => index.ready()),
        search: (query) => this.#use((index) => index.search(query)),
      },
      certificateView,
    );
  }

  get isOpen(): boolean {
    return this.#index !== undefined;
  }

  /** When it was searched last, on the monotonic clock, in milliseconds. */
  get usedAt(): number {
    return this.#usedAt;
  }

  /** Whether it is open, whole, and nobody searched it for so long. */
  isIdle(ms: number): boolean {
    const isWhole = this.#index !== undefined && this.#index.covered >= this.#source.log.size();
    const isDone = isWhole || this.#index?.failure !== undefined;
    return isDone && this.#running === 0 && performance.now() - this.#usedAt >= ms;
  }

  /** Resolves when it is made, or cannot be made now: with why, where that was not said before. */
  async make(signal: AbortSignal): Promise<string | undefined> {
    const index = this.#open();
    const isMade = (): boolean => index.covered >= this.#source.log.size();
    while (!signal.aborted && index.failure === undefined && !isMade())
      await delay(50, undefined, { ref: false, signal }).catch(() => undefined);
    const { failure } = index;
    if (failure !== undefined) this.state = 'failed';
    else if (isMade()) this.state = 'made';
    const isNew = failure !== this.#failure;
    this.#failure = failure;
    return isNew ? failure : undefined;
  }

  /** Ends its thread; the next search opens it again. */
  async close(): Promise<void> {
    const index = this.#index;
    this.#index = undefined;
    await index?.close();
  }

  #open(): SearchIndex<CertificateEntry> {
    const { path, logId, log } = this.#source;
    this.#index ??= new SearchIndex<CertificateEntry>({ path, logId, kind: 'certificates' }, log);
    this.#usedAt = performance.now();
    return this.#index;
  }

  async #use<T>(ask: (index: SearchIndex<CertificateEntry>) => Promise<T>): Promise<T> {
    this.#running++;
    const index = this.#open();
    try {
      await this.#opens();
      return await this.#guarded(() => ask(index));
    } finally {
      if (index.failure !== undefined) this.state = 'failed';
      this.#running--;
      this.#usedAt = performance.now();
    }
  }

  /** What cannot be read is named as not searched from the next search on. */
  async #guarded<T>(read: () => Promise<T>): Promise<T> {
    try {
      return await read();
    } catch (error) {
      if (error instanceof LogReadError) throw error;
      this.state = 'failed';
      throw notReadable(this.#source.name, error);
    }
  }
}

/** What is wrong has paths of this machine in it: it is the cause, for the operator. */
const notReadable = (name: string, cause?: unknown): LogReadError =>
  new LogReadError('NOT_READY', `the former certificate log ${name} cannot be read at the moment`, {
    hint: 'Try again in a few seconds: then it is left out, and named as not searched.',
    cause,
  });
