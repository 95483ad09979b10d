/** Tiles of a log that is not believed, each proven to be of the tree that a signed head has before anybody uses it. */
import { equalBytes, toHex } from '../core/bytes.ts';
import { FormatError } from '../core/errors.ts';
import { LogError, LogReadError } from '../tlog/core/log-error.ts';
import { sha256 } from '../tlog/core/sha256.ts';
import type { EntryFormat, StoredEntry } from '../tlog/format/entry-format.ts';
import { emptyRoot, hashLeaf, HASH_LENGTH } from '../tlog/format/merkle.ts';
import { consistencyProof, rootFrom, type HashReader } from '../tlog/format/merkle-proof.ts';
import { hashInTile, placeOf, TILE_WIDTH, tilePath, tileWidth, type Tile } from '../tlog/format/tile.ts';
import { readEntries } from '../tlog/tree/entry-bundle.ts';
import { chainCertificatePath } from './chain-certificates.ts';
import type { LogSource } from './source.ts';

/** Something that a log serves and that its signed head contradicts. */
export class WrongFile extends LogError {
  readonly path: string;
  readonly bytes: Uint8Array;

  constructor(source: string, path: string, bytes: Uint8Array, problem: string) {
    super('LOG_CORRUPT', `${path} of ${source} is not of the tree that its head signs: ${problem}`, {
      hint: 'The log, or a server on the way to it, serves what was never signed. Ask again from another network, and compare.',
    });
    this.path = path;
    this.bytes = bytes;
  }
}

/** A bundle whose entries are those of the tree. */
export interface ProvenBundle<Stored extends StoredEntry> {
  /** Exactly the entries, nothing behind them. */
  readonly bytes: Uint8Array;
  readonly entries: readonly Stored[];
  /** Entries that the log withholds: their place is there, their hash is proven, their content is not served. */
  readonly withheld: number;
}

/** What the tiles are proven by. */
interface ProvenHead {
  readonly size: number;
  readonly root: Uint8Array;
}

/** Hash tiles that are kept in memory, 8 KB each. */
const CACHED = 64;

/** 256 tiles of 256 hashes on six levels. */
const MOST_ENTRIES = TILE_WIDTH ** 6;

/**
 * The tiles of a log at one head, whose signature was checked. The partial tiles at the right edge have to give its root; each full tile
 * has to have the hash that the tile above it says, and each bundle of entries the hashes of its tile of level 0. So nothing is returned that the head does not sign, and memory does not grow with the log.
 * Methods reject with {@link WrongFile} for what is of another tree, with LogError `LOG_STORAGE` for what is not served, and as the source does.
 */
export class ProvenTiles<Stored extends StoredEntry = StoredEntry> {
  readonly #source: LogSource;
  readonly #head: ProvenHead;
  readonly #format: EntryFormat<Stored>;
  #edge: Promise<ReadonlyMap<number, Uint8Array>> | undefined;
  readonly #cache = new Map<string, Promise<Uint8Array>>();

  constructor(source: LogSource, format: EntryFormat<Stored>, head: ProvenHead) {
    this.#source = source;
    this.#format = format;
    this.#head = head;
  }

  /** The hash tile, as wide as the tree has it. */
  tile(level: number, n: number): Promise<Uint8Array> {
    const width = tileWidth(level, n, this.#head.size);
    if (width < TILE_WIDTH) return this.#edgeTile(level);
    const key = `${level}/${n}`;
    const known = this.#cache.get(key) ?? this.#fullTile(level, n);
    // Last used, last out: a Map keeps the order in which keys were set.
    this.#cache.delete(key);
    this.#cache.set(key, known);
    // One that failed is asked for again.
    known.catch(() => this.#cache.delete(key));
    const oldest = this.#cache.keys().next();
    if (this.#cache.size > CACHED && oldest.done !== true) this.#cache.delete(oldest.value);
    return known;
  }

  /** The bundle of entries `n`, as wide as the tree has it. */
  async bundle(n: number): Promise<ProvenBundle<Stored>> {
    const { size } = this.#head;
    const path = tilePath({ level: this.#format.bundle, n, width: tileWidth(0, n, size) });
    const [hashes, served] = await Promise.all([this.tile(0, n), this.#served(path)]);
    const entries = this.#entriesOf(path, served, tileWidth(0, n, size));
    let withheld = 0;
    for (const [i, { leaf }] of entries.entries()) {
      const hash = hashes.subarray(i * HASH_LENGTH, (i + 1) * HASH_LENGTH);
      if (equalBytes(hashLeaf(sha256, leaf), hash)) continue;
      if (leaf.length > 0)
        throw this.#wrong(path, served, `entry ${n * TILE_WIDTH + i} is another than the tree has`);
      withheld++;
    }
    return { bytes: served.subarray(0, entries.at(-1)?.next ?? 0), entries, withheld };
  }

  /** The certificate with that SHA-256 in hexadecimal, DER. */
  async chainCertificate(hex: string): Promise<Uint8Array> {
    const path = chainCertificatePath(hex);
    const bytes = await this.#orMissing(path, this.#source.chainCertificate(hex));
    if (toHex(sha256(bytes)) === hex) return bytes;
    throw this.#wrong(path, bytes, 'it has another hash than its name');
  }

  /** The root of the first `size` entries of the tree. Throws RangeError for more than it has. */
  async rootAt(size: number): Promise<Uint8Array> {
    if (size > this.#head.size) throw new RangeError('the tree is not that large');
    if (size === this.#head.size) await this.proveEdge();
    return size === 0 ? emptyRoot(sha256) : rootFrom(sha256, size, this.#hashes);
  }

  /** The proof that the tree continues that of its first `size` entries. */
  consistency(size: number): Promise<readonly Uint8Array[]> {
    return consistencyProof(sha256, size, this.#head.size, this.#hashes);
  }

  /** Reads the right edge and holds it to the root. */
  async proveEdge(): Promise<void> {
    await (this.#edge ??= this.#readEdge());
  }

  readonly #hashes: HashReader = async (level, index) => {
    const place = placeOf(level, index);
    return hashInTile(sha256, place, await this.tile(place.level, place.n));
  };

  async #edgeTile(level: number): Promise<Uint8Array> {
    const edge = await (this.#edge ??= this.#readEdge());
    const bytes = edge.get(level);
    if (bytes !== undefined) return bytes;
    throw new RangeError('the tree has no such tile');
  }

  /** The partial tile of each level: together they are what the root is computed from. */
  async #readEdge(): Promise<ReadonlyMap<number, Uint8Array>> {
    const { size, root } = this.#head;
    if (size >= MOST_ENTRIES)
      throw new LogError('LOG_CORRUPT', `the head of ${this.#source.name} says that it has ${size} entries`);
    const levels = Array.from({ length: 6 }, (_, level) => edgeTileOf(level, size)).filter(
      ({ width }) => width > 0,
    );
    const read = await Promise.all(levels.map((tile) => this.#exact(tile)));
    const edge = new Map(levels.map(({ level }, i) => [level, read[i] ?? new Uint8Array()]));
    const hashes: HashReader = (level, index) => {
      const place = placeOf(level, index);
      return hashInTile(sha256, place, edge.get(place.level) ?? new Uint8Array());
    };
    const computed = size === 0 ? emptyRoot(sha256) : await rootFrom(sha256, size, hashes);
    if (equalBytes(computed, root)) return edge;
    const [lowest] = levels;
    const path = lowest === undefined ? 'checkpoint' : tilePath(lowest);
    throw this.#wrong(
      path,
      read[0] ?? new Uint8Array(),
      'with the partial tiles above it, it has another root',
    );
  }

  async #fullTile(level: number, n: number): Promise<Uint8Array> {
    const tile = { level, n, width: TILE_WIDTH };
    const above = Math.floor(n / TILE_WIDTH);
    const at = (n % TILE_WIDTH) * HASH_LENGTH;
    const [bytes, parent] = await Promise.all([this.#exact(tile), this.tile(level + 1, above)]);
    const hash = hashInTile(sha256, { level, n, first: 0, count: TILE_WIDTH }, bytes);
    if (equalBytes(hash, parent.subarray(at, at + HASH_LENGTH))) return bytes;
    throw this.#wrong(tilePath(tile), bytes, 'its hash is not that in the tile above it');
  }

  /** A source may answer a partial tile with the full one, of which it is the beginning. */
  async #exact(tile: Tile): Promise<Uint8Array> {
    const path = tilePath(tile);
    const bytes = await this.#served(path);
    const length = tile.width * HASH_LENGTH;
    if (bytes.length === length || bytes.length === TILE_WIDTH * HASH_LENGTH)
      return bytes.subarray(0, length);
    throw this.#wrong(path, bytes, `it has ${bytes.length} bytes, not ${length}`);
  }

  #entriesOf(path: string, bytes: Uint8Array, width: number): readonly Stored[] {
    try {
      const entries = readEntries(this.#format, bytes, width);
      if (width < TILE_WIDTH || entries.at(-1)?.next === bytes.length) return entries;
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      throw this.#wrong(path, bytes, `it does not have ${width} entries (${error.message})`);
    }
    throw this.#wrong(path, bytes, `bytes follow its last entry`);
  }

  #served(path: string): Promise<Uint8Array> {
    return this.#orMissing(path, this.#source.tile(path));
  }

  /** That a server does not have a file now proves nothing. */
  #orMissing(path: string, file: Promise<Uint8Array>): Promise<Uint8Array> {
    return file.catch((cause: unknown) => {
      if (!(cause instanceof LogReadError)) throw cause;
      const { name } = this.#source;
      const message = `${name} does not serve ${path}, which the tree of its head with ${this.#head.size} entries has`;
      throw new LogError('LOG_STORAGE', message, {
        cause,
        hint: 'A server that is behind has it soon; a log that removed its first entries cannot be copied any more.',
      });
    });
  }

  #wrong(path: string, bytes: Uint8Array, problem: string): WrongFile {
    return new WrongFile(this.#source.name, path, bytes, problem);
  }
}

function edgeTileOf(level: number, size: number): { level: number; n: number; width: number } {
  const n = Math.floor(size / TILE_WIDTH ** (level + 1));
  return { level, n, width: tileWidth(level, n, size) };
}
