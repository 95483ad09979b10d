/**
 * Full tiles whose entries the commit store still holds. A crash leaves them written or not; what is there must be what
 * the log would write. Where it is not, either the file is damaged, or it is of another history of this log. Only the
 * second one is the end of the log, so the two must not be taken for each other.
 */
import { equalBytes, firstDifference } from '../../core/bytes.ts';
import { FormatError } from '../../core/errors.ts';
import type { LoadedState, StoreTexts } from '../store/commit-store.ts';
import { tileContradiction } from './edge-diagnosis.ts';
import { leafHashOf, splitBundle } from './entry-bundle.ts';
import { TILE_WIDTH, tilePath } from '../format/tile.ts';
import { LogError } from '../core/log-error.ts';
import type { EntryFormat } from '../format/entry-format.ts';
import type { TileStore } from '../store/tile-store.ts';
import type { TreeEdge } from './tree-edge.ts';

/** Bundles whose tiles are read at the same time: a store elsewhere answers each after a while. */
const READ_AT_ONCE = 8;

/** What the tiles are held to; the root of `edge` is that of the head of `state`. */
interface OwnTiles {
  readonly format: EntryFormat;
  readonly state: LoadedState;
  readonly edge: TreeEdge;
  readonly tiles: TileStore;
}

/** Throws {@link LogError} `LOG_CORRUPT` for a file that is damaged, and what `foreign` makes of the path of a whole
 * bundle of another history. */
export async function requireOwnTiles(own: OwnTiles, foreign: (path: string) => LogError): Promise<void> {
  const { state, edge, tiles } = own;
  const end = Math.floor(state.head.size / TILE_WIDTH);
  for (let first = edge.firstTile; first < end; first += READ_AT_ONCE) {
    const bundles = Array.from({ length: Math.min(READ_AT_ONCE, end - first) }, (_, i) => first + i);
    const read = await Promise.all(
      bundles.flatMap((n) =>
        edge.fullTiles(n).map(async (full) => ({ n, ...full, there: await tiles.get(full.path) })),
      ),
    );
    for (const { n, tile, path, bytes, there } of read) {
      if (there === undefined || equalBytes(there, bytes)) continue;
      if (typeof tile.level === 'number') throw damaged(state.texts, path, firstDifference(there, bytes));
      if (await isOfAnotherHistory(own, n, there)) throw foreign(path);
      throw damagedBundle(own, n, there);
    }
  }
}

/** Whether bundle `n` is whole and holds other entries than ours. Its hash tile shows it; without one, every entry behind
 * the first other one must be another one, as they are after a fork. */
async function isOfAnotherHistory(
  { format, edge, tiles }: OwnTiles,
  n: number,
  there: Uint8Array,
): Promise<boolean> {
  const theirs = splitBundle(format, there);
  if (typeof theirs === 'string') return false;
  const ours = edge.entries(n, TILE_WIDTH) ?? [];
  const isOther = (entry: Uint8Array, i: number): boolean =>
    !isSameLeaf(format, n * TILE_WIDTH + i, entry, ours[i] ?? entry);
  const others = theirs.map(isOther);
  const first = others.indexOf(true);
  if (first < 0) return false;
  const hashTile = await tiles.get(tilePath({ level: 0, n, width: TILE_WIDTH }));
  if (hashTile === undefined) return others.slice(first).every(Boolean);
  return (await tileContradiction(format, 0, n, tiles)) === undefined;
}

function isSameLeaf(format: EntryFormat, index: number, a: Uint8Array, b: Uint8Array): boolean {
  try {
    return equalBytes(leafHashOf(format, a, index), leafHashOf(format, b, index));
  } catch (error) {
    if (error instanceof FormatError) return false;
    throw error;
  }
}

/** Both copies have the same leaf hashes, or one of them a hash that is not in the tree: the commit store's give the
 * root, so the tile is the wrong one. What no hash covers is held to the rest of the entry. */
function damagedBundle({ format, edge, state: { texts } }: OwnTiles, n: number, there: Uint8Array): LogError {
  const path = tilePath({ level: format.bundle, n, width: TILE_WIDTH });
  const theirs = splitBundle(format, there);
  if (typeof theirs === 'string') return damaged(texts, path, theirs);
  const ours = edge.entries(n, TILE_WIDTH) ?? [];
  const at = theirs.findIndex((entry, i) => !equalBytes(entry, ours[i] ?? entry));
  const [own, other] = [ours[at] ?? new Uint8Array(), theirs[at] ?? new Uint8Array()];
  const offset = other.byteOffset - there.byteOffset + firstDifference(own, other);
  const isSound = (entry: Uint8Array): boolean => format.isSound(format.parse(entry, 0));
  const index = n * TILE_WIDTH + at;
  if (isSound(other) && !isSound(own) && isSameLeaf(format, index, own, other))
    return damagedStore(texts, index, path);
  return damaged(texts, path, offset);
}

const damaged = ({ name }: StoreTexts, path: string, where: number | string): LogError =>
  new LogError(
    'LOG_CORRUPT',
    `${path} is damaged ${typeof where === 'number' ? `at byte ${where}` : where}; ${name} holds its entries`,
    {
      hint:
        `Nothing was changed. Move that file away (keep it) and start again: it is written anew from ${name}, ` +
        `whose entries give the root of the head. Leave ${name} as it is.`,
    },
  );

const damagedStore = ({ name, damageHint }: StoreTexts, index: number, path: string): LogError =>
  new LogError(
    'LOG_CORRUPT',
    `${name}: entry ${index} is damaged where no hash covers it; ${path} has it whole`,
    {
      hint: `Nothing was changed. ${damageHint}`,
    },
  );
