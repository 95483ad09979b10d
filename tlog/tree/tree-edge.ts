/**
 * The part of the tree that is not in files yet, in memory: the frontier, the partial tile of every level, and full
 * tiles until they are durable. It only grows to the right and never rewrites a byte, so that a reader who keeps to
 * the size of a published head is right whatever is appended meanwhile.
 */
import { concat } from '../../core/bytes.ts';
import { CompactRange } from '../format/compact-range.ts';
import { HASH_LENGTH } from '../format/merkle.ts';
import { TILE_WIDTH, tilePath, type BundleName, type Tile } from '../format/tile.ts';
import { sha256 } from '../core/sha256.ts';

const TILE_HEIGHT = 8;

/** What the edge of a tree of some size is made of, when that size is a multiple of 256. */
export interface EdgeStart {
  readonly size: number;
  /** The frontier, largest subtree first. */
  readonly frontier: readonly Uint8Array[];
  /** The hashes of the partial tile of level 1, 2, …; empty ones included. */
  readonly upperTiles: readonly Uint8Array[];
}

/** An edge as it was once. */
interface EdgeMark {
  readonly range: CompactRange;
}

/** The right edge of a tree. */
export class TreeEdge {
  readonly #bundle: BundleName;
  #range: CompactRange;
  /** By level, by number: space for 256 hashes, filled from the left. */
  readonly #hashes: Map<number, Uint8Array>[] = [];
  readonly #entries = new Map<number, Uint8Array[]>();

  /** `bundle` names the bundles of entries, for the paths of {@link fullTiles}. */
  constructor(bundle: BundleName, start: EdgeStart = { size: 0, frontier: [], upperTiles: [] }) {
    this.#bundle = bundle;
    this.#range = new CompactRange(sha256, start.size, start.frontier);
    for (const [i, hashes] of start.upperTiles.entries()) {
      const level = i + 1;
      const n = Math.floor(start.size / TILE_WIDTH ** (level + 1));
      this.#tileAt(level, n).set(hashes);
    }
  }

  /** Number of entries, published or not. */
  get size(): number {
    return this.#range.size;
  }

  /** Root over all of them. */
  root(): Uint8Array {
    return this.#range.root();
  }

  /** Adds an entry by its leaf hash and its bytes in a bundle. */
  append(leafHash: Uint8Array, bytes: Uint8Array): void {
    const n = Math.floor(this.size / TILE_WIDTH);
    const entries = this.#entries.get(n);
    if (entries === undefined) this.#entries.set(n, [bytes]);
    else entries.push(bytes);
    this.#range.append(leafHash, (height, index, hash) => {
      if (height % TILE_HEIGHT === 0) this.#put(height / TILE_HEIGHT, index, hash);
    });
  }

  /** Where {@link reset} goes back to. */
  mark(): EdgeMark {
    return { range: this.#range.clone() };
  }

  /** Forgets what was appended since the mark, of which nothing may be published. */
  reset({ range }: EdgeMark): void {
    for (const [n, entries] of this.#entries) {
      const kept = Math.max(0, range.size - n * TILE_WIDTH);
      if (kept === 0) this.#entries.delete(n);
      else if (kept < entries.length) entries.length = kept;
    }
    // Hashes beyond the size are never read, and written over by what is appended next.
    this.#range = range.clone();
  }

  #put(level: number, index: number, hash: Uint8Array): void {
    const n = Math.floor(index / TILE_WIDTH);
    this.#tileAt(level, n).set(hash, (index - n * TILE_WIDTH) * HASH_LENGTH);
  }

  #tileAt(level: number, n: number): Uint8Array {
    const tiles = (this.#hashes[level] ??= new Map());
    let tile = tiles.get(n);
    if (tile === undefined) tiles.set(n, (tile = new Uint8Array(TILE_WIDTH * HASH_LENGTH)));
    return tile;
  }

  /** The first `width` hashes of a tile, or undefined if it is not held here. The caller vouches that the tree has
   * that many. */
  hashes(level: number, n: number, width: number): Uint8Array | undefined {
    return this.#hashes[level]?.get(n)?.subarray(0, width * HASH_LENGTH);
  }

  /** The first `width` entries of bundle `n`, or undefined if it is not held here. */
  entries(n: number, width: number): readonly Uint8Array[] | undefined {
    return this.#entries.get(n)?.slice(0, width);
  }

  /** Number of the first bundle held here. */
  get firstTile(): number {
    for (const n of this.#entries.keys()) return n;
    return Math.floor(this.size / TILE_WIDTH);
  }

  /** The full tiles that exist since bundle `n` is full, with their bytes: what the edge holds of `n` may be dropped when
   * all of them are durable. The bundle comes first. */
  fullTiles(n: number): { tile: Tile; path: string; bytes: Uint8Array }[] {
    const bundle: Tile = { level: this.#bundle, n, width: TILE_WIDTH };
    const out = [{ tile: bundle, bytes: concat(this.#entries.get(n) ?? []) }];
    for (const { level, n: number } of hashTilesEndingAt(n)) {
      const bytes = this.#hashes[level]?.get(number);
      if (bytes !== undefined) out.push({ tile: { level, n: number, width: TILE_WIDTH }, bytes });
    }
    return out.map(({ tile, bytes }) => ({ tile, path: tilePath(tile), bytes }));
  }

  /** Forgets the tiles of {@link fullTiles}. */
  drop(n: number): void {
    this.#entries.delete(n);
    for (const { level, n: number } of hashTilesEndingAt(n)) this.#hashes[level]?.delete(number);
  }
}

/** The hash tiles that bundle `n` completes: its own of level 0, and one above for each that is complete too. */
function hashTilesEndingAt(n: number): { level: number; n: number }[] {
  const out = [{ level: 0, n }];
  let at = n;
  for (let level = 1; at % TILE_WIDTH === TILE_WIDTH - 1; level++) {
    at = Math.floor(at / TILE_WIDTH);
    out.push({ level, n: at });
  }
  return out;
}
