/** The thread that owns `search.db`: it reads bodies, writes rows and looks them up. */
import { workerData } from 'node:worker_threads';
import { isCorruption, sqliteMessage } from '../storage/sqlite.ts';
import { answerRequests } from '../storage/worker-channel.ts';
import { LogError } from '../tlog/core/log-error.ts';
import {
  entryKeys,
  exactKey,
  meets,
  type SearchCondition,
  type SearchedEntry,
  type SearchedKind,
} from './search-keys.ts';
import { Damage, GROUP, SearchTables, type Coverage } from './search-tables.ts';

/** What the worker is started with. */
export interface SearchWorkerData {
  readonly path: string;
  readonly logId: Uint8Array;
  /** Of the log's entries. */
  readonly kind: SearchedKind;
}

/** What is looked up: entries from `from` on and below `before`, the last one first. */
export interface IndexLookup {
  readonly conditions: readonly SearchCondition[];
  readonly match: 'all' | 'any';
  readonly from: number;
  readonly before: number;
  readonly limit: number;
}

/** Asks the worker. `entries` follow what is indexed. */
export type SearchRequest =
  | { readonly kind: 'coverage' | 'reset' }
  | { readonly kind: 'add'; readonly entries: readonly SearchedEntry[] }
  | ({ readonly kind: 'find' } & IndexLookup)
  | ({ readonly kind: 'compare'; readonly entries: readonly SearchedEntry[] } & Pick<
      IndexLookup,
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
  /** Milliseconds that adding took. */
  readonly spentMs?: number;
}

/** Milliseconds after which a look-up ends with what it has, so that the next request gets its turn. */
const SHARE_MS = 100;

const { path, logId, kind } = workerData as SearchWorkerData;
const tables = new SearchTables(path, logId);

/** From the last group down. Always at least one. */
function find({ conditions, match, from, before, limit }: IndexLookup): Found {
  const indexes: number[] = [];
  const end = performance.now() + SHARE_MS;
  let below = before;
  while (below > from && indexes.length < limit && (below === before || performance.now() < end)) {
    const group = Math.floor((below - 1) / GROUP);
    const first = group * GROUP;
    const left = limit - indexes.length;
    const places = placesIn(group, { conditions, match, before: below - first, limit: left });
    for (const place of places) if (first + place >= from) indexes.push(first + place);
    below = places.length < left ? first : first + (places.at(-1) ?? 0);
  }
  return { indexes, before: below > from ? below : 0 };
}

function placesIn(group: number, { conditions, match, before, limit }: Omit<IndexLookup, 'from'>): number[] {
  const [alone] = conditions;
  if (alone !== undefined && conditions.length === 1) return placesOf(group, alone, before, limit);
  const [first = [], ...others] = conditions.map((condition) => placesOf(group, condition, before, GROUP));
  const places = match === 'all' ? inAll(first, others) : [...new Set([first, ...others].flat())];
  return places.sort((a, b) => b - a).slice(0, limit);
}

const placesOf = (group: number, condition: SearchCondition, before: number, limit: number): number[] =>
  condition.by === 'name-prefix'
    ? tables.placesOfPrefix(group, condition.value.toLowerCase(), before, limit)
    : tables.placesOfKey(group, exactKey(condition), before, limit);

function inAll(first: readonly number[], others: readonly (readonly number[])[]): number[] {
  const sets = others.map((list) => new Set(list));
  return first.filter((place) => sets.every((set) => set.has(place)));
}

/** Returns the milliseconds that it took. */
function add(entries: readonly SearchedEntry[]): number {
  const begin = performance.now();
  tables.add(entries.map((entry) => ({ ...entry, keys: entryKeys(kind, entry) })));
  return performance.now() - begin;
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
        return { hits: entries.map((entry) => meets(entryKeys(kind, entry), conditions, match)) };
      }
      case 'reset':
        tables.reset();
        return {};
      case 'add':
        return { spentMs: add(request.entries) };
    }
  } catch (error) {
    tables.rollback();
    const isDamaged = error instanceof Damage || isCorruption(error);
    throw new LogError(isDamaged ? 'LOG_CORRUPT' : 'LOG_STORAGE', `${path}: ${sqliteMessage(error)}`);
  }
}

answerRequests(answer);
