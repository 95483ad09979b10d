/** Which certificate logs a data directory has, and which of them is in use. All logs in it are certificate logs so far: one of
 * another kind would get functions of its own, and these a way to distinguish the two. */
import { readdir } from 'node:fs/promises';
import { utf8 } from '../core/bytes.ts';
import { readIdentity } from '../ct-log/log-identity.ts';
import { writeDurably } from '../storage/durable-file.ts';
import { logInUse } from '../trust/log-in-use.ts';
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

/** Makes the log called `name` the one in use: durable on return. A crash leaves the one before or this one in use; the service can read it though another user wrote it. Rejects
 * with {@link DataDirectoryError}. */
export async function setCurrentLog({ currentLog }: DataPaths, name: string): Promise<void> {
  await writeDurably(currentLog, utf8(`${name}\n`), 0o644).catch((error: unknown) => {
    throw systemFault(currentLog, 'write', error);
  });
}

/** The id of the oldest log, which all machines of an instance have. Rejects with {@link DataDirectoryError} and LogError. */
export async function firstLogId(paths: DataPaths): Promise<Uint8Array> {
  const entries = await readdir(paths.logs, { withFileTypes: true }).catch((error: unknown) => {
    throw systemFault(paths.logs, 'read', error);
  });
  const names = entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'));
  const identities = await Promise.all(
    names.map(({ name }) => readIdentity(certificateLogPaths(paths, name).directory)),
  );
  const [first] = identities.sort((a, b) => a.createdAt - b.createdAt);
  if (first !== undefined) return first.logId;
  throw new DataDirectoryError('DIRECTORY_LOG', `${paths.logs} holds no log`);
}

function nameInUse({ paths, logNames, currentLogName }: LogNames): string {
  const name = logInUse(paths, logNames, currentLogName);
  if (typeof name === 'string') return name;
  throw new DataDirectoryError('DIRECTORY_DAMAGED', name.fault, { hint: name.hint });
}
