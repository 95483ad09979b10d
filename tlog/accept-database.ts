/** Goes on with another server in the place of the one that a log's history was on. */
import { readLogFile } from './core/log-file.ts';
import { requireStoreOf } from './require-identity.ts';
import type { ReadableKind } from './read-only-log.ts';
import { refuseRollback } from './rollback.ts';
import { CHECKPOINT_FILE } from './store/checkpoint-file.ts';
import { commitStoreAt, tileStoreAt } from './store/choose-stores.ts';
import { readStorePlaces, writeStorePlaces, type OutsidePlace } from './store/store-places.ts';
import type { StoredEntry } from './format/entry-format.ts';
import { rebuildEdge } from './tree/rebuild-edge.ts';

/**
 * Holds the log in `directory` to its checkpoint file and its tiles, as a start does, and takes the server that answers for the log's own then: the one at `place`, which `store.json` names from then on;
 * default: the one that it names. Undefined when its history is in no database. It speaks for
 * what this directory knows: every machine that wrote the log is to be asked. Throws {@link LogError} as a start does: `LOG_ROLLED_BACK` when entries are missing.
 */
export async function acceptDatabase(
  directory: string,
  { identity, entries, keys }: ReadableKind<StoredEntry>,
  place?: OutsidePlace,
): Promise<{ readonly store: string; readonly size: number } | undefined> {
  const places = await readStorePlaces(directory);
  const next = { ...places, commits: place ?? places.commits };
  const commits = commitStoreAt(directory, next);
  if (places.commits === undefined || commits.acceptServer === undefined) return undefined;
  const tiles = tileStoreAt(directory, next);
  try {
    const state = await commits.read();
    requireStoreOf(identity, state);
    const checkpoint = await readLogFile(directory, CHECKPOINT_FILE);
    const edge = await rebuildEdge(entries, state, tiles);
    await refuseRollback({ log: { entries, keys }, checkpoint, state, edge, tiles });
    await commits.acceptServer();
    // A crash before this leaves the former address, whose server is not the one that was noted.
    await writeStorePlaces(directory, next);
    return { store: commits.name, size: state.head.size };
  } finally {
    await tiles.close?.();
  }
}
