/** A log as plain files, as `exportLog` writes them and any web server serves them. */
import { join } from 'node:path';
import { FormatError, messageOf } from '../core/errors.ts';
import { CHECKPOINT_FILE } from '../tlog/store/checkpoint-file.ts';
import { DESCRIPTION_FILE } from '../tlog/store/tile-store.ts';
import { parseTilePath, type BundleName } from '../tlog/format/tile.ts';
import { chainCertificatePath } from './chain-certificates.ts';
import { LogError, LogReadError } from '../tlog/core/log-error.ts';
import { readLogFile } from '../tlog/core/log-file.ts';
import { requireTime, tileOrFull, type LogSource } from './source.ts';

export { DESCRIPTION_FILE };

/** A source that also has its description. */
export interface StaticSource extends LogSource {
  /** The bytes of `log.v3.json`, not believed. Throws {@link LogReadError} `NOT_FOUND`. */
  description(): Promise<Uint8Array>;
}

/** The log whose files are in `directory`, with its bundles of entries under that name. Methods throw LogError `LOG_STORAGE` for what cannot be read, is no file, is
 * too large, or comes after `deadline`. */
export function staticSource(
  directory: string,
  deadline?: AbortSignal,
  bundle: BundleName = 'data',
): StaticSource {
  const read = async (path: string): Promise<Uint8Array> => {
    requireTime(deadline, directory);
    const bytes = await readLogFile(directory, path).catch((cause: unknown) => {
      throw new LogError('LOG_STORAGE', messageOf(cause), { cause });
    });
    if (bytes === undefined) throw new LogReadError('NOT_FOUND', `${join(directory, path)} does not exist`);
    return bytes;
  };
  return {
    name: directory,
    checkpoint: () => read(CHECKPOINT_FILE),
    description: () => read(DESCRIPTION_FILE),
    tile: async (path) => {
      parseTilePath(path, bundle);
      return tileOrFull(path, read);
    },
    chainCertificate: (hex) => {
      if (/^[0-9a-f]{64}$/.test(hex)) return read(chainCertificatePath(hex));
      return Promise.reject(new FormatError('MALFORMED', 'this is not the hash of a chain certificate'));
    },
  };
}
