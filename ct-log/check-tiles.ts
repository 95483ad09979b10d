/** Reads the tiles of a log for a check: what is missing, cut off or unreadable ends it ({@link CheckFailure}). */
import { equalBytes } from '../core/bytes.ts';
import { FormatError } from '../core/errors.ts';
import { CheckFailure } from './check-failure.ts';
import { parseTileLeaf, type TileLeaf } from './format/leaf.ts';
import { hashLeaf, HASH_LENGTH } from '../tlog/format/merkle.ts';
import { rootFrom } from '../tlog/format/merkle-proof.ts';
import { hashInTile, placeOf, TILE_WIDTH, tilePath, tileWidth, type Tile } from '../tlog/format/tile.ts';
import { LogReadError } from '../tlog/core/log-error.ts';
import { unreadableFile } from '../tlog/core/log-file.ts';
import { sha256 } from '../tlog/core/sha256.ts';
import type { LogSource } from './source.ts';

/** One entry as it was read. */
export interface CheckedEntry {
  readonly entry: TileLeaf;
  readonly index: number;
  /** TileLeaf. */
  readonly bytes: Uint8Array;
  readonly offset: number;
  readonly leafHash: Uint8Array;
}

/** The tiles of a log that is held to a head. */
export class CheckedTiles {
  readonly #source: LogSource;
  readonly #head: { readonly size: number; readonly root: Uint8Array };

  constructor(source: LogSource, head: { readonly size: number; readonly root: Uint8Array }) {
    this.#source = source;
    this.#head = head;
  }

  /** The entries of a data tile. */
  async entries(tile: Tile): Promise<CheckedEntry[]> {
    return this.#parseAll(tile, await this.#fetch(tilePath(tile)));
  }

  #parseAll(tile: Tile, bytes: Uint8Array): CheckedEntry[] {
    const path = tilePath(tile);
    const reads: CheckedEntry[] = [];
    let end = 0;
    for (let i = 0; i < tile.width; i++) {
      const read = this.#parse(path, bytes, end, tile.n * TILE_WIDTH + i);
      reads.push(read);
      end = read.entry.next;
    }
    // A source may answer a partial tile with the full one; a full one must end with its last entry.
    if (tile.width < TILE_WIDTH || end === bytes.length) return reads;
    throw new CheckFailure(this.locate(path, end), `bytes follow the last of ${TILE_WIDTH} entries`);
  }

  #parse(path: string, bytes: Uint8Array, offset: number, index: number): CheckedEntry {
    try {
      const entry = parseTileLeaf(bytes, offset);
      const leafHash = hashLeaf(sha256, entry.leaf);
      return { entry, index, offset, leafHash, bytes: bytes.subarray(offset, entry.next) };
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      throw new CheckFailure(this.locate(path, offset), `entry ${index} is damaged (${error.message})`);
    }
  }

  /** The hashes of a tile; a source may answer with a wider one. */
  async hashTile(tile: Tile): Promise<Uint8Array> {
    const path = tilePath(tile);
    const bytes = await this.#fetch(path);
    const length = tile.width * HASH_LENGTH;
    const full = TILE_WIDTH * HASH_LENGTH;
    if (bytes.length === length || (bytes.length === full && tile.width < TILE_WIDTH))
      return bytes.subarray(0, length);
    throw new CheckFailure(
      `${path} at byte ${Math.min(bytes.length, length)}`,
      `has ${bytes.length} bytes, not ${length}`,
    );
  }

  async #fetch(path: string): Promise<Uint8Array> {
    return this.#source.tile(path).catch((error: unknown) => {
      if (error instanceof LogReadError) throw new CheckFailure(path, 'is missing');
      if (error instanceof FormatError) throw new CheckFailure(path, error.message);
      const file = unreadableFile(error);
      if (file?.isDamage === true) throw new CheckFailure(path, `cannot be read (${file.reason})`);
      throw error;
    });
  }

  /** Where a byte lies, for the message. */
  locate(path: string, offset: number): string {
    return this.#source.locate?.(path, offset) ?? `${path} at byte ${offset}`;
  }

  /** Whether the hash tiles, as they are stored, give the root of the head. */
  async rootHolds(): Promise<boolean> {
    const { size, root } = this.#head;
    return equalBytes(await rootFrom(sha256, size, (level, index) => this.hashInTree(level, index)), root);
  }

  async hashInTree(level: number, index: number): Promise<Uint8Array> {
    const place = placeOf(level, index);
    const width = tileWidth(place.level, place.n, this.#head.size);
    return hashInTile(sha256, place, await this.hashTile({ level: place.level, n: place.n, width }));
  }
}
