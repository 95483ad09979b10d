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
  /** Names of logs that the query is about as well, and that no index has: what is in them is neither found nor joined. */
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
  readonly #unsearched: () => Promise<readonly string[]>;

  /** In the order in which they are searched. `pageMs`: milliseconds after which a page ends with what it has. `unsearched` names the certificate logs that are not searched. */
  constructor(
    logs: readonly SearchableLog[],
    pageMs = PAGE_MS,
    unsearched: () => Promise<readonly string[]> = () => Promise.resolve([]),
  ) {
    this.#logs = logs;
    this.#pageMs = pageMs;
    this.#unsearched = unsearched;
  }

  get names(): readonly string[] {
    return this.#logs.map(({ name }) => name);
  }

  /** Resolves when all that is logged now is indexed. Rejects with LogReadError `NOT_READY`. */
  async ready({ conditions, logs, join }: LogQuery): Promise<void> {
    const needed = join ? this.#logs : conditions.length === 0 ? [] : this.#asked(logs);
    for (const log of needed) await log.ready();
  }

  /** One page. Rejects with {@link SearchError} for a log that there is not, and as the index and the log do. */
  async page(query: LogQuery): Promise<LogPage> {
    const asked = this.#asked(query.logs);
    const searched = asked.map(({ name, origin, logId, size, redacted }) => ({
      log: name,
      origin,
      logId: toHex(logId),
      size: size(),
      redacted,
    }));
    const isOfCertificates = query.join || asked.some(({ kind }) => kind === 'certificates');
    const unsearched = isOfCertificates ? await this.#unsearched() : [];
    const begin = query.cursor === undefined ? 0 : asked.findIndex(({ name }) => name === query.cursor?.log);
    if (begin < 0) throw new SearchError('SEARCH_MALFORMED', 'the cursor is of a log that is not searched');
    const end = performance.now() + this.#pageMs;
    const entries: Facts[] = [];
    const found: FoundByKey = new Map();
    for (const [i, one] of asked.slice(begin).entries()) {
      const below = i === 0 ? query.cursor?.before : undefined;
      const before = await this.#search(one, query, below, { entries, found, end });
      if (before !== undefined) return { entries, next: { log: one.name, before }, searched, unsearched };
    }
    return { entries, next: undefined, searched, unsearched };
  }

  #asked(names: readonly string[]): readonly SearchableLog[] {
    for (const name of names)
      if (!this.names.includes(name))
        throw new SearchError(
          'SEARCH_MALFORMED',
          `no log is searched by that name: ${this.names.join(', ')} are`,
        );
    return this.#logs.filter(({ name }) => names.length === 0 || names.includes(name));
  }

  /** Adds entries to the page. Returns where the search has to go on; undefined when there is nothing more in that log. */
  async #search(
    one: SearchableLog,
    query: LogQuery,
    below: number | undefined,
    { entries, found, end }: PageInWork,
  ): Promise<number | undefined> {
    const { since = 0, until = Number.MAX_SAFE_INTEGER } = query;
    const span = await spanOf(one, query);
    const from = Math.max(span.from, query.from ?? 0);
    let before = Math.min(span.before, query.before ?? Infinity, below ?? Infinity);
    while (before > from) {
      const left = query.limit - entries.length;
      if (left === 0 || (performance.now() > end && entries.length > 0)) return before;
      const page = await pageOf(one, query, { from, before, limit: left });
      for (const entry of page.entries) {
        if (performance.now() > end && entries.length > 0) return entry.entry.index + 1;
        if (mayBeOf(entry, since, until)) entries.push(await this.#described(one, entry, query.join, found));
      }
      before = page.before ?? 0;
      if (performance.now() > end && before > from) return before;
    }
    return undefined;
  }

  async #described(
    one: SearchableLog,
    entry: SearchableEntry,
    join: boolean,
    found: FoundByKey,
  ): Promise<Facts> {
    const { name, origin, logId, kind } = one;
    const facts = { log: name, origin, logId: toHex(logId), ...entry.facts() };
    if (!join) return facts;
    return kind === 'certificates'
      ? { ...facts, ...(await this.usesOf(entry, found)) }
      : { ...facts, certificates: await this.certificatesOf(entry, found) };
  }

  /** What was signed with the key of a certificate. What was signed twice, or is logged twice because it is spelled otherwise, is one use: of one digest. */
  async usesOf(certificate: SearchableEntry, found: FoundByKey = new Map()): Promise<Uses> {
    const digests = new Set<string>();
    const signed: UseOfKey[] = [];
    let usesAreAll = true;
    for (const owner of certificate.owners())
      for (const one of this.#of('artifacts')) {
        const conditions = [{ by: 'key', value: owner.key }] as const;
        const { entries, before } = await onceFor(found, one, conditions);
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
  async certificatesOf(entry: SearchableEntry, found: FoundByKey = new Map()): Promise<readonly Facts[]> {
    const certificates: Facts[] = [];
    for (const { key, serial } of entry.owners())
      for (const one of serial === undefined ? [] : this.#of('certificates')) {
        const conditions = [
          { by: 'serial', value: serial ?? '' },
          { by: 'key', value: key },
        ] as const;
        const { entries } = await onceFor(found, one, conditions);
        certificates.push(...entries.map(({ entry: { index } }) => ({ log: one.name, index, serial })));
      }
    return certificates;
  }

  #of(kind: SearchedKind): readonly SearchableLog[] {
    return this.#logs.filter((log) => log.kind === kind);
  }
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

/** What was found for the entries of one page, so that it is looked up and read once for all entries of a key. */
type FoundByKey = Map<string, SearchablePage>;

/** A page that is being filled. */
interface PageInWork {
  readonly entries: Facts[];
  readonly found: FoundByKey;
  /** When it ends with what it has, by `performance.now()`. */
  readonly end: number;
}

async function onceFor(
  found: FoundByKey,
  log: SearchableLog,
  conditions: readonly SearchCondition[],
): Promise<SearchablePage> {
  const key = JSON.stringify([log.name, conditions]);
  const known = found.get(key);
  if (known !== undefined) return known;
  const page = await log.search({ conditions, match: 'all', limit: MOST_USES });
  found.set(key, page);
  return page;
}

/** By the index, or from the log alone where every entry is wanted. */
async function pageOf(
  log: SearchableLog,
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
  log: SearchableLog,
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
async function firstAt(log: SearchableLog, size: number, time: number): Promise<number> {
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
