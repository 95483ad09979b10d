/** A search through the entries of a log. Memory does not grow with the log or with what is found. */
import { FormatError } from '../core/errors.ts';
import type { TileLeaf } from './format/leaf.ts';
import { TILE_WIDTH } from '../tlog/format/tile.ts';
import { readLoggedCertificate, type LoggedCertificate } from './logged-certificate.ts';
import { ProvenEntries, type KnownHead } from './proven-entries.ts';
import type { LogSource } from './source.ts';

/** Which certificates: those for which all that is given holds. Names and values are compared without regard to case: one
 * who looks for a misuse wants to see every spelling. */
export interface EntryQuery {
  readonly identity?: string | undefined;
  readonly identityPrefix?: string | undefined;
  /** Whether a name matches an expression; the name as it is written. */
  readonly identityMatches?: ((name: string) => boolean) | undefined;
  /** The OpenID issuer. */
  readonly issuer?: string | undefined;
  /** Lower-case hexadecimal without leading zeros. */
  readonly serial?: string | undefined;
  /** Values of Fulcio's extensions by number. */
  readonly extensions?: ReadonlyMap<number, string> | undefined;
  /** Milliseconds since the epoch, both included: the time of the SCT. */
  readonly since?: number | undefined;
  readonly until?: number | undefined;
}

/** Which part of the log, and in which order. */
export interface EntryRange {
  /** Places in the log: the first one, and the one before which it ends. */
  readonly from?: number | undefined;
  readonly before?: number | undefined;
  /** Default is newest first. */
  readonly oldestFirst?: boolean | undefined;
  /** Called after each tile with the number of entries that were looked at. */
  readonly progress?: ((entries: number) => void) | undefined;
}

/** An entry that the head covers and that is no certificate which can be read: nobody knows whether it is meant. */
export interface UnreadableEntry {
  readonly index: number;
  /** Milliseconds since the epoch. */
  readonly timestamp: number;
  /** Why it cannot be read. */
  readonly unreadable: string;
}

/** What {@link searchEntries} finds. */
export type FoundEntry = LoggedCertificate | UnreadableEntry;

/** Looks through the tree of `head` and yields what matches, and what cannot be read. Holds one data tile at a time. Times
 * never decrease in a log, so a span of time is found without reading what lies outside of it. Throws LogError
 * `LOG_CORRUPT` when an entry is not what the head covers. */
export async function* searchEntries(
  source: LogSource,
  head: KnownHead,
  query: EntryQuery,
  range: EntryRange,
): AsyncGenerator<FoundEntry> {
  const entries = new ProvenEntries(source, head);
  const [first, end] = await placesOf(entries, head, query, range);
  const { oldestFirst = false, progress } = range;
  const matches = entryMatcher(query);
  let looked = 0;
  for (const n of tilesOf(first, end, oldestFirst)) {
    const places = placesIn(n, first, end);
    const found = foundIn(await entries.tile(n), places, matches);
    yield* oldestFirst ? found : found.reverse();
    looked += places.length;
    progress?.(looked);
  }
}

function foundIn(
  leaves: readonly TileLeaf[],
  places: readonly number[],
  matches: (certificate: LoggedCertificate) => boolean,
): FoundEntry[] {
  return places.flatMap((place) => {
    const leaf = leaves[place % TILE_WIDTH];
    const entry = leaf && readEntry(leaf, place);
    return entry !== undefined && ('unreadable' in entry || matches(entry)) ? [entry] : [];
  });
}

/** The certificate of an entry, or why there is none. */
export function readEntry(leaf: TileLeaf, place: number): FoundEntry {
  try {
    return readLoggedCertificate(leaf, place);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return { index: place, timestamp: leaf.timestamp, unreadable: error.message };
  }
}

/** The places that may be meant: first, and behind the last. */
async function placesOf(
  entries: ProvenEntries,
  { size }: KnownHead,
  { since, until }: EntryQuery,
  { from = 0, before = size }: EntryRange,
): Promise<readonly [first: number, end: number]> {
  const first = since === undefined ? 0 : await firstAt(entries, size, since);
  const end = until === undefined ? size : await firstAt(entries, size, until + 1);
  return [Math.max(first, from), Math.min(end, before, size)];
}

/** The first place with that time or a later one; the size of the tree when there is none. */
async function firstAt(entries: ProvenEntries, size: number, time: number): Promise<number> {
  let low = 0;
  let high = entries.tiles;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if ((await lastTime(entries, middle)) < time) low = middle + 1;
    else high = middle;
  }
  if (low === entries.tiles) return size;
  const leaves = await entries.tile(low);
  return low * TILE_WIDTH + leaves.findIndex(({ timestamp }) => timestamp >= time);
}

const lastTime = async (entries: ProvenEntries, n: number): Promise<number> =>
  (await entries.tile(n)).at(-1)?.timestamp ?? 0;

/** The data tiles with the places from `first` to `end`. */
function* tilesOf(first: number, end: number, oldestFirst: boolean): Generator<number> {
  if (first >= end) return;
  const lowest = Math.floor(first / TILE_WIDTH);
  const count = Math.floor((end - 1) / TILE_WIDTH) - lowest + 1;
  for (let i = 0; i < count; i++) yield lowest + (oldestFirst ? i : count - 1 - i);
}

const placesIn = (n: number, first: number, end: number): number[] => {
  const from = Math.max(first, n * TILE_WIDTH);
  return Array.from({ length: Math.min(end, (n + 1) * TILE_WIDTH) - from }, (_, i) => from + i);
};

/** Whether a certificate is one that is looked for: of several names and issuers any will do. */
export function entryMatcher(query: EntryQuery): (certificate: LoggedCertificate) => boolean {
  const { serial, identityMatches, extensions = new Map<number, string>() } = query;
  const [identity, prefix, issuer] = [query.identity, query.identityPrefix, query.issuer].map((text) =>
    text?.toLowerCase(),
  );
  const values = [...extensions].map(([number, value]) => [number, value.toLowerCase()] as const);
  return (certificate) => {
    const names = certificate.names.map((name) => name.toLowerCase());
    return (
      (serial === undefined || certificate.serial.replace(/^0+(?=.)/, '') === serial) &&
      (identity === undefined || names.includes(identity)) &&
      (prefix === undefined || names.some((name) => name.startsWith(prefix))) &&
      (identityMatches === undefined || isAnyMatched(certificate.names, identityMatches)) &&
      (issuer === undefined || certificate.issuers.some((one) => one.toLowerCase() === issuer)) &&
      values.every(([number, value]) => certificate.extensions.get(number)?.toLowerCase() === value)
    );
  };
}

/** One without a name is asked about the empty one, as an expression that takes anything takes it, too. */
const isAnyMatched = (names: readonly string[], matches: (name: string) => boolean): boolean =>
  names.length === 0 ? matches('') : names.some(matches);
