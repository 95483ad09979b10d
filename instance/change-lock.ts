/** One command at a time changes what a data directory signs with. */
import { dirname } from 'node:path';
import { removeTemporary, shareOwner } from '../storage/durable-file.ts';
import { FileFault } from '../storage/file-fault.ts';
import { LockTimeout, withFileLock } from '../storage/file-lock.ts';
import { DataDirectoryError, systemFault } from './data-directory-error.ts';
import { openDataDirectory, type DataDirectory } from './data-directory.ts';
import type { DataPaths } from './data-paths.ts';

/** How long another command may work, in milliseconds. */
const WAIT_MS = 10_000;

/** Runs `work` on the data directory at `data`, opened for writing, while no other command that makes, stages or switches keys, chains or logs is at
 * work on it. A service takes no part in it. The ledger has a lock of its own, and so has the TUF repository: `work` may take these; who holds one of them never waits for this
 * one. Rejects with {@link DataDirectoryError}, `DIRECTORY_BUSY` after ten seconds, and with what `work` rejects with. */
export async function changing<T>(data: string, work: (directory: DataDirectory) => Promise<T>): Promise<T> {
  const { paths } = await openDataDirectory(data, { write: true });
  const lock = paths.changeLock;
  const held = { isTaken: false };
  try {
    return await withFileLock(lock, WAIT_MS, async () => {
      held.isTaken = true;
      // A command of the superuser must not lock the service's user out.
      await shareOwner(lock, paths.marker);
      await removeLeftovers(paths);
      // As the command before left it.
      return work(await openDataDirectory(data, { write: true }));
    });
  } catch (error) {
    if (held.isTaken) throw error;
    if (error instanceof FileFault) throw systemFault(lock, 'write', error);
    if (!(error instanceof LockTimeout)) throw error;
    throw new DataDirectoryError('DIRECTORY_BUSY', `another command changes ${paths.root}`, {
      hint: 'Try again when it has ended.',
      cause: error,
    });
  }
}

/** What a killed command left half-made under other names: parts of chains, and keys under a passphrase that may since be another one. */
async function removeLeftovers(paths: DataPaths): Promise<void> {
  const { keys, chain, formerChains, timestampChain, formerTimestampChains, artifacts, logs } = paths;
  const places = [
    keys,
    dirname(chain),
    formerChains,
    dirname(timestampChain),
    formerTimestampChains,
    artifacts,
    logs,
  ];
  // What cannot be removed is in nobody's way.
  for (const place of places) await removeTemporary(place).catch(() => undefined);
}
