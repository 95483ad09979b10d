/** The full check of a log: everything that a head implies is there, and right to the byte. */
import { concat, equalBytes, firstDifference } from '../core/bytes.ts';
import { CheckedChainCertificates } from './check-chain-certificates.ts';
import { CheckFailure, type LogProblem } from './check-failure.ts';
import { CheckedTiles, type CheckedEntry } from './check-tiles.ts';
import { entryFault, type EntryFault } from './entry-check.ts';
import type { TileLeaf } from './format/leaf.ts';
import { HASH_LENGTH } from '../tlog/format/merkle.ts';
import { hashInTile, TILE_WIDTH, tilePath, tileWidth, type Tile } from '../tlog/format/tile.ts';
import type { SctExtensions } from './log-identity.ts';
import { sha256 } from '../tlog/core/sha256.ts';
import type { LogSource } from './source.ts';
import { TreeEdge } from '../tlog/tree/tree-edge.ts';

/** The result of {@link checkLog}. */
export type CheckResult =
  | {
      readonly ok: true;
      readonly entries: number;
      readonly tiles: number;
      readonly chainCertificates: number;
    }
  | { readonly ok: false; readonly problem: LogProblem };

/** What the log is held to. */
export interface CheckOptions {
  /** A head that is known to be the log's. */
  readonly head: {
    readonly size: number;
    readonly root: Uint8Array;
    /** Milliseconds since the epoch; no entry may be later. */
    readonly timestamp: number | undefined;
  };
  /** Where that head is written, e.g. `checkpoint`. */
  readonly headName: string;
  readonly sctExtensions: SctExtensions | undefined;
  /** Called after each data tile with the number of entries checked so far. */
  readonly progress?: ((entries: number) => void) | undefined;
}

/**
 * Reads every data tile once, in order, and computes from it every hash tile and the root. Memory does not grow with
 * the log. Rejects only when the source cannot be read at all; everything found wrong is the result.
 */
export async function checkLog(source: LogSource, options: CheckOptions): Promise<CheckResult> {
  const check = new Check(source, options);
  try {
    await check.run();
    return {
      ok: true,
      entries: options.head.size,
      tiles: check.tiles,
      chainCertificates: check.chainCertificates,
    };
  } catch (error) {
    if (error instanceof CheckFailure) return { ok: false, problem: error.problem };
    throw error;
  }
}

/** A data tile with the level 0 tile that belongs to it. */
interface TilePair {
  readonly tile: Tile;
  readonly reads: readonly CheckedEntry[];
  readonly hashes: Uint8Array;
}

class Check {
  tiles = 0;
  readonly #read: CheckedTiles;
  readonly #options: CheckOptions;
  readonly #edge = new TreeEdge('data');
  readonly #chainCertificates: CheckedChainCertificates;
  #lastTimestamp = 0;

  constructor(source: LogSource, options: CheckOptions) {
    this.#read = new CheckedTiles(source, options.head);
    this.#options = options;
    this.#chainCertificates = new CheckedChainCertificates(source);
  }

  get chainCertificates(): number {
    return this.#chainCertificates.count;
  }

  async run(): Promise<void> {
    const { size, root } = this.#options.head;
    for (let n = 0; n * TILE_WIDTH < size; n++) {
      await this.#dataTile({ level: 'data', n, width: tileWidth('data', n, size) });
      this.#options.progress?.(Math.min((n + 1) * TILE_WIDTH, size));
    }
    await this.#partialUpperTiles(size);
    if (!equalBytes(this.#edge.root(), root)) {
      const message = `the root of the head is not that of the ${size} entries, which agree with each other`;
      throw new CheckFailure(this.#options.headName, message);
    }
  }

  /** A data tile, its level 0 tile, and the tiles above that end with it. */
  async #dataTile(tile: Tile): Promise<void> {
    const reads = await this.#read.entries(tile);
    const hashes = await this.#read.hashTile({ ...tile, level: 0 });
    for (const [i, read] of reads.entries()) {
      const stored = hashes.subarray(i * HASH_LENGTH, (i + 1) * HASH_LENGTH);
      await this.#entry({ tile, reads, hashes }, read, stored);
    }
    for (const { leafHash, bytes } of reads) this.#edge.append(leafHash, bytes);
    this.tiles += 2;
    if (tile.width === TILE_WIDTH) await this.#completed(tile.n);
  }

  async #entry(pair: TilePair, read: CheckedEntry, stored: Uint8Array): Promise<void> {
    const { index, offset } = read;
    const { tile } = pair;
    const leafHolds = equalBytes(read.leafHash, stored);
    if (!leafHolds && (await this.#hashIsWrong(pair, read))) {
      const at = (index % TILE_WIDTH) * HASH_LENGTH + firstDifference(stored, read.leafHash);
      const path = tilePath({ ...tile, level: 0 });
      throw new CheckFailure(
        this.#read.locate(path, at),
        `hash ${index % TILE_WIDTH} is not that of entry ${index}`,
      );
    }
    const unlike = { offset: 0, message: 'its hash is not that in the tree' };
    const fault =
      (await this.#fault(tile, read, leafHolds)) ?? (leafHolds ? this.#timeFault(read.entry) : unlike);
    if (fault === undefined) return;
    throw new CheckFailure(
      this.#read.locate(tilePath(tile), offset + fault.offset),
      `entry ${index}: ${fault.message}`,
    );
  }

  async #fault(tile: Tile, read: CheckedEntry, leafHolds: boolean): Promise<EntryFault | undefined> {
    const { sctExtensions } = this.#options;
    const caKey = await this.#chainCertificates.ofChain(read.entry.chainFingerprints, (at) => {
      const inEntry = read.bytes.length - read.entry.chainFingerprints.length + at;
      return `${this.#read.locate(tilePath(tile), read.offset + inEntry)} (chain of entry ${read.index})`;
    });
    const expected = { index: read.index, sctExtensions, caKey, leafHolds };
    const fault = entryFault(read.entry, expected);
    // A source may have computed the hash from this very entry: only the head says that a leaf holds.
    if (fault === undefined || !leafHolds || (await this.#read.rootHolds())) return fault;
    return entryFault(read.entry, { ...expected, leafHolds: false });
  }

  #timeFault({ timestamp }: TileLeaf): { offset: number; message: string } | undefined {
    const limit = this.#options.head.timestamp ?? Infinity;
    if (timestamp > limit) return { offset: 0, message: 'its time is after that of the head' };
    if (timestamp < this.#lastTimestamp)
      return { offset: 0, message: 'its time is before that of the entry before' };
    this.#lastTimestamp = timestamp;
    return undefined;
  }

  /** Of an entry and its stored hash that differ, the tiles above and the head show which one the tree was built
   * from. When they agree with neither, an entry without a fault of its own is believed. */
  async #hashIsWrong({ tile, reads, hashes }: TilePair, read: CheckedEntry): Promise<boolean> {
    if (tile.width === TILE_WIDTH) {
      const parent = await this.#read.hashInTree(8, tile.n);
      if (!equalBytes(rootOfTile(hashes), parent)) {
        if (equalBytes(rootOfTile(concat(reads.map(({ leafHash }) => leafHash))), parent)) return true;
        return (await this.#fault(tile, read, false)) === undefined;
      }
    }
    // What lies above may itself be computed from the stored hashes: only the head is independent of them.
    return !(await this.#read.rootHolds());
  }

  /** The hash tiles above level 0 that are full since data tile `n` is. */
  async #completed(n: number): Promise<void> {
    for (const { tile, bytes } of this.#edge.fullTiles(n)) {
      if (typeof tile.level === 'number' && tile.level > 0)
        this.#compare(tile, bytes, await this.#read.hashTile(tile));
    }
    this.#edge.drop(n);
  }

  async #partialUpperTiles(size: number): Promise<void> {
    for (let level = 1; TILE_WIDTH ** level <= size; level++) {
      const n = Math.floor(size / TILE_WIDTH ** (level + 1));
      const width = tileWidth(level, n, size);
      const computed = this.#edge.hashes(level, n, width);
      if (width === 0 || computed === undefined) continue;
      const tile = { level, n, width };
      this.#compare(tile, computed, await this.#read.hashTile(tile));
    }
  }

  #compare(tile: Tile, computed: Uint8Array, stored: Uint8Array): void {
    this.tiles++;
    if (equalBytes(computed, stored)) return;
    const at = firstDifference(computed, stored);
    const message = `hash ${Math.floor(at / HASH_LENGTH)} does not follow from the level below`;
    throw new CheckFailure(this.#read.locate(tilePath(tile), at), message);
  }
}

const rootOfTile = (hashes: Uint8Array): Uint8Array =>
  hashInTile(sha256, { level: 0, n: 0, first: 0, count: TILE_WIDTH }, hashes);
