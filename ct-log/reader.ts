/**
 * The read side: static-ct-api resources and RFC 6962 answers, all at the newest signed head. Bytes and plain objects
 * in the shape of the JSON answers; statuses and headers are the server's. Ranges are checked here.
 */
import { equalBytes, toHex } from '../core/bytes.ts';
import { FormatError } from '../core/errors.ts';
import { encodeDigitallySigned } from './format/digitally-signed.ts';
import type { TileLeaf } from './format/leaf.ts';
import { logV3Json, type LogDescription } from './format/log-v3-json.ts';
import { consistencyProof, inclusionProof, type HashReader } from './format/merkle-proof.ts';
import { HASH_LENGTH } from './format/merkle.ts';
import { hashesFromTiles, parseTilePath, TILE_WIDTH, tileWidth, type Tile } from './format/tile.ts';
import { entryJson, type EntryJson } from './entry-json.ts';
import type { HashIndex } from './hash-index.ts';
import type { SignedHead } from './head-signer.ts';
import { issuerPath } from './issuers.ts';
import { LogReadError } from './log-error.ts';
import type { LogIdentity } from './log-identity.ts';
import { sha256 } from './sha256.ts';
import type { TileStore } from './tile-store.ts';
import type { TreeTiles } from './tree-tiles.ts';

/** Entries of one get-entries answer, at most. */
export const MAX_ENTRIES = 1000;
/** Bytes of leaf and chain in one get-entries answer, beyond which it ends (but it has at least one entry). */
export const MAX_ENTRIES_BYTES = 4 * 1024 * 1024;

/** RFC 6962 §4.3. */
export interface SthJson {
  readonly tree_size: number;
  readonly timestamp: number;
  readonly sha256_root_hash: string;
  readonly tree_head_signature: string;
}

/** Every method throws {@link LogReadError}: `BAD_PARAMETER` when the tree is not that large or the question is
 * wrong, `NOT_FOUND` when there is no such thing, `NOT_READY` while the hash index is being rebuilt. */
export interface LogReader {
  /** The newest signed checkpoint; text/plain. */
  checkpoint(): Uint8Array;
  /** `path` as in static-ct-api: `tile/0/000`, `tile/data/000.p/7`, … A partial tile of any width that the tree has
   * reached is there, also after the tile is full. */
  tile(path: string): Promise<Uint8Array>;
  /** DER of the certificate with that SHA-256, 64 lower-case hexadecimal digits. */
  issuer(hex: string): Promise<Uint8Array>;
  getSth(): SthJson;
  getSthConsistency(first: number, second: number): Promise<{ readonly consistency: readonly string[] }>;
  getProofByHash(
    hash: Uint8Array,
    treeSize: number,
  ): Promise<{ readonly leaf_index: number; readonly audit_path: readonly string[] }>;
  /** Entries `start` … `end`, both included; fewer when the tree ends or the answer would be too large. */
  getEntries(start: number, end: number): Promise<{ readonly entries: readonly EntryJson[] }>;
  getEntryAndProof(
    index: number,
    treeSize: number,
  ): Promise<EntryJson & { readonly audit_path: readonly string[] }>;
  getRoots(): { readonly certificates: readonly string[] };
  /** The object of `log.v3.json`. */
  logV3Json(about: Pick<LogDescription, 'url' | 'intendedUse' | 'software'>): Record<string, unknown>;
}

/** What a reader reads from. */
export interface ReaderParts {
  readonly identity: LogIdentity;
  /** The newest signed head. */
  readonly head: () => SignedHead;
  readonly tiles: TreeTiles;
  readonly store: TileStore;
  readonly index: HashIndex;
  /** DER, issuing CA first, root last. */
  readonly issuers: readonly Uint8Array[];
}

const base64 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64');

const badParameter = (message: string): LogReadError => new LogReadError('BAD_PARAMETER', message);

/** Makes the read side of an open log. */
export function logReader(parts: ReaderParts): LogReader {
  const reads = new TreeReads(parts);
  const { identity, head, issuers } = parts;
  return {
    checkpoint: () => head().checkpoint,
    tile: (path) => reads.tile(path),
    issuer: (hex) => reads.issuer(hex),
    getSth: () => sthJson(head()),
    getSthConsistency: (first, second) => reads.consistency(first, second),
    getProofByHash: (hash, treeSize) => reads.proofByHash(hash, treeSize),
    getEntries: (start, end) => reads.entries(start, end),
    getEntryAndProof: (index, treeSize) => reads.entryAndProof(index, treeSize),
    getRoots: () => ({ certificates: issuers.slice(-1).map(base64) }),
    logV3Json: (about) => logV3Json({ ...identity, ...about }),
  };
}

function sthJson({ head, treeHeadSignature }: SignedHead): SthJson {
  return {
    tree_size: head.size,
    timestamp: head.timestamp,
    sha256_root_hash: base64(head.root),
    tree_head_signature: base64(encodeDigitallySigned(treeHeadSignature)),
  };
}

class TreeReads {
  readonly #parts: ReaderParts;
  readonly #issuers = new Map<string, Uint8Array>();

  constructor(parts: ReaderParts) {
    this.#parts = parts;
    for (const certificate of parts.issuers) this.#issuers.set(toHex(sha256(certificate)), certificate);
  }

  get #size(): number {
    return this.#parts.head().head.size;
  }

  async tile(path: string): Promise<Uint8Array> {
    const tile = tileOf(path);
    if (tile.width > tileWidth(tile.level, tile.n, this.#size)) {
      throw new LogReadError('NOT_FOUND', 'the tree is not that large yet');
    }
    return this.#parts.tiles.tile(tile);
  }

  async issuer(hex: string): Promise<Uint8Array> {
    const known = this.#issuers.get(hex);
    if (known !== undefined) return known;
    const stored = /^[0-9a-f]{64}$/.test(hex) ? await this.#parts.store.get(issuerPath(hex)) : undefined;
    if (stored === undefined) throw new LogReadError('NOT_FOUND', 'no entry names an issuer with this hash');
    return stored;
  }

  async consistency(first: number, second: number): Promise<{ consistency: string[] }> {
    if (!isCount(first) || !isCount(second) || first > second)
      throw badParameter('first must not exceed second');
    this.#requireSize(second);
    const proof = await consistencyProof(sha256, first, second, this.#hashes(second));
    return { consistency: proof.map(base64) };
  }

  async proofByHash(
    hash: Uint8Array,
    treeSize: number,
  ): Promise<{ leaf_index: number; audit_path: string[] }> {
    if (hash.length !== HASH_LENGTH) throw badParameter('a leaf hash has 32 bytes');
    this.#requireTree(treeSize);
    const index = await this.#find(hash, treeSize);
    return { leaf_index: index, audit_path: await this.#auditPath(index, treeSize) };
  }

  async #find(hash: Uint8Array, treeSize: number): Promise<number> {
    const candidates = await this.#parts.index.candidates(hash);
    if (candidates === undefined) {
      throw new LogReadError('NOT_READY', 'the index of leaf hashes is being rebuilt', {
        hint: 'Try again soon.',
      });
    }
    for (const index of candidates) {
      if (index < treeSize && equalBytes(await this.#hashes(this.#size)(0, index), hash)) return index;
    }
    throw new LogReadError('NOT_FOUND', 'no entry of this tree has this leaf hash');
  }

  async entries(start: number, end: number): Promise<{ entries: EntryJson[] }> {
    if (!isCount(start) || !isCount(end) || start > end) throw badParameter('start must not exceed end');
    if (start >= this.#size)
      throw badParameter(`the tree has ${this.#size} entries; start must be below that`);
    const stop = Math.min(end + 1, this.#size, start + MAX_ENTRIES);
    const entries: EntryJson[] = [];
    let bytes = 0;
    for (let at = start; at < stop && (bytes < MAX_ENTRIES_BYTES || entries.length === 0);) {
      const tile = await this.#entriesFrom(at, stop);
      for (const entry of tile) {
        if (bytes >= MAX_ENTRIES_BYTES) break;
        const json = await this.#entryJson(entry);
        bytes += json.leaf_input.length + json.extra_data.length;
        entries.push(json);
      }
      at += tile.length;
    }
    return { entries };
  }

  /** The entries from `start` to the end of its data tile, or to `stop`. */
  async #entriesFrom(start: number, stop: number): Promise<TileLeaf[]> {
    const n = Math.floor(start / TILE_WIDTH);
    const width = Math.min(TILE_WIDTH, stop - n * TILE_WIDTH);
    return (await this.#parts.tiles.entries(n, width)).slice(start - n * TILE_WIDTH);
  }

  async entryAndProof(index: number, treeSize: number): Promise<EntryJson & { audit_path: string[] }> {
    this.#requireTree(treeSize);
    if (!isCount(index) || index >= treeSize) throw badParameter('leaf_index must be below tree_size');
    const [entry] = await this.#entriesFrom(index, index + 1);
    if (entry === undefined) throw badParameter('leaf_index must be below tree_size');
    return { ...(await this.#entryJson(entry)), audit_path: await this.#auditPath(index, treeSize) };
  }

  #entryJson(entry: TileLeaf): Promise<EntryJson> {
    return entryJson(entry, async (hash) => {
      const hex = toHex(hash);
      const certificate = await this.issuer(hex);
      this.#issuers.set(hex, certificate);
      return certificate;
    });
  }

  async #auditPath(index: number, treeSize: number): Promise<string[]> {
    return (await inclusionProof(sha256, index, treeSize, this.#hashes(treeSize))).map(base64);
  }

  #hashes(size: number): HashReader {
    return hashesFromTiles(sha256, size, (tile) => this.#parts.tiles.tile(tile));
  }

  #requireTree(treeSize: number): void {
    if (!isCount(treeSize) || treeSize === 0) throw badParameter('tree_size must be at least 1');
    this.#requireSize(treeSize);
  }

  #requireSize(size: number): void {
    if (size > this.#size) throw badParameter(`the tree has ${this.#size} entries, not ${size}`);
  }
}

const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;

function tileOf(path: string): Tile {
  try {
    return parseTilePath(path);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new LogReadError('NOT_FOUND', error.message);
  }
}
