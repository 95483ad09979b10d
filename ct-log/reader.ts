/**
 * The read side: static-ct-api resources and RFC 6962 answers, all at the newest signed head. Bytes and plain objects
 * in the shape of the JSON answers; statuses and headers are the server's.
 */
import { FormatError } from '../core/errors.ts';
import type { EntryJson } from './entry-json.ts';
import { treeHeadSignatureIn } from './format/tree-head.ts';
import { logV3Json, type LogDescription } from './format/log-v3-json.ts';
import { parseTilePath, tileWidth, type Tile } from '../tlog/format/tile.ts';
import type { TileLeaf } from './format/leaf.ts';
import type { PublishedTree } from '../tlog/published-tree.ts';
import type { SignedHead } from '../tlog/sequence/head-signer.ts';
import { LogReadError } from '../tlog/core/log-error.ts';
import type { CtLogIdentity } from './log-identity.ts';
import { EntryReads } from './read-entries.ts';
import { badParameter, isCount, requireTree } from './read-parameters.ts';
import { ProofReads } from './read-proofs.ts';

/** RFC 6962 §4.3. */
interface SthJson {
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
  /** The newest checkpoint that a quorum of witnesses has cosigned, which may be of fewer entries; text/plain. */
  witnessedCheckpoint(): Uint8Array;
  /** `path` as in static-ct-api: `tile/0/000`, `tile/data/000.p/7`, … A partial tile of any width that the tree has
   * reached is there, also after the tile is full. */
  tile(path: string): Promise<Uint8Array>;
  /** DER of the certificate with that SHA-256, 64 lower-case hexadecimal digits. */
  chainCertificate(hex: string): Promise<Uint8Array>;
  getSth(): SthJson;
  getSthConsistency(first: number, second: number): Promise<{ readonly consistency: readonly string[] }>;
  /** Whether the entry with that leaf hash is under the newest signed head; `index`: where it says that it is. */
  holds(leafHash: Uint8Array, index?: number): Promise<boolean>;
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

const base64 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64');

/** Makes the read side of an open log; `chain` is that of its CA, DER, issuing CA first, root last, and `acceptedRoots` (DER) are those of others whose certificates it takes. */
export function logReader(
  identity: CtLogIdentity,
  tree: PublishedTree<TileLeaf>,
  chain: readonly Uint8Array[],
  acceptedRoots: readonly Uint8Array[] = [],
): LogReader {
  const { head, tiles, frozenAt } = tree;
  const size = (): number => head().head.size;
  const proofs = new ProofReads(tiles, tree.index, size);
  const entries = new EntryReads(tree, chain, size);
  return {
    checkpoint: () => head().checkpoint,
    witnessedCheckpoint: () => witnessedIn(tree),
    tile: async (path) => tiles.tile(reachedTile(path, size())),
    chainCertificate: (hex) => entries.chainCertificate(hex),
    getSth: () => sthJson(head()),
    getSthConsistency: (first, second) => proofs.consistency(first, second),
    holds: (leafHash, index) => proofs.holds(leafHash, index),
    getProofByHash: (hash, treeSize) => proofs.byHash(hash, treeSize),
    getEntries: (start, end) => entries.entries(start, end),
    async getEntryAndProof(at, treeSize) {
      requireTree(treeSize, size());
      if (!isCount(at) || at >= treeSize) throw badParameter('leaf_index must be below tree_size');
      return { ...(await entries.entry(at)), audit_path: await proofs.auditPath(at, treeSize) };
    },
    getRoots: () => ({ certificates: [...chain.slice(-1), ...acceptedRoots].map(base64) }),
    logV3Json: (about) =>
      logV3Json({
        ...identity,
        ...about,
        final: frozenAt === undefined ? undefined : { ...head().head, frozenAt },
      }),
  };
}

function witnessedIn({ witnessed }: PublishedTree<TileLeaf>): Uint8Array {
  const newest = witnessed?.();
  if (newest !== undefined) return newest.checkpoint;
  const why =
    witnessed === undefined ? 'the log has no witnesses' : 'no quorum of witnesses has cosigned a head';
  throw new LogReadError('NOT_FOUND', why);
}

function sthJson({ head, signatures: [ecdsa] }: SignedHead): SthJson {
  return {
    tree_size: head.size,
    timestamp: head.timestamp,
    sha256_root_hash: base64(head.root),
    tree_head_signature: base64(treeHeadSignatureIn(ecdsa?.signature ?? new Uint8Array())),
  };
}

/** The tile of a path in the tree of `size` entries; throws {@link LogReadError} `NOT_FOUND`. */
function reachedTile(path: string, size: number): Tile {
  const tile = tileOf(path);
  if (tile.width <= tileWidth(tile.level, tile.n, size)) return tile;
  throw new LogReadError('NOT_FOUND', 'the tree is not that large yet');
}

function tileOf(path: string): Tile {
  try {
    return parseTilePath(path, 'data');
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new LogReadError('NOT_FOUND', error.message);
  }
}
