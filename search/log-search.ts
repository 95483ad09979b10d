/**
 * Searches over several logs, page by page, and what joins them: an entry about a signature and the certificate that it was made with. The logs are gone through in
 * their order, each from its newest entry down; where a page ends is a place in a log, which stays what it is while logs grow.
 */
import { toHex } from '../core/bytes.ts';
import type { Facts } from './entry-facts.ts';
import { SearchError } from './search-error.ts';
import type { SearchCondition, SearchedKind } from './search-keys.ts';
import { mayBeOf, type SearchableEntry, type SearchableLog, type SearchablePage } from './searchable-log.ts';

/** What is searched for. */
export interface LogQuery {
  /** Without any, every entry is found. */
  readonly conditions: readonly SearchCondition[];
  readonly match: 'all' | 'any';
  /** Names of logs; all of them where there are none. */
  readonly logs: readonly string[];
  /** Milliseconds since the epoch, both ends included. */
  readonly since?: number | undefined;
  readonly until?: number | undefined;
  /** Indexes in the trees, from that one on and before the other. */
  readonly from?: number | undefined;
  readonly before?: number | undefined;
  readonly limit: number;
  /** Where the last page ended. */
  readonly cursor?: PageEnd | undefined;
  /** Whether each entry says what it is joined with. */
  readonly join: boolean;
}

/** Where a page ends: what is below in that log, and in the logs behind it, is not searched yet. */
export interface PageEnd {
  readonly log: string;
  readonly before: number;
}

/** A page of entries. */
export interface LogPage {
  readonly entries: readonly Facts[];
  readonly next: PageEnd | undefined;
  /** The logs that the query is about, and how many entries each has. */
  readonly searched: readonly {
    readonly log: string;
    readonly origin: string;
    readonly logId: string;
    readonly size: number;
    /** Entries of it whose bodies are withheld: nothing finds them. */
    readonly redacted: number;
  }[];
  /** Names of former certificate logs that the query is about as well, and that cannot be read: what is in them is neither found nor joined. */
  readonly unsearched: readonly string[];
  /** What it took to make it: one for each entry that was read, and one for each lookup by an index. */
  readonly cost: number;
}

/** Logs that others have followed. */
export interface FormerLogs {
  readonly logs: readonly SearchableLog[];
  /** Names of those that cannot be read. */
  readonly unsearched: readonly string[];
}

/** Milliseconds after which a page ends with what it has. */
const PAGE_MS = 2_000;

/** Entries by a key that are looked at, in each log, to count what was signed with it. */
export const MOST_USES = 100;

const BUNDLE = 256;

/** Searches the logs of a service. */
export class LogSearch {
  readonly #logs: readonly SearchableLog[];
  readonly #pageMs: number;
  readonly #former: () => Promise<FormerLogs> | undefined;

  /** In the order in which they are searched. `pageMs`: milliseconds after which a page ends with what it has. `former` finds the former certificate logs, which are searched last. */
  constructor(
    logs: readonly SearchableLog[],
    pageMs = PAGE_MS,
    former: () => Promise<FormerLogs> | undefined = () => undefined,
  ) {
    this.#logs = logs;
    this.#pageMs = pageMs;
    this.#former = former;
  }

  /** Resolves when all that is logged now is indexed. Rejects with LogReadError `NOT_READY`. */
  async ready({ conditions, logs, join }: LogQuery): Promise<void> {
    const all = await this.#all();
    const needed = join ? all.logs : conditions.length === 0 ? [] : askedOf(all.logs, logs);
    for (const log of needed) await log.ready();
  }

  async #all(): Promise<FormerLogs> {
    const { logs, unsearched } = (await this.#former()) ?? { logs: [], unsearched: [] };
    return { logs: [...this.#logs, ...logs], unsearched };
  }

  /** One page. Rejects with {@link SearchError} for a log that there is not, and as the index and the log do. */
  async page(query: LogQuery): Promise<LogPage> {
    const all = await this.#all();
    const asked = askedOf(all.logs, query.logs);
    const searched = asked.map(({ name, origin, logId, size, redacted }) => ({
      log: name,
      origin,
      logId: toHex(logId),
      size: size(),
      redacted,
    }));
    const isOfCertificates = query.join || asked.some(({ kind }) => kind === 'certificates');
    const unsearched = isOfCertificates ? all.unsearched : [];
    const begin = query.cursor === undefined ? 0 : asked.findIndex(({ name }) => name === query.cursor?.log);
    if (begin < 0) throw new SearchError('SEARCH_MALFORMED', 'the cursor is of a log that is not searched');
    const page = new PageInWork(this.#pageMs, all.logs);
    const next = await this.#fill(page, asked.slice(begin), query);
    const { entries, cost } = page;
    return { entries, next, searched, unsearched, cost };
  }

  /** Returns where the page ended; undefined when all is searched. */
  async #fill(
    page: PageInWork,
    logs: readonly SearchableLog[],
    query: LogQuery,
  ): Promise<PageEnd | undefined> {
    for (const [i, one] of logs.entries()) {
      const before = await this.#search(page, one, query, i === 0 ? query.cursor?.before : undefined);
      if (before !== undefined) return { log: one.name, before };
    }
    return undefined;
  }

  /** Adds entries to the page. Returns where the search has to go on; undefined when there is nothing more in that log. */
  async #search(
    page: PageInWork,
    one: SearchableLog,
    query: LogQuery,
    below: number | undefined,
  ): Promise<number | undefined> {
    const { since = 0, until = Number.MAX_SAFE_INTEGER } = query;
    const { entries } = page;
    const span = await spanOf(page.reading(one), query);
    const from = Math.max(span.from, query.from ?? 0);
    let before = Math.min(span.before, query.before ?? Infinity, below ?? Infinity);
    while (before > from) {
      const left = query.limit - entries.length;
      if (left === 0 || (page.isOver && entries.length > 0)) return before;
      const found = await pageOf(page.reading(one), query, { from, before, limit: left });
      for (const entry of found.entries) {
        if (page.isOver && entries.length > 0) return entry.entry.index + 1;
        if (mayBeOf(entry, since, until)) entries.push(await this.#described(page, one, entry, query.join));
      }
      before = found.before ?? 0;
      if (page.isOver && before > from) return before;
    }
    return undefined;
  }

  async #described(
    page: PageInWork,
    one: SearchableLog,
    entry: SearchableEntry,
    join: boolean,
  ): Promise<Facts> {
    const { name, origin, logId, kind } = one;
    const facts = { log: name, origin, logId: toHex(logId), ...entry.facts() };
    if (!join) return facts;
    return kind === 'certificates'
      ? { ...facts, ...(await this.#usesOf(page, entry)) }
      : { ...facts, certificates: await this.#certificatesOf(page, entry) };
  }

  /** What was signed with the key of a certificate. What was signed twice, or is logged twice because it is spelled otherwise, is one use: of one digest. */
  async #usesOf(page: PageInWork, certificate: SearchableEntry): Promise<Uses> {
    const digests = new Set<string>();
    const signed: UseOfKey[] = [];
    let usesAreAll = true;
    for (const owner of certificate.owners())
      for (const one of page.of('artifacts')) {
        const conditions = [{ by: 'key', value: owner.key }] as const;
        const { entries, before } = await page.foundBy(one, conditions);
        usesAreAll &&= before === undefined && !(await one.withheld()).mayBeOf(owner);
        for (const use of entries) {
          const digest = use.digest() ?? `${one.name} ${use.entry.index}`;
          digests.add(digest);
          signed.push({ log: one.name, index: use.entry.index, digest });
        }
      }
    return { uses: digests.size, usesAreAll, signed };
  }

  /** Where the certificates of an entry about signatures stand: found by number and key, for others could have the same number. */
  async #certificatesOf(page: PageInWork, entry: SearchableEntry): Promise<readonly Facts[]> {
    const certificates: Facts[] = [];
    for (const { key, serial } of entry.owners())
      for (const one of serial === undefined ? [] : page.of('certificates')) {
        const conditions = [
          { by: 'serial', value: serial ?? '' },
          { by: 'key', value: key },
        ] as const;
        const { entries } = await page.foundBy(one, conditions);
        certificates.push(...entries.map(({ entry: { index } }) => ({ log: one.name, index, serial })));
      }
    return certificates;
  }
}

/** Those of `logs` with these names, all of them without any. Throws {@link SearchError} for a name that there is not. */
function askedOf(logs: readonly SearchableLog[], names: readonly string[]): readonly SearchableLog[] {
  const known = logs.map(({ name }) => name);
  if (names.every((name) => known.includes(name)))
    return logs.filter(({ name }) => names.length === 0 || names.includes(name));
  throw new SearchError('SEARCH_MALFORMED', `no log is searched by that name: ${known.join(', ')} are`);
}

/** How often a key signed. */
export interface Uses {
  /** Digests of artifacts and payloads. */
  readonly uses: number;
  /** Whether these are all: not only the newest, and no redacted entry may be one. */
  readonly usesAreAll: boolean;
  readonly signed: readonly UseOfKey[];
}

/** An entry about a signature by a key. */
export interface UseOfKey {
  readonly log: string;
  readonly index: number;
  readonly digest: string;
}

/** How a page reads a log. */
type LogReading = Pick<SearchableLog, 'size' | 'entriesFrom' | 'entryAt' | 'search'>;

/** A page that is being filled. */
class PageInWork {
  readonly entries: Facts[] = [];
  /** When it ends with what it has. */
  readonly #end: number;
  readonly #logs: readonly SearchableLog[];
  /** So that what an entry is joined with is looked up and read once for all entries of a key. */
  readonly #found = new Map<string, SearchablePage>();
  #cost = 0;

  /** Ends after so many milliseconds; `logs` are those that there are. */
  constructor(ms: number, logs: readonly SearchableLog[]) {
    this.#end = performance.now() + ms;
    this.#logs = logs;
  }

  of(kind: SearchedKind): readonly SearchableLog[] {
    return this.#logs.filter((log) => log.kind === kind);
  }

  get isOver(): boolean {
    return performance.now() > this.#end;
  }

  /** As of {@link LogPage}. */
  get cost(): number {
    return this.#cost;
  }

  /** Reads that count. */
  reading(log: SearchableLog): LogReading {
    return {
      size: () => log.size(),
      entryAt: (index) => {
        this.#cost++;
        return log.entryAt(index);
      },
      entriesFrom: async (first) => {
        const entries = await log.entriesFrom(first);
        this.#cost += entries.length;
        return entries;
      },
      search: async (query) => {
        const page = await log.search(query);
        this.#cost += 1 + page.entries.length;
        return page;
      },
    };
  }

  /** What is found by these conditions, the newest first. */
  async foundBy(log: SearchableLog, conditions: readonly SearchCondition[]): Promise<SearchablePage> {
    const key = JSON.stringify([log.name, conditions]);
    const known = this.#found.get(key);
    if (known !== undefined) return known;
    const page = await this.reading(log).search({ conditions, match: 'all', limit: MOST_USES });
    this.#found.set(key, page);
    return page;
  }
}

/** By the index, or from the log alone where every entry is wanted. */
async function pageOf(
  log: LogReading,
  { conditions, match }: LogQuery,
  range: { readonly from: number; readonly before: number; readonly limit: number },
): Promise<SearchablePage> {
  if (conditions.length > 0) return log.search({ conditions, match, ...range });
  const { from, before, limit } = range;
  const first = Math.max(from, Math.floor((before - 1) / BUNDLE) * BUNDLE, before - limit);
  const entries = (await log.entriesFrom(first)).filter(({ entry }) => entry.index < before).toReversed();
  return { entries, before: first > from ? first : undefined };
}

/** The entries of a span of time, found without reading the rest of the log, because times never fall in it; all of them where entries have no time. */
async function spanOf(
  log: LogReading,
  { since, until }: LogQuery,
): Promise<{ readonly from: number; readonly before: number }> {
  const size = log.size();
  const isTimed = (since !== undefined || until !== undefined) && (await log.entryAt(0))?.time !== undefined;
  if (!isTimed) return { from: 0, before: size };
  return {
    from: since === undefined ? 0 : await firstAt(log, size, since),
    before: until === undefined ? size : await firstAt(log, size, until + 1),
  };
}

/** The first place with that time or a later one; `size` when there is none. The first entry of a bundle is the cheapest to read, so those are looked at first. */
async function firstAt(log: LogReading, size: number, time: number): Promise<number> {
  let [low, high] = [0, Math.ceil(size / BUNDLE)];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (((await log.entryAt(middle * BUNDLE))?.time ?? 0) < time) low = middle + 1;
    else high = middle;
  }
  if (low === 0) return 0;
  const entries = await log.entriesFrom((low - 1) * BUNDLE);
  const first = entries.find((entry) => (entry.time ?? 0) >= time)?.entry.index;
  return Math.min(first ?? low * BUNDLE, size);
}
