import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { equalBytes } from '../core/bytes.ts';
import { systemCode } from '../core/errors.ts';
import { makeDirectory, writeDurably } from '../storage/durable-file.ts';
import { FileFault } from '../storage/file-fault.ts';
import { LogError } from './log-error.ts';
import type { TileStore } from './tile-store.ts';

/** Only these may become a path below the log's directory. */
const PATH = /^(?:tile\/(?:data|[0-9]{1,2})(?:\/x[0-9]{3})*\/[0-9]{3}|issuer\/[0-9a-f]{64})$/;

async function readIfThere(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return undefined;
    throw new FileFault(path, 'read', error);
  }
}

/** A {@link TileStore} of read-only files below the log's `directory`. */
export function fileTileStore(directory: string): TileStore {
  const resolve = (path: string): string => {
    if (!PATH.test(path))
      throw new LogError('LOG_STORAGE', `"${path}" is not the path of a tile or an issuer`);
    return join(directory, path);
  };
  const made = new Set<string>();
  const makeOnce = async (parent: string): Promise<void> => {
    if (made.has(parent)) return;
    await makeDirectory(parent, directory);
    made.add(parent);
  };
  return {
    async put(path, bytes) {
      const file = resolve(path);
      const present = await readIfThere(file);
      if (present !== undefined && !equalBytes(present, bytes)) {
        throw new LogError('LOG_CORRUPT', `${file} exists with other bytes`, {
          hint: 'Run `mayfly log check` on the directory; restore the file from a copy of the log.',
        });
      }
      // Equal bytes may be there in the page cache alone, from a run whose sync failed: written anew, never believed.
      await makeOnce(dirname(file));
      await writeDurably(file, bytes, 0o444);
    },
    get: async (path) => readIfThere(resolve(path)),
  };
}
