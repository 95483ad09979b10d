/** The certificate log as it is searched. */
import { equalBytes } from '../core/bytes.ts';
import type { TileLeaf } from '../ct-log/format/leaf.ts';
import { LogError } from '../tlog/core/log-error.ts';
import { sha256 } from '../tlog/core/sha256.ts';
import { HASH_LENGTH, hashLeaf } from '../tlog/format/merkle.ts';
import { TILE_WIDTH, tilePath } from '../tlog/format/tile.ts';
import type { PublishedTree } from '../tlog/published-tree.ts';
import type { SearchedLog } from './search-index.ts';
import type { SearchedEntry } from './search-keys.ts';

/** An entry of it. */
export interface CertificateEntry extends SearchedEntry {
  readonly leaf: TileLeaf;
}

/** The log at its newest signed head. Reads reject with LogError `LOG_CORRUPT` where an entry is not the one of the tree. */
export function searchedCertificates(
  tree: Pick<PublishedTree<TileLeaf>, 'head' | 'tiles'>,
): SearchedLog<CertificateEntry> {
  const size = (): number => tree.head().head.size;
  const from = async (start: number, stop: number): Promise<readonly CertificateEntry[]> => {
    const n = Math.floor(start / TILE_WIDTH);
    const first = n * TILE_WIDTH;
    const width = Math.min(TILE_WIDTH, stop - first);
    const [leaves, hashes] = await Promise.all([
      tree.tiles.entries(n, width),
      tree.tiles.tile({ level: 0, n, width }),
    ]);
    return leaves.slice(start - first).map((leaf, i) => {
      const at = (start - first + i) * HASH_LENGTH;
      return certificateEntry(leaf, start + i, hashes.subarray(at, at + HASH_LENGTH));
    });
  };
  return {
    size,
    entriesFrom: async (first) => (first < size() ? from(first, size()) : []),
    entryAt: async (index) => (index < size() ? (await from(index, index + 1))[0] : undefined),
  };
}

function certificateEntry(leaf: TileLeaf, index: number, leafHash: Uint8Array): CertificateEntry {
  if (!equalBytes(hashLeaf(sha256, leaf.leaf), leafHash)) {
    const path = tilePath({ level: 'data', n: Math.floor(index / TILE_WIDTH), width: TILE_WIDTH });
    throw new LogError('LOG_CORRUPT', `entry ${index} is damaged: its hash is another`, {
      hint: `Restore ${path} from a copy of the log; \`mayfly log check\` says more.`,
    });
  }
  const { leaf: body, precertificate } = leaf;
  return { index, leafHash, body, namedDigests: [], precertificate, leaf };
}
