/** Computes the right edge from full tiles and the committed entries, and believes it only if its root is that of the head. */
import { equalBytes } from '../../core/bytes.ts';
import { FormatError } from '../../core/errors.ts';
import type { LoadedState } from '../store/commit-store.ts';
import { HASH_LENGTH } from '../format/merkle.ts';
import { hashInTile, TILE_WIDTH, tilePath } from '../format/tile.ts';
import { wrongFile } from './edge-diagnosis.ts';
import { leafHashOf } from './entry-bundle.ts';
import { LogError } from '../core/log-error.ts';
import type { EntryFormat } from '../format/entry-format.ts';
import { sha256 } from '../core/sha256.ts';
import { TreeEdge, type EdgeStart } from './tree-edge.ts';
import type { TileStore } from '../store/tile-store.ts';

/**
 * The edge of the committed tree. Reads at most 255 tiles a level, whatever the log's size. Throws LogError
 * `LOG_CORRUPT`, naming the file, when a tile is missing or the root is not the head's: such a log must not be
 * signed, for its next head would contradict one that is already out.
 */
export async function rebuildEdge(
  format: EntryFormat,
  state: LoadedState,
  tiles: TileStore,
): Promise<TreeEdge> {
  const edge = await provenEdge(format, state, tiles);
  if (edge !== undefined) return edge;
  const wrong = await wrongFile(format, state, tiles, async (others, entries) =>
    givesHead(await edgeOf(format, state, others, entries), state),
  );
  throw wrong === undefined ? unlikeHead(state) : corrupt(wrong);
}

/** The edge with these tiles and the entries of `state`; undefined where its root is not the head's. Throws LogError `LOG_CORRUPT` for a tile that is missing or cut off, and an entry that cannot be read. */
export async function provenEdge(
  format: EntryFormat,
  state: LoadedState,
  tiles: Pick<TileStore, 'get'>,
): Promise<TreeEdge | undefined> {
  const edge = await edgeOf(format, state, tiles, state.entries);
  return givesHead(edge, state) ? edge : undefined;
}

async function edgeOf(
  format: EntryFormat,
  { firstEntry, texts }: LoadedState,
  tiles: Pick<TileStore, 'get'>,
  entries: readonly Uint8Array[],
): Promise<TreeEdge> {
  const edge = new TreeEdge(format.bundle, await readStart(firstEntry, tiles));
  for (const [i, entry] of entries.entries())
    edge.append(committedLeafHash(format, entry, firstEntry + i, texts.source), entry);
  return edge;
}

const givesHead = (edge: TreeEdge, { head }: LoadedState): boolean =>
  edge.size === head.size && equalBytes(edge.root(), head.root);

const unlikeHead = ({ texts }: LoadedState): LogError =>
  new LogError('LOG_CORRUPT', `${texts.source}: the entries do not give the root of the head`, {
    hint: `Nothing was changed, and nothing is signed. ${texts.contradictionHint}`,
  });

/** The leaf hash of an entry of the commit store, which is called `source`; throws {@link LogError} when it cannot be read. */
function committedLeafHash(
  format: EntryFormat,
  bytes: Uint8Array,
  index: number,
  source: string,
): Uint8Array {
  try {
    return leafHashOf(format, bytes, index);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw corrupt(`${source}: entry ${index} is damaged (${error.message})`);
  }
}

const corrupt = (what: string): LogError =>
  new LogError('LOG_CORRUPT', what, {
    hint: 'Nothing was changed, and nothing is signed. Restore that file from a copy of the log; `mayfly log check` says more.',
  });

/** Tiles that are read at the same time: a store elsewhere answers each after a while. */
const READ_AT_ONCE = 32;

/** The roots of the full tiles of each level that lie in no full tile of the level above. */
async function readStart(size: number, tiles: Pick<TileStore, 'get'>): Promise<EdgeStart> {
  const upperTiles: Uint8Array[] = [];
  const reads: (() => Promise<void>)[] = [];
  for (let level = 1; TILE_WIDTH ** level <= size; level++) {
    const end = Math.floor(size / TILE_WIDTH ** level);
    const first = end - (end % TILE_WIDTH);
    const hashes = new Uint8Array((end - first) * HASH_LENGTH);
    for (let n = first; n < end; n++)
      reads.push(async () => {
        hashes.set(await rootOfTile(level - 1, n, tiles), (n - first) * HASH_LENGTH);
      });
    upperTiles.push(hashes);
  }
  for (let at = 0; at < reads.length; at += READ_AT_ONCE)
    await Promise.all(reads.slice(at, at + READ_AT_ONCE).map((read) => read()));
  return { size, upperTiles, frontier: frontierOf(upperTiles) };
}

async function rootOfTile(level: number, n: number, tiles: Pick<TileStore, 'get'>): Promise<Uint8Array> {
  const path = tilePath({ level, n, width: TILE_WIDTH });
  const bytes = await tiles.get(path);
  if (bytes === undefined) throw corrupt(`${path} is missing`);
  if (bytes.length !== TILE_WIDTH * HASH_LENGTH)
    throw corrupt(`${path} has ${bytes.length} bytes instead of 8192`);
  return hashInTile(sha256, { level, n, first: 0, count: TILE_WIDTH }, bytes);
}

/** The subtrees of a tree whose size is a multiple of 256, largest first: in each level's partial tile, one for each
 * bit of its width. */
function frontierOf(upperTiles: readonly Uint8Array[]): Uint8Array[] {
  const out: Uint8Array[] = [];
  for (const [i, hashes] of [...upperTiles.entries()].reverse()) {
    let first = 0;
    for (let count = TILE_WIDTH / 2; count >= 1; count /= 2) {
      if ((hashes.length / HASH_LENGTH - first) / count < 1) continue;
      out.push(hashInTile(sha256, { level: i + 1, n: 0, first, count }, hashes));
      first += count;
    }
  }
  return out;
}
