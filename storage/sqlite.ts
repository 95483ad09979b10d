/** What every SQLite file of ours has in common. */

/** What an fsync means on macOS, where a plain one stops at the drive's cache; no effect elsewhere. */
export const DURABLE = 'PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON;';

/** SQLite's SQLITE_CORRUPT and SQLITE_NOTADB. */
const CORRUPT: ReadonlySet<number> = new Set([11, 26]);

/** Whether SQLite says that the file is damaged, or no database at all. */
export function isCorruption(error: unknown): boolean {
  const errcode = error instanceof Error && 'errcode' in error ? error.errcode : undefined;
  return typeof errcode === 'number' && CORRUPT.has(errcode & 0xff);
}
