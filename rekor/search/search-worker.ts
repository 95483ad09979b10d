/** The thread that owns `search.db`: it reads bodies, writes rows and looks them up. */
import { workerData } from 'node:worker_threads';
import { isCorruption, sqliteMessage } from '../../storage/sqlite.ts';
import { answerRequests } from '../../storage/worker-channel.ts';
import { LogError } from '../../tlog/core/log-error.ts';
import { entryKeys, exactKey, meets, type SearchCondition, type SearchedEntry } from './search-keys.ts';
import { Damage, GROUP, SearchTables, type Coverage } from './search-tables.ts';

/** What the worker is started with. */
export interface SearchWorkerData {
  readonly path: string;
  readonly logId: Uint8Array;
}

/** What is looked up: entries below `before`, the last one first. */
export interface Lookup {
  readonly conditions: readonly SearchCondition[];
  readonly match: 'all' | 'any';
  readonly before: number;
  readonly limit: number;
}

/** Asks the worker. `entries` follow what is indexed. */
export type SearchRequest =
  | { readonly kind: 'coverage' | 'reset' }
  | { readonly kind: 'check'; readonly group: number }
  | { readonly kind: 'add'; readonly entries: readonly SearchedEntry[] }
  | ({ readonly kind: 'find' } & Lookup)
  | ({ readonly kind: 'compare'; readonly entries: readonly SearchedEntry[] } & Pick<
      Lookup,
      'conditions' | 'match'
    >);

/** Entries that may be hits. */
export interface Found {
  readonly indexes: readonly number[];
  /** Below it there may be more; 0 where there is nothing. */
  readonly before: number;
}

/** The worker's answer to `coverage`, `find` and `compare`. Instead of one it may throw {@link LogError}: `LOG_CORRUPT` when the file is damaged, else
 * `LOG_STORAGE`. */
export interface SearchReply {
  readonly coverage?: Coverage;
  readonly found?: Found;
  /** Of each entry, whether it is a hit. */
  readonly hits?: readonly boolean[];
}

/** Milliseconds after which a look-up ends with what it has, so that the next request gets its turn. */
const SHARE_MS = 100;

const { path, logId } = workerData as SearchWorkerData;
const tables = new SearchTables(path, logId);

/** From the last group down. Always at least one. */
function find({ conditions, match, before, limit }: Lookup): Found {
  const indexes: number[] = [];
  const end = performance.now() + SHARE_MS;
  let below = before;
  while (below > 0 && indexes.length < limit && (below === before || performance.now() < end)) {
    const group = Math.floor((below - 1) / GROUP);
    const left = limit - indexes.length;
    const places = placesIn(group, { conditions, match, before: below - group * GROUP, limit: left });
    for (const place of places) indexes.push(group * GROUP + place);
    below = places.length < left ? group * GROUP : (indexes.at(-1) ?? 0);
  }
  return { indexes, before: below };
}

function placesIn(group: number, { conditions, match, before, limit }: Lookup): number[] {
  const isAlone = conditions.length === 1;
  const lists = conditions.map((condition) =>
    condition.by === 'name-prefix'
      ? tables.placesOfPrefix(group, condition.value.toLowerCase(), before, isAlone ? limit : GROUP)
      : tables.placesOfKey(group, exactKey(condition), before, isAlone ? limit : GROUP),
  );
  const [first = [], ...others] = lists;
  if (isAlone) return first;
  const places = match === 'all' ? inAll(first, others) : [...new Set(lists.flat())];
  return places.sort((a, b) => b - a).slice(0, limit);
}

function inAll(first: readonly number[], others: readonly (readonly number[])[]): number[] {
  const sets = others.map((list) => new Set(list));
  return first.filter((place) => sets.every((set) => set.has(place)));
}

function answer(request: SearchRequest): SearchReply {
  try {
    switch (request.kind) {
      case 'coverage':
        return { coverage: tables.coverage() };
      case 'find':
        return { found: find(request) };
      case 'compare': {
        const { entries, conditions, match } = request;
        return { hits: entries.map((entry) => meets(entryKeys(entry), conditions, match)) };
      }
      case 'reset':
        tables.reset();
        return {};
      case 'check':
        tables.check(request.group);
        return {};
      case 'add':
        tables.add(request.entries.map((entry) => ({ ...entry, keys: entryKeys(entry) })));
        return {};
    }
  } catch (error) {
    tables.rollback();
    const isDamaged = error instanceof Damage || isCorruption(error);
    throw new LogError(isDamaged ? 'LOG_CORRUPT' : 'LOG_STORAGE', `${path}: ${sqliteMessage(error)}`);
  }
}

answerRequests(answer);
