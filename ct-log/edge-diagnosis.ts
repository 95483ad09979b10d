/** Finds the file to blame when the right edge does not give the committed root. */
import { equalBytes } from '../core/bytes.ts';
import { FormatError } from '../core/errors.ts';
import type { CommittedState } from './commit-store.ts';
import { parseTileLeaf } from './format/leaf.ts';
import { hashLeaf, HASH_LENGTH } from './format/merkle.ts';
import { hashInTile, TILE_WIDTH, tilePath } from './format/tile.ts';
import { sha256 } from './sha256.ts';
import type { TileStore } from './tile-store.ts';

/** The first full tile, lowest level first, that does not follow from what lies below it: for level 0 the data
 * tile, above it the hash tiles. Only the tiles that the edge is computed from; undefined when they all agree. */
export async function firstContradiction(
  state: CommittedState,
  tiles: TileStore,
): Promise<string | undefined> {
  for (let level = 0; TILE_WIDTH ** (level + 1) <= state.firstEntry; level++) {
    const end = Math.floor(state.firstEntry / TILE_WIDTH ** (level + 1));
    for (let n = end - (end % TILE_WIDTH); n < end; n++) {
      const wrong = await tileContradiction(level, n, tiles);
      if (wrong !== undefined) return wrong;
    }
  }
  return undefined;
}

/** How the full hash tile `n` of `level` does not follow from what lies below it; undefined when it does. */
export async function tileContradiction(
  level: number,
  n: number,
  tiles: TileStore,
): Promise<string | undefined> {
  const path = tilePath({ level, n, width: TILE_WIDTH });
  const stored = await tiles.get(path);
  const expected = level === 0 ? await leafHashes(n, tiles) : await tileRoots(level, n, tiles);
  if (typeof expected === 'string') return expected;
  const at = expected.findIndex(
    (hash, i) =>
      !equalBytes(hash, stored?.subarray(i * HASH_LENGTH, (i + 1) * HASH_LENGTH) ?? new Uint8Array()),
  );
  if (at < 0) return undefined;
  const below = level === 0 ? tilePath({ level: 'data', n, width: TILE_WIDTH }) : `level ${level - 1}`;
  return `${path} at byte ${at * HASH_LENGTH}: hash ${at} does not follow from ${below}`;
}

async function leafHashes(n: number, tiles: TileStore): Promise<Uint8Array[] | string> {
  const path = tilePath({ level: 'data', n, width: TILE_WIDTH });
  const bytes = await tiles.get(path);
  if (bytes === undefined) return `${path} is missing`;
  const out: Uint8Array[] = [];
  let at = 0;
  try {
    for (; out.length < TILE_WIDTH;) {
      const { leaf, next } = parseTileLeaf(bytes, at);
      out.push(hashLeaf(sha256, leaf));
      at = next;
    }
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return `${path} at byte ${at}: entry ${out.length} is damaged (${error.message})`;
  }
  return out;
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
