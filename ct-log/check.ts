/** The full check of a log: everything that a head implies is there, and right to the byte. */
import { concat, equalBytes, firstDifference } from '../core/bytes.ts';
import { CheckedChainCertificates } from './check-chain-certificates.ts';
import { CheckFailure, type LogProblem } from './check-failure.ts';
import { CheckedTiles, type CheckedEntry } from './check-tiles.ts';
import {
  contentFault,
  entryFault,
  signatureFaultAside,
  type EntryExpectation,
  type EntryFault,
} from './entry-check.ts';
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
 * Reads every data tile once, in order, and computes from it every hash tile and the root. While the signatures of a tile are
 * checked in other threads, more entries are read, and no more than the next tile: memory does not grow with the log. Rejects only when the source cannot be read at all; everything found wrong is the result.
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

/** What is read of a data tile, and begins to be before the tile has its turn. */
interface Reading {
  readonly tile: Tile;
  readonly reads: Promise<readonly CheckedEntry[]>;
  readonly hashes: Promise<Uint8Array>;
}

/** Resolves to what is wrong with a signature; undefined when it holds. Never rejects. */
type SignatureVerdict = Promise<CheckFailure | undefined>;

/** Signatures that are checked in other threads at a time, or wait to be: enough for the threads that there are. */
const ASIDE = 64;

class Check {
  tiles = 0;
  readonly #read: CheckedTiles;
  readonly #options: CheckOptions;
  readonly #edge = new TreeEdge('data');
  readonly #chainCertificates: CheckedChainCertificates;
  /** Of the entries that were come to, but for those whose signature is known to hold. */
  readonly #verdicts: SignatureVerdict[] = [];
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
    try {
      let next = this.#begin(0);
      for (let n = 0; n * TILE_WIDTH < size; n++) {
        const reading = next;
        next = this.#begin(n + 1);
        await this.#dataTile(reading);
        this.#options.progress?.(Math.min((n + 1) * TILE_WIDTH, size));
      }
    } finally {
      // What is wrong with an entry before comes before what ended this.
      await this.#settle(0);
    }
    await this.#partialUpperTiles(size);
    if (!equalBytes(this.#edge.root(), root)) {
      const message = `the root of the head is not that of the ${size} entries, which agree with each other`;
      throw new CheckFailure(this.#options.headName, message);
    }
  }

  /** Waits until the signatures of all but the last `most` entries are checked. Throws the first failure, in the order of the entries. */
  async #settle(most: number): Promise<void> {
    while (this.#verdicts.length > most) {
      const failure = await this.#verdicts.shift();
      if (failure === undefined) continue;
      this.#verdicts.length = 0;
      throw failure;
    }
  }

  /** Begins to read data tile `n`, where there is one; what fails is thrown when the tile has its turn. */
  #begin(n: number): Reading | undefined {
    const { size } = this.#options.head;
    if (n * TILE_WIDTH >= size) return undefined;
    const tile = { level: 'data', n, width: tileWidth('data', n, size) } as const;
    const [reads, hashes] = [this.#read.entries(tile), this.#read.hashTile({ ...tile, level: 0 })];
    for (const read of [reads, hashes]) read.catch(() => undefined);
    return { tile, reads, hashes };
  }

  /** A data tile, its level 0 tile, and the tiles above that end with it. Its signatures begin to be checked. */
  async #dataTile(reading: Reading | undefined): Promise<void> {
    if (reading === undefined) return;
    const { tile } = reading;
    const reads = await reading.reads;
    const hashes = await reading.hashes;
    for (const [i, read] of reads.entries()) {
      const stored = hashes.subarray(i * HASH_LENGTH, (i + 1) * HASH_LENGTH);
      await this.#entry({ tile, reads, hashes }, read, stored);
    }
    for (const { leafHash, bytes } of reads) this.#edge.append(leafHash, bytes);
    this.tiles += 2;
    if (tile.width === TILE_WIDTH) await this.#completed(tile.n);
  }

  async #entry(pair: TilePair, read: CheckedEntry, stored: Uint8Array): Promise<void> {
    const { index } = read;
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
    const expected = await this.#expectation(tile, read, leafHolds);
    const content = await this.#contentFault(read, expected);
    if (content !== undefined) throw this.#failure(tile, read, content);
    this.#verdicts.push(
      signatureFaultAside(read.entry, expected.caKey).then(
        (fault) => fault && this.#failure(tile, read, fault),
      ),
    );
    await this.#settle(ASIDE);
    const unlike = { offset: 0, message: 'its hash is not that in the tree' };
    const fault = leafHolds ? this.#timeFault(read.entry) : unlike;
    if (fault !== undefined) throw this.#failure(tile, read, fault);
  }

  #failure(tile: Tile, { index, offset }: CheckedEntry, fault: EntryFault): CheckFailure {
    const where = this.#read.locate(tilePath(tile), offset + fault.offset);
    return new CheckFailure(where, `entry ${index}: ${fault.message}`);
  }

  async #expectation(tile: Tile, read: CheckedEntry, leafHolds: boolean): Promise<EntryExpectation> {
    const { sctExtensions } = this.#options;
    const caKey = await this.#chainCertificates.ofChain(read.entry.chainFingerprints, (at) => {
      const inEntry = read.bytes.length - read.entry.chainFingerprints.length + at;
      return `${this.#read.locate(tilePath(tile), read.offset + inEntry)} (chain of entry ${read.index})`;
    });
    return { index: read.index, sctExtensions, caKey, leafHolds };
  }

  async #contentFault({ entry }: CheckedEntry, expected: EntryExpectation): Promise<EntryFault | undefined> {
    const fault = contentFault(entry, expected);
    // A source may have computed the hash from this very entry: only the head says that a leaf holds.
    if (fault === undefined || !expected.leafHolds || (await this.#read.rootHolds())) return fault;
    return contentFault(entry, { ...expected, leafHolds: false });
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
        const expected = await this.#expectation(tile, read, false);
        return entryFault(read.entry, expected) === undefined;
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
