/**
 * The entries of a log, each held to the head: their leaf hashes must lead to its root. So the one who serves the tiles
 * can leave out, add or change nothing unseen. A reader of all entries hashes each once, and reads one hash tile in 65,536.
 */
import { concat, equalBytes } from '../core/bytes.ts';
import { FormatError } from '../core/errors.ts';
import type { TileLeaf } from './format/leaf.ts';
import { hashLeaf, HASH_LENGTH } from '../tlog/format/merkle.ts';
import { rootFrom } from '../tlog/format/merkle-proof.ts';
import { hashInTile, TILE_WIDTH, tilePath, tileWidth, placeOf } from '../tlog/format/tile.ts';
import { LogError, LogReadError } from '../tlog/core/log-error.ts';
import { sha256 } from '../tlog/core/sha256.ts';
import type { LogSource } from './source.ts';
import { TILE_LEAVES } from './tile-leaves.ts';
import { readEntries } from '../tlog/tree/entry-bundle.ts';

/** A head that is known to be the log's. */
export interface KnownHead {
  readonly size: number;
  readonly root: Uint8Array;
}

/** Reads data tiles. Every method rejects with {@link LogError} `LOG_CORRUPT` when what is served does not lead to the head,
 * and as the source does when it cannot be read. */
export class ProvenEntries {
  readonly #source: LogSource;
  readonly #head: KnownHead;
  /** The hash tile that was read last of each level; the right-most ones are kept, as the root was computed from them. */
  readonly #last = new Map<number, { readonly n: number; readonly bytes: Uint8Array }>();
  readonly #edge = new Map<number, Uint8Array>();
  #isEdgeProven = false;

  constructor(source: LogSource, head: KnownHead) {
    this.#source = source;
    this.#head = head;
  }

  /** How many data tiles the tree has. */
  get tiles(): number {
    return Math.ceil(this.#head.size / TILE_WIDTH);
  }

  /** The entries of data tile `n`. */
  async tile(n: number): Promise<TileLeaf[]> {
    const width = tileWidth('data', n, this.#head.size);
    const path = tilePath({ level: 'data', n, width });
    const entries = this.#parse(path, await this.#read(path), width);
    const hashes = concat(entries.map(({ leaf }) => hashLeaf(sha256, leaf)));
    if (!equalBytes(hashes, await this.#expected(n, width, hashes)))
      throw this.#corrupt(`${path} does not hold the entries that the head covers`);
    return entries;
  }

  /** The leaf hashes that the tree has there: those that are given where they give the hash above them. */
  async #expected(n: number, width: number, given: Uint8Array): Promise<Uint8Array> {
    if (width < TILE_WIDTH) return this.#hashTile(0, n);
    return equalBytes(foldTile(given), await this.#hashAbove(0, n)) ? given : new Uint8Array();
  }

  /** The hash over tile `n` of `level`, which is full, as it stands one level above. */
  async #hashAbove(level: number, n: number): Promise<Uint8Array> {
    const tile = await this.#hashTile(level + 1, Math.floor(n / TILE_WIDTH));
    const at = (n % TILE_WIDTH) * HASH_LENGTH;
    return tile.subarray(at, at + HASH_LENGTH);
  }

  /** A hash tile that leads to the root. */
  async #hashTile(level: number, n: number): Promise<Uint8Array> {
    await this.#proveEdge();
    const width = tileWidth(level, n, this.#head.size);
    const edge = width < TILE_WIDTH ? this.#edge.get(level) : undefined;
    if (edge !== undefined) return edge;
    const last = this.#last.get(level);
    if (last?.n === n) return last.bytes;
    const bytes = await this.#readHashes(level, n, width);
    if (!equalBytes(foldTile(bytes), await this.#hashAbove(level, n)))
      throw this.#corrupt(`${tilePath({ level, n, width })} does not lead to the head`);
    this.#last.set(level, { n, bytes });
    return bytes;
  }

  /** Computes the root from the tiles at the right edge, which are not full: all of their hashes go into it. */
  async #proveEdge(): Promise<void> {
    const { size, root } = this.#head;
    if (this.#isEdgeProven || size === 0) return;
    const computed = await rootFrom(sha256, size, async (level, index) => {
      const place = placeOf(level, index);
      const width = tileWidth(place.level, place.n, size);
      const bytes = this.#edge.get(place.level) ?? (await this.#readHashes(place.level, place.n, width));
      this.#edge.set(place.level, bytes);
      return hashInTile(sha256, place, bytes);
    });
    if (!equalBytes(computed, root)) throw this.#corrupt('its hash tiles do not give the root of the head');
    this.#isEdgeProven = true;
  }

  async #readHashes(level: number, n: number, width: number): Promise<Uint8Array> {
    const path = tilePath({ level, n, width });
    const bytes = await this.#read(path);
    const length = width * HASH_LENGTH;
    if (bytes.length < length) throw this.#corrupt(`${path} has ${bytes.length} bytes, not ${length}`);
    return bytes.subarray(0, length);
  }

  async #read(path: string): Promise<Uint8Array> {
    return this.#source.tile(path).catch((error: unknown) => {
      if (error instanceof LogReadError) throw this.#corrupt(`${path} is missing`);
      throw error;
    });
  }

  #parse(path: string, bytes: Uint8Array, width: number): TileLeaf[] {
    try {
      return readEntries(TILE_LEAVES, bytes, width);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      throw this.#corrupt(`${path} is damaged (${error.message})`);
    }
  }

  #corrupt(what: string): LogError {
    return new LogError('LOG_CORRUPT', `the log in ${this.#source.name} is wrong: ${what}`, {
      hint: 'Run `mayfly log check` to see all of it. Nothing is shown that the head does not cover.',
    });
  }
}

const foldTile = (hashes: Uint8Array): Uint8Array =>
  hashInTile(sha256, { level: 0, n: 0, first: 0, count: TILE_WIDTH }, hashes);
