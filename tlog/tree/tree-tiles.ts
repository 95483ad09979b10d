import { concat } from '../../core/bytes.ts';
import { HASH_LENGTH } from '../format/merkle.ts';
import type { HashReader } from '../format/merkle-proof.ts';
import { hashesFromTiles, TILE_WIDTH, tilePath, type Tile } from '../format/tile.ts';
import { LogError } from '../core/log-error.ts';
import type { EntryFormat, StoredEntry } from '../format/entry-format.ts';
import { sha256 } from '../core/sha256.ts';
import { firstEntries, readEntries } from './entry-bundle.ts';
import type { RequiredFiles } from './required-files.ts';
import type { TreeEdge } from './tree-edge.ts';

/** Full hash tiles kept in memory, 8 KB each: the upper levels, and the proofs that people ask for again. */
const CACHED = 512;

/** Any tile of a tree: from its edge in memory, else cut from the full tile in the store. Callers keep to widths that
 * the tree has. */
export class TreeTiles<Stored extends StoredEntry = StoredEntry> {
  readonly #format: EntryFormat<Stored>;
  #edge: TreeEdge;
  readonly #files: RequiredFiles;
  readonly #cache = new Map<string, Uint8Array>();

  constructor(format: EntryFormat<Stored>, edge: TreeEdge, files: RequiredFiles) {
    this.#format = format;
    this.#edge = edge;
    this.#files = files;
  }

  /** Cuts from another edge of the same tree from now on: one that was computed anew from the stores. */
  follow(edge: TreeEdge): void {
    this.#edge = edge;
  }

  /** The bytes of a tile, which is not of other bundles than the log's; throws LogError `LOG_CORRUPT` when a file that must be there is missing or cut off. */
  async tile({ level, n, width }: Tile): Promise<Uint8Array> {
    if (typeof level === 'string') return this.#bundle(n, width);
    const held = this.#edge.hashes(level, n, width);
    const bytes = held ?? (await this.#fullHashTile(level, n));
    return bytes.subarray(0, width * HASH_LENGTH);
  }

  /** The hashes of the tree of that size, which the tree has reached. */
  hashesAt(size: number): HashReader {
    return hashesFromTiles(sha256, size, (tile) => this.tile(tile));
  }

  /** The first `width` entries of bundle `n`. */
  async entries(n: number, width: number): Promise<Stored[]> {
    const held = this.#edge.entries(n, width);
    if (held !== undefined) return held.map((entry) => this.#format.parse(entry, 0));
    const path = fullPath(this.#format.bundle, n);
    return this.#files.read(path, (bytes) => readEntries(this.#format, bytes, width));
  }

  async #bundle(n: number, width: number): Promise<Uint8Array> {
    const held = this.#edge.entries(n, width);
    if (held !== undefined) return concat(held);
    return this.#files.read(fullPath(this.#format.bundle, n), (bytes) =>
      width === TILE_WIDTH ? bytes : firstEntries(this.#format, bytes, width),
    );
  }

  async #fullHashTile(level: number, n: number): Promise<Uint8Array> {
    const key = `${level}/${n}`;
    const path = fullPath(level, n);
    const bytes = this.#cache.get(key) ?? (await this.#files.read(path, (read) => requireHashes(path, read)));
    // Last used, last out: a Map keeps the order in which keys were set.
    this.#cache.delete(key);
    this.#cache.set(key, bytes);
    const oldest = this.#cache.keys().next();
    if (this.#cache.size > CACHED && oldest.done !== true) this.#cache.delete(oldest.value);
    return bytes;
  }
}

const fullPath = (level: Tile['level'], n: number): string => tilePath({ level, n, width: TILE_WIDTH });

function requireHashes(path: string, bytes: Uint8Array): Uint8Array {
  const length = TILE_WIDTH * HASH_LENGTH;
  if (bytes.length === length) return bytes;
  throw new LogError('LOG_CORRUPT', `${path} has ${bytes.length} bytes, not ${length}`, {
    hint: 'Restore it from a copy of the log.',
  });
}
