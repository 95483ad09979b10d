/** Logs whose tiles can be read: entries, and proofs that are computed from hashes. */
import { FormatError } from '../../../core/errors.ts';
import type { LogSource } from '../../../ct-log/source.ts';
import { LogError } from '../../../tlog/core/log-error.ts';
import { sha256 } from '../../../tlog/core/sha256.ts';
import type { EntryFormat, StoredEntry } from '../../../tlog/format/entry-format.ts';
import { HASH_LENGTH } from '../../../tlog/format/merkle.ts';
import { consistencyProof, inclusionProof, type HashReader } from '../../../tlog/format/merkle-proof.ts';
import { hashesFromTiles, TILE_WIDTH, tilePath } from '../../../tlog/format/tile.ts';
import { readEntries } from '../../../tlog/tree/entry-bundle.ts';
import type { FollowedLog } from './followed-log.ts';

type TileSource = Pick<LogSource, 'name' | 'tile'>;

/** The bundle with the entry `first` of a tree of `size` entries. Rejects with LogError `LOG_CORRUPT` for what is none. */
export async function bundleOf<Stored extends StoredEntry>(
  source: TileSource,
  format: EntryFormat<Stored>,
  first: number,
  size: number,
): Promise<{ readonly start: number; readonly entries: readonly Stored[] }> {
  const n = Math.floor(first / TILE_WIDTH);
  const start = n * TILE_WIDTH;
  const width = Math.min(TILE_WIDTH, size - start);
  const path = tilePath({ level: format.bundle, n, width });
  try {
    return { start, entries: readEntries(format, await source.tile(path), width) };
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new LogError('LOG_CORRUPT', `${path} of ${source.name} is damaged: ${error.message}`);
  }
}

/** Hashes of the tree of `size` entries, not verified. Each tile is read once. */
export function hashesOf(source: TileSource, size: number): HashReader {
  const tiles = new Map<string, Promise<Uint8Array>>();
  return hashesFromTiles(sha256, size, async (tile) => {
    const path = tilePath(tile);
    const bytes = tiles.get(path) ?? source.tile(path);
    tiles.set(path, bytes);
    return (await bytes).subarray(0, tile.width * HASH_LENGTH);
  });
}

/** What is proven by hashes. */
export const tileProofs = (
  hashes: HashReader,
  size: number,
): Pick<FollowedLog, 'consistency' | 'inclusion' | 'frontier'> => ({
  inclusion: (index) => inclusionProof(sha256, index, size, hashes),
  consistency: (first) => consistencyProof(sha256, first, size, hashes),
  frontier: async () => {
    const frontier: Uint8Array[] = [];
    for (const [level, index] of subtreesOf(size)) frontier.push(await hashes(level, index));
    return frontier;
  },
});

/** The complete subtrees of a tree, largest first. */
function subtreesOf(size: number): (readonly [level: number, index: number])[] {
  const out: (readonly [number, number])[] = [];
  let start = 0;
  for (let level = 52; level >= 0; level--) {
    const width = 2 ** level;
    if (Math.floor(size / width) % 2 === 0) continue;
    out.push([level, start / width]);
    start += width;
  }
  return out;
}
