import { join } from 'node:path';
import { LogError } from '../core/log-error.ts';
import type { CommitStoreBackend } from './commit-store.ts';
import { fileTileStore } from './file-tile-store.ts';
import { postgresBackend } from './postgres-backend.ts';
import { postgresTileStore } from './postgres-tile-store.ts';
import { sqliteBackend } from './sqlite-backend.ts';
import { readStorePlaces, STORE_FILE, type StorePlaces, type TilePlace } from './store-places.ts';
import { bucketStoreAt } from './bucket-tile-store.ts';
import type { ListedTileStore } from './tile-store.ts';

/** The two stores of one log. */
interface ChosenStores {
  readonly commits: CommitStoreBackend;
  readonly tiles: ListedTileStore;
}

/** The stores of the log whose directory this is, as its `store.json` says. Whatever makes, writes, reads, checks or ends a log takes its
 * stores from here, so this is the place where another store is chosen. Opens none of them. Throws {@link LogError} when `store.json`
 * cannot be read. */
export async function chooseStores(directory: string): Promise<ChosenStores> {
  const { logId, commits, tiles } = await readStorePlaces(directory);
  if (commits !== undefined && tiles?.writes === 'plain') throw plainWrites(tiles);
  const places = { logId, commits, tiles };
  return { commits: commitStoreAt(directory, places), tiles: tileStoreAt(directory, places) };
}

/** The commit store of `places`; default: in a file of the log's directory. */
export const commitStoreAt = (directory: string, { logId, commits }: StorePlaces): CommitStoreBackend =>
  commits === undefined || logId === undefined
    ? sqliteBackend(directory)
    : postgresBackend(commits, directory, logId);

/** The tile store of `places`; default: in files of the log's directory. Throws {@link LogError} `LOG_CORRUPT` for a place that is not known. */
export function tileStoreAt(directory: string, { logId, commits, tiles }: StorePlaces): ListedTileStore {
  if (tiles === undefined) return fileTileStore(directory);
  if (tiles.url === 'postgres' && commits !== undefined && logId !== undefined)
    return postgresTileStore(commits, logId);
  const bucket = bucketStoreAt(tiles);
  if (bucket === undefined) throw unknownPlace(directory);
  return bucket;
}

const plainWrites = ({ url }: TilePlace): LogError =>
  new LogError(
    'LOG_UNSUITABLE_STORAGE',
    `${url} is written to without conditions, and this log has several writers`,
    {
      hint: 'Use a bucket that decides If-None-Match, and leave `writes: plain` out.',
    },
  );

const unknownPlace = (directory: string): LogError =>
  new LogError(
    'LOG_CORRUPT',
    `${join(directory, STORE_FILE)} names a store that this version does not know`,
    {
      hint: 'It may come from a newer version of Mayfly.',
    },
  );
