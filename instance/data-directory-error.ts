import { MayflyError, messageOf, systemCode } from '../core/errors.ts';

/** Codes of {@link DataDirectoryError}. */
type DataDirectoryReason =
  /** There is no such directory. */
  | 'DIRECTORY_MISSING'
  /** It holds something else. */
  | 'DIRECTORY_FOREIGN'
  /** It is a finished data directory already. */
  | 'DIRECTORY_EXISTS'
  /** Its making was interrupted. */
  | 'DIRECTORY_UNFINISHED'
  | 'DIRECTORY_UNREADABLE'
  | 'DIRECTORY_UNWRITABLE'
  /** Made by a newer version. */
  | 'DIRECTORY_TOO_NEW'
  /** Made for development where production is asked for, or the other way round. */
  | 'DIRECTORY_MODE'
  /** It has no log of the name that was asked for. */
  | 'DIRECTORY_LOG'
  /** Another command changes it. */
  | 'DIRECTORY_BUSY'
  /** Something that belongs to it is missing or cannot be understood. */
  | 'DIRECTORY_DAMAGED';

/** A data directory that cannot be used as asked. */
export class DataDirectoryError extends MayflyError<DataDirectoryReason> {}

/** The error for what the system said while `path` was read or written. */
export function systemFault(path: string, doing: 'read' | 'write', cause: unknown): DataDirectoryError {
  const reason = doing === 'read' ? 'DIRECTORY_UNREADABLE' : 'DIRECTORY_UNWRITABLE';
  const code = systemCode(cause) ?? '';
  const isGone = doing === 'read' && code === 'ENOENT';
  const hint = isGone ? GONE : (HINTS[code] ?? `The system says: ${messageOf(cause)}`);
  return new DataDirectoryError(reason, `${path} cannot be ${doing === 'read' ? 'read' : 'written'}`, {
    hint,
    cause,
  });
}

const DENIED = 'Check its owner and mode: the user that runs Mayfly must own the directory.';
const GONE = 'It does not exist. What belongs to a data directory is restored from its backup.';
const HINTS: Readonly<Record<string, string>> = {
  EACCES: DENIED,
  EPERM: DENIED,
  EROFS: 'The file system is mounted read-only.',
  ENOSPC: 'The disk is full.',
  EDQUOT: "The user's quota is used up.",
  ENOTDIR: 'A part of the path is a file.',
  ENOENT: 'A directory on the way to it does not exist, or cannot be made.',
};
