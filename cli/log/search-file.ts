/** What is wrong with the file that entries of a log are found by. */
import { join } from 'node:path';
import { SEARCH_FILE } from '../../rekor/redact-entries.ts';
import { SearchTables } from '../../search/search-tables.ts';
import { sqliteMessage } from '../../storage/sqlite.ts';
import { LogError } from '../../tlog/core/log-error.ts';
import { committedSize, MADE_ANEW, type DerivedFault } from '../../tlog/derived-faults.ts';

/** Of the log in `directory`, with that id; undefined where nothing is wrong, or the file is not there. Throws LogError `LOG_STORAGE` where it cannot be read. */
export async function findSearchFault(
  directory: string,
  logId: Uint8Array,
): Promise<DerivedFault | undefined> {
  const path = join(directory, SEARCH_FILE);
  try {
    const fault = await SearchTables.findFault(path, logId, () => committedSize(directory));
    return fault === undefined
      ? undefined
      : { where: SEARCH_FILE, message: `it is damaged (${fault}); ${MADE_ANEW}` };
  } catch (error) {
    if (error instanceof LogError) throw error;
    throw new LogError('LOG_STORAGE', `${path}: ${sqliteMessage(error)}`, { cause: error });
  }
}
