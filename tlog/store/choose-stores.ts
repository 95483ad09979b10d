import type { CommitStoreBackend } from './commit-store.ts';
import { fileTileStore } from './file-tile-store.ts';
import { sqliteBackend } from './sqlite-backend.ts';
import type { RewritableTileStore } from './tile-store.ts';

/** The two stores of one log. */
interface ChosenStores {
  readonly commits: CommitStoreBackend;
  readonly tiles: RewritableTileStore;
}

/** The stores of the log whose directory this is. Whatever makes, writes, reads, checks or ends a log takes its stores from
 * here, so this is the place where another store is chosen. Opens nothing. */
export const chooseStores = (directory: string): ChosenStores => ({
  commits: sqliteBackend(directory),
  tiles: fileTileStore(directory),
});
