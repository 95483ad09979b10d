/** What every successor that is given up leaves: its time ends where it began, and its files are removed. */
import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncDirectory } from '../storage/durable-file.ts';
import { entriesOf, withWindows, type TrustEntry, type TrustList } from '../trust/entries.ts';
import type { TrustedRoot } from '../trust/format/trusted-root.ts';
import { changeTrust } from '../trust/ledger.ts';
import { systemFault } from './data-directory-error.ts';
import type { DataPaths } from './data-paths.ts';

/** What was given up. */
export interface Discarded {
  /** What ended of it, as it was before; none where it had not been published. */
  readonly ended: readonly TrustEntry[];
  /** What was removed. */
  readonly removed: readonly string[];
}

/** What is given up where nothing is staged: so the same call finishes whatever a kill left of it, its answer too. */
export const NOTHING_LEFT: Discarded = { ended: [], removed: [] };

/** Ends the time of entries that never signed anything where it began, so that nothing is believed of them, and returns them as they were. Rejects with
 * TrustError; nothing is changed then. */
export const endUnused = <List extends TrustList>(
  paths: DataPaths,
  list: List,
  isMeant: (entry: TrustedRoot[List][number]) => boolean,
): Promise<readonly TrustEntry[]> =>
  changeTrust(paths, ({ root }) => {
    const entries = entriesOf(root).filter((entry) => {
      const one = entry.list === list ? root[list][entry.index] : undefined;
      return one !== undefined && isMeant(one);
    });
    // Trusted roots have whole seconds.
    const end = ({ window: { start } }: TrustEntry): number => Math.floor(start / 1000) * 1000;
    const windowOf = (entry: TrustEntry): TrustEntry['window'] => ({ ...entry.window, end: end(entry) });
    return { root: withWindows(root, entries, windowOf), result: entries };
  });

/** Removes a file or a directory that may be there, durably. Rejects with DataDirectoryError. */
export async function removeDurably(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
    await syncDirectory(dirname(path));
  } catch (error) {
    throw systemFault(path, 'write', error);
  }
}
