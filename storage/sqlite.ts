/** What every SQLite file of ours has in common. */
import { messageOf } from '../core/errors.ts';

/** What an fsync means on macOS, where a plain one stops at the drive's cache; no effect elsewhere. */
export const DURABLE = 'PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON;';

/** SQLite's SQLITE_CORRUPT and SQLITE_NOTADB. */
const CORRUPT: ReadonlySet<number> = new Set([11, 26]);

/** Whether SQLite says that the file is damaged, or no database at all. */
export function isCorruption(error: unknown): boolean {
  const errcode = error instanceof Error && 'errcode' in error ? error.errcode : undefined;
  return typeof errcode === 'number' && CORRUPT.has(errcode & 0xff);
}

/** What SQLite's `disk I/O error` was about, by its extended code. */
const IO_ACTS: ReadonlyMap<number, string> = new Map([
  [266, 'read'],
  [522, 'read to its end'],
  [778, 'written'],
  [1034, 'synced'],
  [1290, 'synced in its directory'],
  [1546, 'cut'],
  [1802, 'looked at'],
  [2570, 'removed'],
  [3850, 'locked'],
  [4874, 'sized'],
  [5386, 'shared (-shm)'],
]);

/** SQLite's message, with what could not be done where it says no more than `disk I/O error`. */
export function sqliteMessage(error: unknown): string {
  const message = messageOf(error);
  const errcode = error instanceof Error && 'errcode' in error ? error.errcode : undefined;
  const act = typeof errcode === 'number' ? IO_ACTS.get(errcode) : undefined;
  return act === undefined ? message : `${message}: it cannot be ${act}`;
}
