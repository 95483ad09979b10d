/** Finds the file to blame when the right edge does not give the committed root. */
import { concat, equalBytes, firstDifference } from '../../core/bytes.ts';
import { FormatError } from '../../core/errors.ts';
import type { LoadedState } from '../store/commit-store.ts';
import { HASH_LENGTH } from '../format/merkle.ts';
import { hashInTile, TILE_WIDTH, tilePath } from '../format/tile.ts';
import type { EntryFormat } from '../format/entry-format.ts';
import { sha256 } from '../core/sha256.ts';
import { leafHashOf, splitBundle } from './entry-bundle.ts';
import type { TileStore } from '../store/tile-store.ts';

/** Whether the head's root comes out with these tiles and these entries. */
type GivesRoot = (tiles: TileStore, entries: readonly Uint8Array[]) => Promise<boolean>;

/** What is wrong, as a sentence that names the file; undefined when nothing shows it. What makes the committed root
 * come out in the place of something else is right, and the other is wrong. */
export async function wrongFile(
  format: EntryFormat,
  state: LoadedState,
  tiles: TileStore,
  givesRoot: GivesRoot,
): Promise<string | undefined> {
  return (
    (await wrongEntry(format, state, tiles, givesRoot)) ?? (await wrongTile(format, state, tiles, givesRoot))
  );
}

/** An entry of the commit store that is also in a full bundle, and right there. */
async function wrongEntry(
  format: EntryFormat,
  { texts, firstEntry, entries }: LoadedState,
  tiles: TileStore,
  givesRoot: GivesRoot,
): Promise<string | undefined> {
  for (let from = 0; from + TILE_WIDTH <= entries.length; from += TILE_WIDTH) {
    const n = (firstEntry + from) / TILE_WIDTH;
    const path = tilePath({ level: format.bundle, n, width: TILE_WIDTH });
    const there = splitBundle(format, (await tiles.get(path)) ?? new Uint8Array());
    if (typeof there === 'string') continue;
    const at = there.findIndex((entry, i) => !equalBytes(entry, entries[from + i] ?? new Uint8Array()));
    if (at < 0 || !(await givesRoot(tiles, entries.toSpliced(from, TILE_WIDTH, ...there)))) continue;
    return `${texts.source}: entry ${firstEntry + from + at} is damaged: with the one of ${path} the root of the head comes out`;
  }
  return undefined;
}

/** A hash tile at the edge that does not follow from what lies below it. */
async function wrongTile(
  format: EntryFormat,
  state: LoadedState,
  tiles: TileStore,
  givesRoot: GivesRoot,
): Promise<string | undefined> {
  for (let level = 0; TILE_WIDTH ** (level + 1) <= state.firstEntry; level++) {
    const end = Math.floor(state.firstEntry / TILE_WIDTH ** (level + 1));
    for (let n = end - (end % TILE_WIDTH); n < end; n++) {
      const wrong = await tileContradiction(format, level, n, tiles);
      if (wrong === undefined) continue;
      if (wrong.expected === undefined) return wrong.message;
      const { path, expected } = wrong;
      const instead: TileStore = {
        ...tiles,
        get: (at) => (at === path ? Promise.resolve(expected) : tiles.get(at)),
      };
      const isIt = await givesRoot(instead, state.entries);
      return isIt
        ? `${path} is damaged at byte ${wrong.at}: the root of the head comes out without it`
        : wrong.message;
    }
  }
  return undefined;
}

/** How a hash tile does not follow from what lies below it. */
interface TileContradiction {
  readonly path: string;
  readonly message: string;
  /** The first byte that differs, and what the tile would be; undefined when what lies below is missing or damaged. */
  readonly at?: number;
  readonly expected?: Uint8Array;
}

/** Looks at the full hash tile `n` of `level`; undefined when it follows from what lies below it. */
export async function tileContradiction(
  format: EntryFormat,
  level: number,
  n: number,
  tiles: TileStore,
): Promise<TileContradiction | undefined> {
  const path = tilePath({ level, n, width: TILE_WIDTH });
  const stored = (await tiles.get(path)) ?? new Uint8Array();
  const below = level === 0 ? await leafHashes(format, n, tiles) : await tileRoots(level, n, tiles);
  if (typeof below === 'string') return { path, message: below };
  const expected = concat(below);
  if (equalBytes(expected, stored)) return undefined;
  const at = firstDifference(expected, stored);
  const from = level === 0 ? tilePath({ level: format.bundle, n, width: TILE_WIDTH }) : `level ${level - 1}`;
  const message = `${path} at byte ${at}: hash ${Math.floor(at / HASH_LENGTH)} does not follow from ${from}`;
  return { path, at, expected, message };
}

async function leafHashes(format: EntryFormat, n: number, tiles: TileStore): Promise<Uint8Array[] | string> {
  const path = tilePath({ level: format.bundle, n, width: TILE_WIDTH });
  const bytes = await tiles.get(path);
  if (bytes === undefined) return `${path} is missing`;
  const entries = splitBundle(format, bytes);
  if (typeof entries === 'string') return `${path} ${entries}`;
  try {
    return entries.map((entry, i) => leafHashOf(format, entry, n * TILE_WIDTH + i));
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return `${path}: ${error.message}`;
  }
}

async function tileRoots(level: number, n: number, tiles: TileStore): Promise<Uint8Array[] | string> {
  const out: Uint8Array[] = [];
  for (let i = 0; i < TILE_WIDTH; i++) {
    const child = { level: level - 1, n: n * TILE_WIDTH + i, width: TILE_WIDTH };
    const bytes = await tiles.get(tilePath(child));
    if (bytes?.length !== TILE_WIDTH * HASH_LENGTH) return `${tilePath(child)} is missing or cut off`;
    out.push(hashInTile(sha256, { level: child.level, n: child.n, first: 0, count: TILE_WIDTH }, bytes));
  }
  return out;
}
