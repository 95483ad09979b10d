/** One command at a time changes what a data directory signs with. */
import { dirname } from 'node:path';
import { messageOf } from '../core/errors.ts';
import { removeTemporary, shareOwner, temporaryFiles } from '../storage/durable-file.ts';
import { FileFault } from '../storage/file-fault.ts';
import { LockTimeout, withFileLock } from '../storage/file-lock.ts';
import { removeUnfinished, unfinishedIn } from '../storage/make-directory.ts';
import { DataDirectoryError, systemFault } from './data-directory-error.ts';
import { openDataDirectory, type DataDirectory } from './data-directory.ts';
import type { DataPaths } from './data-paths.ts';

/** How long another command may work, in milliseconds. */
const WAIT_MS = 10_000;

/** Runs `work` on the data directory at `data`, opened for writing, while no other command that makes, stages or switches keys, chains or logs is at
 * work on it. A service takes no part in it. The ledger has a lock of its own, and so has the TUF repository: `work` may take these; who holds one of them never waits for this
 * one. Rejects with {@link DataDirectoryError}, `DIRECTORY_BUSY` after ten seconds and `DIRECTORY_UNWRITABLE` for what the system said to `work`, and with what else that
 * rejects with. */
export async function changing<T>(data: string, work: (directory: DataDirectory) => Promise<T>): Promise<T> {
  const { paths } = await openDataDirectory(data, { write: true });
  const lock = paths.changeLock;
  const held = { isTaken: false };
  try {
    return await withFileLock(lock, WAIT_MS, async () => {
      held.isTaken = true;
      // A command of the superuser must not lock the service's user out.
      await shareOwner(lock, paths.marker);
      await tidy(paths);
      // As the command before left it.
      return work(await openDataDirectory(data, { write: true }));
    });
  } catch (error) {
    if (held.isTaken) throw inWords(error);
    if (error instanceof FileFault) throw systemFault(lock, 'write', error);
    if (!(error instanceof LockTimeout)) throw error;
    throw new DataDirectoryError('DIRECTORY_BUSY', `another command changes ${paths.root}`, {
      hint: 'Try again when it has ended.',
      cause: error,
    });
  }
}

/** A full disk, say, may be met at any step. */
function inWords(error: unknown): unknown {
  if (!(error instanceof FileFault) && !(error instanceof Error && 'syscall' in error)) return error;
  return new DataDirectoryError('DIRECTORY_UNWRITABLE', messageOf(error), { cause: error });
}

/** Removes what a killed command left, unless another command is at work: for a service that starts, once it found everything right. Such files are in nobody's way, so that a failure changes nothing. */
export async function removeLeftovers(paths: DataPaths): Promise<void> {
  const left = await Promise.all(placesOf(paths).map((place) => leftIn(place).catch(() => [])));
  if (left.flat().length === 0) return;
  await withFileLock(paths.changeLock, 0, async () => {
    await shareOwner(paths.changeLock, paths.marker);
    await tidy(paths);
  }).catch(() => undefined);
}

const placesOf = (paths: DataPaths): readonly string[] => [
  paths.keys,
  dirname(paths.chain),
  paths.formerChains,
  dirname(paths.timestampChain),
  paths.formerTimestampChains,
  paths.artifacts,
  paths.logs,
];

/** What a killed command left half-made under other names: parts of chains, logs that were never put in their place, and keys under a passphrase that may since be another one. */
const leftIn = async (place: string): Promise<readonly string[]> => [
  ...(await temporaryFiles(place)),
  ...(await unfinishedIn(place)),
];

async function tidy(paths: DataPaths): Promise<void> {
  // What cannot be removed is in nobody's way.
  for (const place of placesOf(paths)) {
    await removeTemporary(place).catch(() => undefined);
    await removeUnfinished(place).catch(() => undefined);
  }
}
