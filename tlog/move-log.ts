/** Takes the stores of a log to other places. */
import { randomBytes } from 'node:crypto';
import { LogError } from './core/log-error.ts';
import { machineId } from '../storage/place-identity.ts';
import { judgeStore } from './store/store-location.ts';
import { readLogFile } from './core/log-file.ts';
import type { EntryFormat } from './format/entry-format.ts';
import { TILE_WIDTH, tilePath, tilesOf } from './format/tile.ts';
import { putPartials } from './head-publisher.ts';
import type { DescribeLog } from './log-kind.ts';
import { requireStoreOf } from './require-identity.ts';
import type { LogIdentity } from './core/log-identity.ts';
import { CHECKPOINT_FILE } from './store/checkpoint-file.ts';
import { commitStoreAt, tileStoreAt } from './store/choose-stores.ts';
import type { Arrival, CommitStoreBackend, StoredState } from './store/commit-store.ts';
import {
  commonPlaces,
  isSameDatabase,
  isSamePlace,
  placesFor,
  readStorePlaces,
  writeStorePlaces,
  type StorePlaces,
} from './store/store-places.ts';
import type { ListedTileStore, TileStore } from './store/tile-store.ts';
import { rebuildEdge } from './tree/rebuild-edge.ts';
import { RequiredFiles } from './tree/required-files.ts';
import { TreeTiles } from './tree/tree-tiles.ts';
import { verifyCheckpoint, type CheckpointKey } from './tree/verify-head.ts';

/** A log whose stores are to be elsewhere. */
export interface MovedLog {
  readonly directory: string;
  /** As it is to be called in its new place. */
  readonly name: string;
  readonly identity: LogIdentity;
  readonly entries: EntryFormat;
  readonly keys: readonly CheckpointKey[];
  /** Folder of its companion files, if it has any. */
  readonly companions?: string | undefined;
  /** What it says of itself where others read its tile store in the place of the service; absent where such a log says nothing. */
  readonly describe?: DescribeLog;
}

/** What was done. */
export interface MovedStores {
  /** Where its history is: the name of the store. */
  readonly store: string;
  /** Whether that was moved. */
  readonly isMoved: boolean;
  /** Where the tiles are: `postgres`, a URL, or undefined for files in the log's directory. */
  readonly to: string | undefined;
  /** What should be known of where it was used last, a sentence each. */
  readonly warnings: readonly string[];
  /** Files that were copied; undefined when the tiles were there already. */
  readonly files: number | undefined;
}

/**
 * Takes the stores of a log that no process writes to new places below `common`. All tiles and companion files are copied first, byte by byte, and a new prefix in a bucket is
 * named in `store.json`; then the history, in this order, each step durable:
 *
 * 1. the new store has what the old one holds, and cannot be used yet;
 * 2. the old one says where the log went, and by which move, and can never be written again: from here on there is one that could go on, and it is what came by that move;
 * 3. the new store is taken into use;
 * 4. `store.json` names the new places.
 *
 * A crash before the second step leaves the log where it was. After it no service starts here before the same call has finished. What another call has left in the place of the new store, on
 * whichever machine, is never taken into use: it may be older. What was copied stays in its old place, too, and is not
 * needed any more. Throws {@link LogError}: `LOG_LOCKED` while a process writes, `LOG_COPIED`, `LOG_CORRUPT` when what is to be copied is not what the head says, `LOG_EXISTS`, `LOG_UNSUITABLE_STORAGE`, `LOG_STORAGE`.
 */
export async function moveLog(log: MovedLog, common: StorePlaces): Promise<MovedStores> {
  const { directory, identity } = log;
  const now = await readStorePlaces(directory);
  const from = commitStoreAt(directory, now);
  const oldTiles = tileStoreAt(directory, now);
  const isDatabaseKept = isSameDatabase(now.commits, common.commits);
  const areTilesKept =
    isSamePlace(commonPlaces(now).tiles, common.tiles) &&
    (isDatabaseKept || common.tiles?.url !== 'postgres');
  const next = nextPlaces(log, now, common, areTilesKept);
  const to = isDatabaseKept ? from : commitStoreAt(directory, next);
  const newTiles = tileStoreAt(directory, next);
  const moved = {
    store: to.name,
    isMoved: !isDatabaseKept,
    to: next.tiles?.url,
    files: undefined,
    warnings: [],
  };
  try {
    const left = isDatabaseKept ? undefined : await from.movedTo();
    if (left !== undefined) {
      requireMovedTo(from, left, to);
      await to.arrive(left.move);
      await writeStorePlaces(directory, next);
      return moved;
    }
    if (isDatabaseKept && areTilesKept) return moved;
    return await from.whileLocked(async (store) => {
      const { state } = store;
      requireStoreOf(identity, state);
      // A copy whose other one goes on must not go on in a database either.
      const { copied } = judgeStore(state, store.location, machineId());
      await newTiles.probe?.();
      const files = areTilesKept ? undefined : await copyTiles(log, state, oldTiles, newTiles);
      if (!isDatabaseKept) {
        // Throws when the entries are not those of the head.
        await rebuildEdge(log.entries, state, newTiles);
        // A prefix that was made up must not be forgotten.
        if (!areTilesKept && next.tiles?.url.startsWith('s3:') === true)
          await writeStorePlaces(directory, { ...next, commits: now.commits });
        const move = randomBytes(8).toString('hex');
        await to.receive(identity, state, move);
        await store.leave({ store: to.name, move });
        await to.arrive(move);
      }
      await writeStorePlaces(directory, next);
      return { ...moved, files, warnings: copied };
    });
  } finally {
    await oldTiles.close?.();
    await newTiles.close?.();
  }
}

/** Tiles that stay keep their prefix. */
function nextPlaces(
  { identity, name }: MovedLog,
  now: StorePlaces,
  common: StorePlaces,
  areTilesKept: boolean,
): StorePlaces {
  const { tiles } = areTilesKept ? now : placesFor(common, name);
  return { logId: identity.logId, commits: common.commits, tiles };
}

function requireMovedTo(from: CommitStoreBackend, { store }: Arrival, to: CommitStoreBackend): void {
  if (store === to.name) return;
  throw new LogError('LOG_ELSEWHERE', `the log is on its way from ${from.name} to ${store}`, {
    hint: 'Let mayfly.log say that place, and give the command again; it can go elsewhere afterwards.',
  });
}

async function copyTiles(
  log: MovedLog,
  state: StoredState,
  from: ListedTileStore,
  to: TileStore,
): Promise<number> {
  // Throws when the tiles at its edge are not those of the head.
  const edge = await rebuildEdge(log.entries, state, from);
  const tiles = new TreeTiles(log.entries, edge, new RequiredFiles(from, 0));
  let files = 0;
  const put = async (path: string, bytes: Uint8Array): Promise<void> => {
    await to.put(path, bytes);
    files++;
  };
  const { companions, entries } = log;
  for (const name of companions === undefined ? [] : await from.names(companions)) {
    const path = `${companions ?? ''}/${name}`;
    const bytes = await from.get(path);
    if (bytes !== undefined) await put(path, bytes);
  }
  for (const tile of tilesOf(state.head.size, entries.bundle))
    if (tile.width === TILE_WIDTH) await put(tilePath(tile), await tiles.tile(tile));
  // A log that has ended is not opened for writing again, which would publish its head.
  if (state.frozenAt !== undefined) await publishLast(log, state, tiles, { from, to });
  return files;
}

async function publishLast(
  { directory, entries, keys, describe }: MovedLog,
  { head, frozenAt = 0 }: StoredState,
  tiles: TreeTiles,
  { from, to: { published } }: { readonly from: TileStore; readonly to: TileStore },
): Promise<void> {
  if (published === undefined) return;
  const checkpoint = await readLogFile(directory, CHECKPOINT_FILE);
  if (checkpoint === undefined || verifyCheckpoint(checkpoint, keys).size !== head.size)
    throw new LogError('LOG_CORRUPT', `the ${CHECKPOINT_FILE} is not that of the last head of this log`, {
      hint: `Put back the ${CHECKPOINT_FILE} that was signed when the log ended: a copy of the log has it.`,
    });
  await putPartials(published, tiles, entries.bundle, head.size);
  const there = await from.published?.description();
  if (describe !== undefined) await published.putDescription(describe(there, { ...head, frozenAt }));
  await published.putCheckpoint(checkpoint);
}
