/** Takes a copy of a log's directory into use, after the other one has ended. */
import { rfc3339, type Clock } from '../core/clock.ts';
import { machineId } from '../storage/place-identity.ts';
import { readLogFile } from './core/log-file.ts';
import { requireStoreOf } from './require-identity.ts';
import type { ReadableKind } from './read-only-log.ts';
import { refuseRollback } from './rollback.ts';
import { CHECKPOINT_FILE } from './store/checkpoint-file.ts';
import { chooseStores } from './store/choose-stores.ts';
import { changeOf, refuseBeside, type LocationChange } from './store/store-location.ts';
import type { StoredEntry } from './format/entry-format.ts';
import { rebuildEdge } from './tree/rebuild-edge.ts';

/** A log that is used elsewhere than it was last. */
export interface CopiedLog extends LocationChange {
  readonly size: number;
  /** Absolute path of the store that was in use last, on that machine. */
  readonly lastUsed: string;
}

/** How a copy is judged. */
export interface AdoptionOptions {
  readonly clock: Clock;
  /** Whether it is to be taken into use; otherwise nothing changes. */
  readonly isAdopted: boolean;
  /** The id of this machine; default: what the system says. */
  readonly machine?: (() => string | undefined) | undefined;
}

/**
 * Says whether the log in `directory` is a copy that was not in use yet, and has it be the one in use when that is asked for: durable on return. Undefined where it is none, has ended, or lies in a database. It is held to its checkpoint file and
 * its tiles before, as a start does. Throws {@link LogError} as a start does: `LOG_LOCKED` while it is written, `LOG_COPIED` while the one that it was copied from is in use and that can be seen, `LOG_ROLLED_BACK` when it was larger.
 */
export async function adoptCopy(
  directory: string,
  { identity, entries, keys }: ReadableKind<StoredEntry>,
  { clock, isAdopted, machine = machineId }: AdoptionOptions,
): Promise<CopiedLog | undefined> {
  const { commits, tiles } = await chooseStores(directory);
  try {
    return await commits.whileLocked(async ({ state, location }) => {
      requireStoreOf(identity, state);
      const { noted, frozenAt, head } = state;
      if (location === undefined || noted === undefined || frozenAt !== undefined) return undefined;
      // Nothing says whether it is a copy: the next start warns of that.
      if (noted === 'damaged') return undefined;
      const here = location.here(machine());
      const change = changeOf(noted, here);
      if (!change.isOtherMachine && !change.isOtherFile) return undefined;
      if (change.isOtherFile) refuseBeside(noted, here, (path) => location.isInUse(path));
      const checkpoint = await readLogFile(directory, CHECKPOINT_FILE);
      const edge = await rebuildEdge(entries, state, tiles);
      await refuseRollback({ log: { entries, keys }, checkpoint, state, edge, tiles });
      if (isAdopted) await location.note({ ...here, adopted: rfc3339(clock()) });
      return { ...change, size: head.size, lastUsed: noted.path };
    });
  } finally {
    await tiles.close?.();
  }
}
