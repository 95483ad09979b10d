import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { systemCode } from '../../core/errors.ts';
import { FileFault } from '../../storage/file-fault.ts';
import { equalBytes } from '../../core/bytes.ts';
import { makeDirectory, shareOwner, writeDurably } from '../../storage/durable-file.ts';
import { LogError } from '../core/log-error.ts';
import { readLogFile } from '../core/log-file.ts';
import {
  hashesAmong,
  requireStorePath,
  type ListedTileStore,
  type RewritableTileStore,
} from './tile-store.ts';

/** A {@link RewritableTileStore} of read-only files below the log's `directory`. */
export function fileTileStore(directory: string): RewritableTileStore & ListedTileStore {
  const read = async (path: string): Promise<Uint8Array | undefined> => {
    requireStorePath(path);
    return readLogFile(directory, path);
  };
  const made = new Set<string>();
  const makeOnce = async (parent: string): Promise<void> => {
    if (made.has(parent)) return;
    await makeDirectory(parent, directory);
    made.add(parent);
  };
  return {
    async put(path, bytes) {
      const present = await read(path);
      const file = join(directory, path);
      if (present !== undefined && !equalBytes(present, bytes)) {
        throw new LogError('LOG_CORRUPT', `${file} exists with other bytes`, {
          hint: 'Run `mayfly log check` on the directory; restore the file from a copy of the log.',
        });
      }
      // Equal bytes may be there in the page cache alone, from a run whose sync failed: written anew, never believed.
      await makeOnce(dirname(file));
      await writeDurably(file, bytes, 0o444);
    },
    async replace(path, bytes) {
      const file = join(directory, path);
      await writeDurably(file, bytes, 0o444);
      await shareOwner(file, dirname(file));
    },
    get: read,
    names: async (folder) => hashesAmong(await namesIn(join(directory, folder))),
  };
}

/** None where the folder is not there yet. */
const namesIn = (folder: string): Promise<string[]> =>
  readdir(folder).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return [];
    throw new FileFault(folder, 'read', error);
  });
