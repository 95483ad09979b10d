/**
 * Every full tile of a log against hashes that are known to be right. What is known is the root of the committed head, and so the
 * hashes at the right edge that give it. From there each tile is held to the hash above it, and each entry to its hash: so it is certain
 * which file is wrong, and what was derived in the place of a wrong one is certain to be right.
 */
import { concat, equalBytes, firstDifference } from '../../core/bytes.ts';
import { FormatError } from '../../core/errors.ts';
import { unreadableFile } from '../core/log-file.ts';
import { sha256 } from '../core/sha256.ts';
import type { EntryFormat, StoredEntry } from '../format/entry-format.ts';
import { HASH_LENGTH } from '../format/merkle.ts';
import { hashInTile, TILE_WIDTH, tilePath, tileWidth, type Tile } from '../format/tile.ts';
import { leafHashOf, splitBundle } from './entry-bundle.ts';

/** How a stored file is wrong. */
export type DamageKind = 'missing' | 'unreadable' | 'damaged';

/** One file that is not what it should be. */
export interface Damage {
  /** As it is served, e.g. `tile/0/003`. */
  readonly path: string;
  readonly kind: DamageKind;
  /** What is wrong, the rest of a sentence that begins with the path. */
  readonly message: string;
  /** What belongs there; undefined where nothing has it. */
  readonly right: Uint8Array | undefined;
  /** What `right` is from, as the end of a sentence. */
  readonly from: string | undefined;
}

/** Files of a log by their paths, of which nothing is believed. */
export interface FileSource {
  /** What messages call it, after "from". */
  readonly name: string;
  /** Undefined for what it does not have. Rejects when it cannot be read. */
  readonly get: (path: string) => Promise<Uint8Array | undefined>;
}

/** What says that an entry is right where no hash covers it: undefined, or a sentence about it. */
export type EntryJudge<Stored extends StoredEntry> = (
  entry: Stored,
  index: number,
) => Promise<string | undefined> | string | undefined;

/** What is surveyed. */
export interface SurveyOptions<Stored extends StoredEntry> {
  readonly format: EntryFormat<Stored>;
  /** Entries, a multiple of 256: what lies below them is in full tiles. */
  readonly size: number;
  /** The hashes of the partial tile of a level, from 1 up, in the tree of that size: they are right. */
  readonly edge: (level: number) => Uint8Array;
  /** The log's own files. */
  readonly stored: FileSource;
  /** Where else files may be had, the first first. */
  readonly others?: readonly FileSource[];
  readonly judge?: EntryJudge<Stored>;
}

/** What was found at one bundle. */
export interface SurveyedBundle<Stored extends StoredEntry> {
  /** Its own file, its hash tile, and the tiles above that were looked at the first time. */
  readonly damage: readonly Damage[];
  /** Its right entries; undefined where they cannot be had. */
  readonly entries: readonly Stored[] | undefined;
}

/** Combinations of candidates that are tried: each costs a tile's hashes. */
const MOST_TRIES = 2048;

/** Walks over the bundles of one tree. Holds a tile of each level. */
export class TileSurvey<Stored extends StoredEntry> {
  readonly #options: SurveyOptions<Stored>;
  readonly #held = new Map<number, { readonly n: number; readonly hashes: Uint8Array | undefined }>();

  constructor(options: SurveyOptions<Stored>) {
    this.#options = options;
  }

  /** How many bundles there are. */
  get bundles(): number {
    return this.#options.size / TILE_WIDTH;
  }

  /** Looks at bundle `n`, and at the tiles above it unless the last call did. Rejects with what reading rejects with beside faults of single files. */
  async bundle(n: number): Promise<SurveyedBundle<Stored>> {
    const damage: Damage[] = [];
    const hashes = await this.#hashes(0, n, damage);
    const { format, stored, others = [] } = this.#options;
    const path = tilePath({ level: format.bundle, n, width: TILE_WIDTH });
    const found = await readFrom(stored, path);
    const fault = await this.#bundleFault(n, found.bytes, hashes);
    if (fault === undefined) return { damage, entries: this.#parsed(found.bytes) };
    for (const other of others) {
      const { bytes } = await readFrom(other, path);
      if (bytes === undefined || (await this.#bundleFault(n, bytes, hashes)) !== undefined) continue;
      damage.push({ path, ...(found.fault ?? fault), right: bytes, from: other.name });
      return { damage, entries: this.#parsed(bytes) };
    }
    damage.push({ path, ...(found.fault ?? fault), right: undefined, from: undefined });
    return { damage, entries: undefined };
  }

  #parsed(bytes: Uint8Array | undefined): Stored[] {
    const { format } = this.#options;
    const out: Stored[] = [];
    for (let at = 0; bytes !== undefined && at < bytes.length;) {
      const entry = format.parse(bytes, at);
      out.push(entry);
      at = entry.next;
    }
    return out;
  }

  /** What is wrong with the bytes of bundle `n`, whose leaf hashes are `hashes` where they are known. */
  async #bundleFault(
    n: number,
    bytes: Uint8Array | undefined,
    hashes: Uint8Array | undefined,
  ): Promise<Pick<Damage, 'kind' | 'message'> | undefined> {
    if (bytes === undefined) return { kind: 'missing', message: 'is missing' };
    const { format, judge = soundness(format) } = this.#options;
    const entries = splitBundle(format, bytes);
    if (typeof entries === 'string') return damaged(`is damaged ${entries}`);
    for (const [i, entry] of entries.entries()) {
      const index = n * TILE_WIDTH + i;
      const at = entry.byteOffset - bytes.byteOffset;
      const own = leafHashOr(format, entry, index);
      if (typeof own === 'string') return damaged(`is damaged at byte ${at}: entry ${index}: ${own}`);
      const expected = hashes?.subarray(i * HASH_LENGTH, (i + 1) * HASH_LENGTH);
      if (expected !== undefined && !equalBytes(own, expected))
        return damaged(`is damaged at byte ${at}: the hash of entry ${index} is not that in the tree`);
      const fault = await judge(format.parse(entry, 0), index);
      if (fault !== undefined) return damaged(`is damaged at byte ${at}: entry ${index}: ${fault}`);
    }
    return undefined;
  }

  /** The right hashes of a full tile; undefined where nothing has them. */
  async #hashes(level: number, n: number, damage: Damage[]): Promise<Uint8Array | undefined> {
    const held = this.#held.get(level);
    if (held?.n === n) return held.hashes;
    const hashes = await this.#look(level, n, damage);
    this.#held.set(level, { n, hashes });
    return hashes;
  }

  async #look(level: number, n: number, damage: Damage[]): Promise<Uint8Array | undefined> {
    const { stored } = this.#options;
    const path = tilePath({ level, n, width: TILE_WIDTH });
    const expected = await this.#expected(level, n, damage);
    const { bytes, fault } = await readFrom(stored, path);
    if (isTileOf(bytes, expected)) return bytes;
    const derived = await this.#derived(level, n, expected);
    if (expected === undefined) {
      // Nothing above says what it should be: it is believed where what lies below says the same.
      if (bytes !== undefined && derived !== undefined && equalBytes(bytes, derived.bytes)) return bytes;
      const message = 'cannot be held to anything: what lies above and below is damaged, too';
      damage.push({ path, ...(fault ?? damaged(message)), right: undefined, from: undefined });
      return undefined;
    }
    const wrong = fault ?? damaged(differenceOf(bytes, derived?.bytes));
    damage.push({ path, ...wrong, right: derived?.bytes, from: derived?.from });
    return derived?.bytes;
  }

  /** The hash above a full tile. */
  async #expected(level: number, n: number, damage: Damage[]): Promise<Uint8Array | undefined> {
    const { size, edge } = this.#options;
    const above = { level: level + 1, n: Math.floor(n / TILE_WIDTH) };
    const isFull = tileWidth(above.level, above.n, size) === TILE_WIDTH;
    const hashes = isFull ? await this.#hashes(above.level, above.n, damage) : edge(above.level);
    const at = (n % TILE_WIDTH) * HASH_LENGTH;
    return hashes?.subarray(at, at + HASH_LENGTH);
  }

  /** The hashes of a tile from what lies below it, or from another source. With a hash above it, they give that. */
  async #derived(
    level: number,
    n: number,
    expected: Uint8Array | undefined,
  ): Promise<{ readonly bytes: Uint8Array; readonly from: string } | undefined> {
    const below = level === 0 ? 'its entries' : 'the tiles below it';
    const slots = await this.#slots(level, n, false);
    const simple = chosen(slots, expected);
    if (simple !== undefined) return { bytes: simple, from: below };
    if (expected === undefined) return undefined;
    for (const other of this.#options.others ?? []) {
      const { bytes } = await readFrom(other, tilePath({ level, n, width: TILE_WIDTH }));
      if (bytes !== undefined && isTileOf(bytes, expected)) return { bytes, from: other.name };
    }
    const thorough = chosen(await this.#slots(level, n, true), expected);
    return thorough && { bytes: thorough, from: below };
  }

  /** For each of the hashes of a tile what it may be. Where `isThorough`, a tile below counts as derived from what lies below it, too. */
  async #slots(level: number, n: number, isThorough: boolean): Promise<Uint8Array[][]> {
    if (level === 0) return this.#leafSlots(n, isThorough);
    const slots: Uint8Array[][] = [];
    for (let i = 0; i < TILE_WIDTH; i++) {
      const child = { level: level - 1, n: n * TILE_WIDTH + i };
      slots.push(distinct(await this.#candidates(child.level, child.n, isThorough)).map(rootOf));
    }
    return slots;
  }

  async #leafSlots(n: number, isThorough: boolean): Promise<Uint8Array[][]> {
    const { format, stored, others = [] } = this.#options;
    const path = tilePath({ level: format.bundle, n, width: TILE_WIDTH });
    const slots = Array.from({ length: TILE_WIDTH }, (): Uint8Array[] => []);
    for (const source of isThorough ? [stored, ...others] : [stored]) {
      const { bytes } = await readFrom(source, path);
      const entries = bytes === undefined ? [] : splitBundle(format, bytes);
      if (typeof entries === 'string') continue;
      for (const [i, entry] of entries.entries()) {
        const hash = leafHashOr(format, entry, n * TILE_WIDTH + i);
        if (typeof hash !== 'string') slots[i]?.push(hash);
      }
    }
    return slots.map(distinct);
  }

  /** What a full tile may be. */
  async #candidates(level: number, n: number, isThorough: boolean): Promise<Uint8Array[]> {
    const { stored, others = [] } = this.#options;
    const path = tilePath({ level, n, width: TILE_WIDTH });
    const found: Uint8Array[] = [];
    for (const source of isThorough ? [stored, ...others] : [stored]) {
      const { bytes } = await readFrom(source, path);
      if (bytes?.length === TILE_WIDTH * HASH_LENGTH) found.push(bytes);
    }
    const derived = isThorough ? chosen(await this.#slots(level, n, false), undefined) : undefined;
    return derived === undefined ? found : [...found, derived];
  }

  /** What a full tile at the edge may be, where nothing is known yet of what lies above it: the stored one first. */
  async candidatesAt(level: number, n: number): Promise<Uint8Array[]> {
    return distinct(await this.#candidates(level, n, true));
  }
}

const damaged = (message: string): Pick<Damage, 'kind' | 'message'> => ({ kind: 'damaged', message });

const soundness =
  <Stored extends StoredEntry>(format: EntryFormat<Stored>): EntryJudge<Stored> =>
  (entry) =>
    format.isSound(entry) ? undefined : 'what no hash covers does not agree with the rest';

/** The file, or what is wrong with it. Rejects where something else than the file keeps it from being read. */
export async function readFrom(
  source: FileSource,
  path: string,
): Promise<{ readonly bytes: Uint8Array | undefined; readonly fault?: Pick<Damage, 'kind' | 'message'> }> {
  try {
    const bytes = await source.get(path);
    return bytes === undefined
      ? { bytes, fault: { kind: 'missing', message: 'is missing' } }
      : { bytes, ...(bytes.length === 0 ? { fault: damaged('is empty') } : {}) };
  } catch (error) {
    const file = unreadableFile(error);
    if (file?.isDamage !== true) throw error;
    return { bytes: undefined, fault: { kind: 'unreadable', message: `cannot be read (${file.reason})` } };
  }
}

function isTileOf(bytes: Uint8Array | undefined, expected: Uint8Array | undefined): boolean {
  if (bytes?.length !== TILE_WIDTH * HASH_LENGTH || expected === undefined) return false;
  return equalBytes(rootOf(bytes), expected);
}

const rootOf = (hashes: Uint8Array): Uint8Array =>
  hashInTile(sha256, { level: 0, n: 0, first: 0, count: TILE_WIDTH }, hashes);

function differenceOf(stored: Uint8Array | undefined, right: Uint8Array | undefined): string {
  const length = TILE_WIDTH * HASH_LENGTH;
  if (stored !== undefined && stored.length !== length) return `has ${stored.length} bytes, not ${length}`;
  if (stored === undefined || right === undefined) return 'is damaged: the hash above it is another';
  return `is damaged at byte ${firstDifference(stored, right)}: the hash above it is another`;
}

/** The leaf hash of an entry, or why it has none. */
function leafHashOr(format: EntryFormat, entry: Uint8Array, index: number): Uint8Array | string {
  try {
    return leafHashOf(format, entry, index);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return error.message;
  }
}

const distinct = (values: readonly Uint8Array[]): Uint8Array[] =>
  values.filter((one, i) => values.findIndex((other) => equalBytes(one, other)) === i);

/** One of each slot, such that together they give `expected`; the first of each where nothing is expected. Undefined where a slot is empty, or nothing has it. */
function chosen(
  slots: readonly (readonly Uint8Array[])[],
  expected: Uint8Array | undefined,
): Uint8Array | undefined {
  if (slots.some((slot) => slot.length === 0)) return undefined;
  if (expected === undefined) return concat(slots.map(([first]) => first ?? new Uint8Array()));
  for (const choice of choices(slots)) {
    const bytes = concat(choice);
    if (isTileOf(bytes, expected)) return bytes;
  }
  return undefined;
}

/** The ways to take one of each slot, those first that keep to the first of most: what is damaged is little. */
export function* choices<T>(slots: readonly (readonly T[])[]): Generator<T[]> {
  const open = [...slots.keys()].filter((i) => (slots[i]?.length ?? 0) > 1);
  const first = slots.map((slot) => slot[0] as T);
  let tries = 0;
  for (let others = 0; others <= open.length; others++)
    for (const which of subsets(open, others))
      for (const choice of replaced(first, slots, which)) {
        if (tries++ >= MOST_TRIES) return;
        yield choice;
      }
}

function* subsets(of: readonly number[], size: number, from = 0): Generator<number[]> {
  if (size === 0) {
    yield [];
    return;
  }
  for (let i = from; i <= of.length - size; i++)
    for (const rest of subsets(of, size - 1, i + 1)) yield [of[i] ?? 0, ...rest];
}

function* replaced<T>(
  first: readonly T[],
  slots: readonly (readonly T[])[],
  which: readonly number[],
): Generator<T[]> {
  const [at, ...rest] = which;
  if (at === undefined) {
    yield [...first];
    return;
  }
  for (const value of slots[at]?.slice(1) ?? []) yield* replaced(first.with(at, value), slots, rest);
}

/** The hashes at the edge of the tree of `size` entries, a multiple of 256, for {@link SurveyOptions}: `read` reads tiles that are right. */
export async function edgeHashes(
  size: number,
  read: (tile: Tile & { readonly level: number }) => Promise<Uint8Array>,
): Promise<(level: number) => Uint8Array> {
  const byLevel = new Map<number, Uint8Array>();
  for (let level = 1; TILE_WIDTH ** level <= size; level++) {
    const n = Math.floor(size / TILE_WIDTH ** (level + 1));
    const width = tileWidth(level, n, size);
    if (width > 0) byLevel.set(level, (await read({ level, n, width })).slice(0, width * HASH_LENGTH));
  }
  return (level) => byLevel.get(level) ?? new Uint8Array();
}
