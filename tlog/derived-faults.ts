/** What a log keeps beside its two stores, and a service makes anew when it is damaged: it is checked like everything else that is stored. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../core/errors.ts';
import { sqliteMessage } from '../storage/sqlite.ts';
import { LogError } from './core/log-error.ts';
import { leafHashGroups, type GroupReader, type HashTileReader } from './index/hash-group.ts';
import { INDEX_FILE } from './index/hash-index.ts';
import { findIndexFault } from './index/hash-index-tables.ts';
import { CLOCK_FILE, findClockFault } from './sequence/clock-record.ts';
import { chooseStores } from './store/choose-stores.ts';

/** A file of a log's directory that holds nothing that the log does not, and what is wrong with it. */
export interface DerivedFault {
  readonly where: string;
  readonly message: string;
}

/** Of the files that a log of any kind has. */
export const DERIVED_FILES: readonly string[] = [CLOCK_FILE, INDEX_FILE];

/** The first that is wrong in the log's `directory`: the log has that id, and `size` entries, whose hash tiles, which were found right, `read` reads. Undefined where nothing is wrong. Changes nothing. Throws LogError `LOG_STORAGE` for a file that cannot be read. */
export async function findDerivedFault(
  directory: string,
  logId: Uint8Array,
  size: number,
  read: HashTileReader,
): Promise<DerivedFault | undefined> {
  const clock = await findClockFault(directory).catch(messageOf);
  if (clock !== undefined) return { where: CLOCK_FILE, message: `it is damaged (${clock}); ${MADE_ANEW}` };
  return findFileFault(directory, INDEX_FILE, { logId, size, read: leafHashGroups(read) });
}

/** The same of an index of other hashes, the file of that name. It need not be there. */
export async function findFileFault(
  directory: string,
  name: string,
  { logId, size, read }: { readonly logId: Uint8Array; readonly size: number; readonly read: GroupReader },
): Promise<DerivedFault | undefined> {
  const path = join(directory, name);
  if (!existsSync(path)) return undefined;
  const committed = (): Promise<number> => committedSize(directory);
  const index = await findIndexFault(path, logId, { size, committed, read }).catch((error: unknown) => {
    throw error instanceof LogError
      ? error
      : new LogError('LOG_STORAGE', `${path}: ${sqliteMessage(error)}`, { cause: error });
  });
  return index === undefined ? undefined : { where: name, message: `it is damaged (${index}); ${MADE_ANEW}` };
}

/**
 * The number of entries that the log in `directory` has now. What is derived follows what is committed: beside a service it may be ahead of the head at which a
 * check began, and after a kill ahead of the last head that was signed. Throws LogError as reading the commit store does.
 */
export async function committedSize(directory: string): Promise<number> {
  const { commits } = await chooseStores(directory);
  return (await commits.read()).head.size;
}

/** What is to be done about such a file, the end of a sentence. */
export const MADE_ANEW = 'a service makes it anew: stop it, move this file away, and start it';
