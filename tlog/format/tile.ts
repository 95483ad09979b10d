/**
 * Tiles (c2sp.org/tlog-tiles; c2sp.org/static-ct-api): 256 neighbouring hashes of every eighth level, and beside
 * level 0 the entries themselves, in bundles. A tile that is not full yet is a prefix of the full one.
 */
import { FormatError } from '../../core/errors.ts';
import type { Sha256 } from '../../core/hash.ts';
import { foldRight, HASH_LENGTH, hashNode } from './merkle.ts';
import type { HashReader } from './merkle-proof.ts';

/** Hashes or entries in a full tile. */
export const TILE_WIDTH = 256;
const TILE_HEIGHT = 8;
/** 2^40 entries need the levels 0 to 4; static-ct-api allows one more. */
const MAX_LEVEL = 5;

/** Where the bundles of entries of a log lie: `data` by static-ct-api, `entries` by tlog-tiles. */
export type BundleName = 'data' | 'entries';

/** Which tile: the `n`-th of its level, with `width` hashes or entries (256 when full). */
export interface Tile {
  /** A bundle of entries has the name of its log's bundles in the place of a level. */
  readonly level: number | BundleName;
  readonly n: number;
  readonly width: number;
}

/** `tile/0/x001/x234/067` or, when not full, `tile/0/x001/x234/067.p/12`. */
export function tilePath({ level, n, width }: Tile): string {
  const groups = [String(n % 1000).padStart(3, '0')];
  for (let rest = Math.floor(n / 1000); rest > 0; rest = Math.floor(rest / 1000)) {
    groups.unshift(`x${String(rest % 1000).padStart(3, '0')}`);
  }
  return `tile/${level}/${groups.join('/')}${width === TILE_WIDTH ? '' : `.p/${width}`}`;
}

const TILE_PATH = /^tile\/([0-9]|[a-z]+)\/((?:x[0-9]{3}\/){0,4}[0-9]{3})(?:\.p\/([1-9][0-9]{0,2}))?$/;

/** The tile of a path in a log with bundles of that name. There is one spelling for each tile: everything else throws
 * {@link FormatError}. */
export function parseTilePath(path: string, bundle: BundleName): Tile {
  const match = TILE_PATH.exec(path);
  if (match === null) throw new FormatError('MALFORMED', 'this is not the path of a tile');
  const [, level = '', index = '', width] = match;
  const tile: Tile = {
    level: level === bundle ? bundle : Number(level),
    n: Number(index.replace(/[x/]/g, '')),
    width: width === undefined ? TILE_WIDTH : Number(width),
  };
  const inRange = level === bundle || Number(level) <= MAX_LEVEL;
  if (!inRange || !Number.isSafeInteger(tile.n) || tilePath(tile) !== path) {
    throw new FormatError('MALFORMED', 'this is not the path of a tile');
  }
  return tile;
}

/** The width that tile `n` of `level` has in the tree of `size` leaves: 256 when full, 0 when it does not exist. */
export function tileWidth(level: Tile['level'], n: number, size: number): number {
  const hashes = Math.floor(size / TILE_WIDTH ** (typeof level === 'number' ? level : 0));
  return Math.max(0, Math.min(TILE_WIDTH, hashes - n * TILE_WIDTH));
}

/** Every tile of the tree of `size` leaves, level by level, the bundles of entries last; each level ends with its partial
 * tile if it has one. */
export function* tilesOf(size: number, bundle: BundleName): Generator<Tile> {
  for (let level = 0; level <= MAX_LEVEL && tileWidth(level, 0, size) > 0; level++)
    yield* levelOf(level, size);
  yield* levelOf(bundle, size);
}

function* levelOf(level: Tile['level'], size: number): Generator<Tile> {
  for (let n = 0; tileWidth(level, n, size) > 0; n++) yield { level, n, width: tileWidth(level, n, size) };
}

/** Where the hash of a complete subtree lies: fold `count` hashes of the tile from `first` on. */
interface TilePlace {
  readonly level: number;
  readonly n: number;
  readonly first: number;
  /** A power of two, at most 128. */
  readonly count: number;
}

/** The place of the hash of the complete subtree (level, index). */
export function placeOf(level: number, index: number): TilePlace {
  const count = 2 ** (level % TILE_HEIGHT);
  const position = index * count;
  const n = Math.floor(position / TILE_WIDTH);
  return { level: Math.floor(level / TILE_HEIGHT), n, first: position - n * TILE_WIDTH, count };
}

/** The hash of a complete subtree out of the tile that holds it (`placeOf`), which may be wider than needed. Throws
 * {@link FormatError} when the tile is too short. */
export function hashInTile(sha256: Sha256, place: TilePlace, tile: Uint8Array): Uint8Array {
  const end = (place.first + place.count) * HASH_LENGTH;
  if (tile.length < end) throw new FormatError('TRUNCATED', 'a tile is shorter than its tree needs');
  let hashes: Uint8Array[] = [];
  for (let at = place.first * HASH_LENGTH; at < end; at += HASH_LENGTH) {
    hashes.push(tile.subarray(at, at + HASH_LENGTH));
  }
  while (hashes.length > 1) hashes = pairs(sha256, hashes);
  return foldRight(sha256, hashes);
}

function pairs(sha256: Sha256, hashes: readonly Uint8Array[]): Uint8Array[] {
  const out: Uint8Array[] = [];
  for (let i = 1; i < hashes.length; i += 2) {
    const [left, right] = [hashes[i - 1], hashes[i]];
    if (left !== undefined && right !== undefined) out.push(hashNode(sha256, left, right));
  }
  return out;
}

/** A {@link HashReader} over the tiles of the tree of `size` leaves; `readTile` answers the tile's bytes. Rejects
 * with {@link FormatError} when a tile has another length than its path says. */
export function hashesFromTiles(
  sha256: Sha256,
  size: number,
  readTile: (tile: Tile & { readonly level: number }) => Uint8Array | Promise<Uint8Array>,
): HashReader {
  return async (level, index) => {
    const place = placeOf(level, index);
    const width = tileWidth(place.level, place.n, size);
    const bytes = await readTile({ level: place.level, n: place.n, width });
    if (bytes.length !== width * HASH_LENGTH) {
      throw new FormatError('TRUNCATED', 'a tile does not have the length that its path says');
    }
    return hashInTile(sha256, place, bytes);
  };
}
