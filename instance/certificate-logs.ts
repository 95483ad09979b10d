/** Which certificate logs a data directory has, and which of them is in use. All logs in it are certificate logs so far: one of
 * another kind would get functions of its own, and these a way to distinguish the two. */
import { utf8 } from '../core/bytes.ts';
import { writeDurably } from '../storage/durable-file.ts';
import { DataDirectoryError, systemFault } from './data-directory-error.ts';
import type { DataDirectory } from './data-directory.ts';
import { certificateLogPaths, type CertificateLogPaths, type DataPaths } from './data-paths.ts';

/** What says which logs there are. */
type LogNames = Pick<DataDirectory, 'paths' | 'logNames' | 'currentLogName'>;

/** The log called `name`; default: the one in use, which `logs/.current` names, or which is the only one. Throws
 * {@link DataDirectoryError} when there is none, or when it is not known which is meant. */
export function certificateLog(directory: LogNames, name?: string): CertificateLogPaths {
  const { paths, logNames } = directory;
  const wanted = name ?? nameInUse(directory);
  if (logNames.includes(wanted)) return certificateLogPaths(paths, wanted);
  throw new DataDirectoryError('DIRECTORY_LOG', `${paths.logs} holds no log "${wanted}"`, {
    hint: `Name one of these: ${logNames.join(', ')}.`,
  });
}

/** All logs, sorted by name: the one in use, those that were before it, and one that is to follow it. Throws
 * {@link DataDirectoryError} as {@link certificateLog} does for the one in use. */
export function certificateLogs(directory: LogNames): readonly CertificateLogPaths[] {
  certificateLog(directory);
  return directory.logNames.map((name) => certificateLogPaths(directory.paths, name));
}

/** Makes the log called `name` the one in use: durable on return. A crash leaves the one before or this one in use. Rejects
 * with {@link DataDirectoryError}. */
export async function setCurrentLog({ currentLog }: DataPaths, name: string): Promise<void> {
  await writeDurably(currentLog, utf8(`${name}\n`), 0o600).catch((error: unknown) => {
    throw systemFault(currentLog, 'write', error);
  });
}

function nameInUse({ paths, logNames, currentLogName }: LogNames): string {
  const [only, ...more] = logNames;
  if (only === undefined)
    throw new DataDirectoryError('DIRECTORY_DAMAGED', `${paths.logs} holds no log`, {
      hint: '`mayfly init` makes one. Restore it from a backup of its tiles, or make a new log for the same CA.',
    });
  if (currentLogName === undefined) {
    if (more.length === 0) return only;
    throw new DataDirectoryError(
      'DIRECTORY_DAMAGED',
      `${paths.logs} holds several logs (${logNames.join(', ')}), and nothing says which is in use`,
      { hint: `Write the name of the newest that issued certificates into ${paths.currentLog}.` },
    );
  }
  if (logNames.includes(currentLogName)) return currentLogName;
  throw new DataDirectoryError(
    'DIRECTORY_DAMAGED',
    `${paths.currentLog} says that the log "${currentLogName}" is in use, which is not there`,
    {
      hint: `There are: ${logNames.join(', ')}. Put the log back, or write the name of the right one there.`,
    },
  );
}
