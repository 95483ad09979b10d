/** Groups of leaf hashes as the index notes them: prefixes by the place of their entries. */
import { equalBytes } from '../../core/bytes.ts';
import { HASH_LENGTH } from '../format/merkle.ts';
import { hashInTile, TILE_WIDTH, tilePath, type Tile } from '../format/tile.ts';
import { LogError } from '../core/log-error.ts';
import { sha256 } from '../core/sha256.ts';

/** Entries of a group: one tile of level 1. */
export const GROUP = TILE_WIDTH * TILE_WIDTH;

/** The first 48 bits of a hash: exact as a number, and enough that a wrong candidate is rare. */
export function prefixOf(hash: Uint8Array, at = 0): number {
  let out = 0;
  for (let i = 0; i < 6; i++) out = out * 256 + (hash[at + i] ?? 0);
  return out;
}

/** The prefixes of a group by the place of their entries; {@link UNKNOWN} where none was noted yet. Searched from end to
 * end: that costs a look-up some 50 µs, but the log only a number for each entry. */
export type Group = Float64Array;
const UNKNOWN = -1;

/** A group of which nothing is noted. */
export const emptyGroup = (): Group => new Float64Array(GROUP).fill(UNKNOWN);

/** The places in a group that have this prefix. */
export function placesOf(prefix: number, group: Group): number[] {
  const out: number[] = [];
  for (let at = group.indexOf(prefix); at >= 0; at = group.indexOf(prefix, at + 1)) out.push(at);
  return out;
}

/** Reads group `n`, or the part of it below the entry `size`. Ends early, with what it has, when `signal` aborts. */
export type GroupReader = (n: number, size: number, signal: AbortSignal) => Promise<Group>;

/** What groups of leaf hashes are read from: hash tiles of the published tree. */
export type HashTileReader = (tile: Tile) => Promise<Uint8Array>;

/** Reads groups of leaf hashes, as {@link readGroup} does. */
export const leafHashGroups =
  (read: HashTileReader): GroupReader =>
  (n, size, signal) =>
    readGroup(n, size, read, signal);

/** Group `n`, or the part of it below the entry `size`, from hash tiles, each of which must give the hash above it: an
 * index of damaged tiles would deny entries that the log holds. Throws LogError `LOG_CORRUPT`, naming the tile, and what
 * reading throws. Ends early, with what it has, when `signal` aborts. */
async function readGroup(n: number, size: number, read: HashTileReader, signal: AbortSignal): Promise<Group> {
  const group = emptyGroup();
  const first = n * GROUP;
  const full = Math.floor((size - first) / TILE_WIDTH);
  const above = full === 0 ? new Uint8Array() : await read({ level: 1, n, width: full });
  for (let at = first; at < size && !signal.aborted; at += TILE_WIDTH) {
    const tile: Tile = { level: 0, n: at / TILE_WIDTH, width: Math.min(TILE_WIDTH, size - at) };
    const hashes = await read(tile);
    if (tile.width === TILE_WIDTH) requireTile(tile, hashes, above);
    for (let i = 0; i < tile.width; i++) group[at - first + i] = prefixOf(hashes, i * HASH_LENGTH);
  }
  return group;
}

/** `above` holds the hashes of the full tiles of the group. */
function requireTile(tile: Tile, hashes: Uint8Array, above: Uint8Array): void {
  const place = { level: 0, n: tile.n, first: 0, count: TILE_WIDTH };
  const at = (tile.n % TILE_WIDTH) * HASH_LENGTH;
  if (equalBytes(hashInTile(sha256, place, hashes), above.subarray(at, at + HASH_LENGTH))) return;
  throw new LogError('LOG_CORRUPT', `${tilePath(tile)} is damaged: the hash above it is another`, {
    hint: 'Restore the file from a copy of the log; `mayfly log check` says more.',
  });
}
