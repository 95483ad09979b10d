/** Files of a log, wherever they come from: how large one may be, and how it is read. */
import { join } from 'node:path';
import { messageOf, systemCode } from '../../core/errors.ts';
import { FileFault } from '../../storage/file-fault.ts';
import { readWhole, UnfitFile } from '../../storage/read-whole.ts';

/** What a bundle of entries, and the list of redacted ones, may have: none that this program writes comes near it. */
const MAX_BUNDLE = 64 * 1024 * 1024;
/** The same for everything else. */
const MAX_SMALL = 1024 * 1024;

/** Most bytes of the file at `path` in a log. */
export const mostBytes = (path: string): number =>
  /^(?:tile\/(?:data|entries)\/|redacted\.json$)/.test(path) ? MAX_BUNDLE : MAX_SMALL;

/** The bytes of the file at `path` in the log's `directory`; undefined when there is none. A directory may have been made
 * by others: what is no file, or too large, is not read. Rejects with a FileFault. */
export async function readLogFile(directory: string, path: string): Promise<Uint8Array | undefined> {
  const file = join(directory, path);
  try {
    return await readWhole(file, { size: mostBytes(path) });
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return undefined;
    throw new FileFault(file, 'read', error);
  }
}

/** Why a file could not be read, where {@link readLogFile} or a store over files rejected with `error`; undefined for other errors. `isDamage`: the file itself is the cause, and another try, or another
 * user, would read no more. */
export function unreadableFile(
  error: unknown,
): { readonly reason: string; readonly isDamage: boolean } | undefined {
  if (!(error instanceof FileFault)) return undefined;
  const isDamage = error.cause instanceof UnfitFile || error.code === 'EIO';
  return { reason: error.code ?? messageOf(error.cause), isDamage };
}
