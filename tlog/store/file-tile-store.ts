import { dirname, join } from 'node:path';
import { equalBytes } from '../../core/bytes.ts';
import { makeDirectory, shareOwner, writeDurably } from '../../storage/durable-file.ts';
import { LogError } from '../core/log-error.ts';
import { readLogFile } from '../core/log-file.ts';
import type { RewritableTileStore } from './tile-store.ts';

/** Only these may become a path below the log's directory: full tiles, and files named by their hash in a folder. */
const PATH = /^(?:tile\/(?:data|entries|[0-9]{1,2})(?:\/x[0-9]{3})*\/[0-9]{3}|[a-z]{1,32}\/[0-9a-f]{64})$/;

/** A {@link RewritableTileStore} of read-only files below the log's `directory`. */
export function fileTileStore(directory: string): RewritableTileStore {
  const read = async (path: string): Promise<Uint8Array | undefined> => {
    if (!PATH.test(path))
      throw new LogError(
        'LOG_STORAGE',
        `"${path}" is not the path of a tile or of a file that its hash names`,
      );
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
  };
}
