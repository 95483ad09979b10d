/**
 * What every SQLite file of ours has in common. Somebody who makes a directory for others makes its databases, too. SQLite itself
 * takes a view for a table, reads a list of tables whose pages refer to each other without end, and puts together a value of a gigabyte
 * from one page. It does that in one call, which nothing interrupts. So each file is opened here, and its tables are compared with what ours are.
 */
import { closeSync, existsSync, openSync, readSync, statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { messageOf } from '../core/errors.ts';
import { FileFault } from './file-fault.ts';
import { surveyWal } from './wal-survey.ts';

/** What an fsync means on macOS, where a plain one stops at the drive's cache; no effect elsewhere. */
export const DURABLE = 'PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON;';

/** SQLite's SQLITE_CORRUPT and SQLITE_NOTADB. */
const CORRUPT: ReadonlySet<number> = new Set([11, 26]);

/** Most bytes of a value: more than a bundle of entries ever has. Statements of ours are far shorter than theirs. Versions of Node that know no limits of SQLite do without. */
const LIMITS = { length: 64 * 1024 * 1024, sqlLength: 10_000 };

/** A database that no program of ours has written, or a damaged one. */
export class ForeignDatabase extends Error {}

/** How a database is opened. */
interface Opening {
  readonly readOnly?: boolean;
  /** Milliseconds to wait for a lock; default none. */
  readonly timeout?: number;
  /** Of a file that nobody changes: without its WAL, without a lock, and without a file beside it. */
  readonly isUnchanging?: boolean;
  /** Whether the file and its WAL were looked through just now, so that they need not be again. */
  readonly isJudged?: boolean;
}

/** Opens the database at `path`, or makes an empty one. Nothing in its tables is run, and no value is larger than 64 MiB where
 * the engine can hold to that. Not while this process has the file open otherwise, unless it is judged: closing what was
 * looked at drops the locks on it. Throws {@link ForeignDatabase} where its list of tables is longer than a page, FileFault and SQLite's errors. */
export function openDatabase(path: string, opening: Opening = {}): DatabaseSync {
  const { isUnchanging = false, isJudged = false, ...options } = opening;
  if (!isJudged) requireShortList(path, isUnchanging);
  const url = pathToFileURL(path);
  url.searchParams.set('immutable', '1');
  const db = new DatabaseSync(isUnchanging ? url : path, { ...options, defensive: true, limits: LIMITS });
  try {
    db.exec('PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;');
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** Opens the database at `path` for reading, beside a writer or alone. A copy on a medium that cannot be written has no shared-memory file and cannot get one: without a WAL beside it the
 * database alone is everything, and is read as unchangeable. Throws as {@link openDatabase}. */
export function openReader(path: string): DatabaseSync {
  const db = openDatabase(path, { readOnly: true, timeout: 5000 });
  try {
    db.prepare('SELECT 1 FROM sqlite_schema').get();
    return db;
  } catch (error) {
    db.close();
    if (existsSync(`${path}-wal`)) throw error;
    return openDatabase(path, { readOnly: true, isUnchanging: true });
  }
}

/** Opens the database at `path`, or makes it, for nothing but the locks on it: it is empty, and stays so. Throws {@link ForeignDatabase} where it is not, and SQLite's errors. */
export function openLock(path: string, options: Pick<Opening, 'readOnly' | 'timeout'> = {}): DatabaseSync {
  const { size = 0 } = statSync(path, { throwIfNoEntry: false }) ?? {};
  if (size > 0) throw new ForeignDatabase('it holds a lock and nothing else, and is not empty');
  return new DatabaseSync(path, options);
}

const BUSY = 5;

/** Whether somebody holds the lock file at `path` alone: this process, too. False where there is none, or it cannot be read. */
export function isLocked(path: string): boolean {
  if (!existsSync(path)) return false;
  let lock: DatabaseSync | undefined;
  try {
    lock = openLock(path, { readOnly: true, timeout: 0 });
    lock.prepare('SELECT 1 FROM sqlite_schema').get();
    return false;
  } catch (error) {
    return error instanceof Error && 'errcode' in error && error.errcode === BUSY;
  } finally {
    lock?.close();
  }
}

const MAGIC = 'SQLite format 3\0';
const FILE_HEADER = 100;
/** The first byte of a page that holds rows itself, and refers to no others. */
const LEAF = 0x0d;

/** SQLite reads the list of tables as a whole before the first statement. It begins on the first page, which may be in the WAL. */
function requireShortList(path: string, isAlone: boolean): void {
  if (!existsSync(path)) return;
  requireLeaf(path, 0);
  const wal = `${path}-wal`;
  const at = isAlone ? undefined : surveyWal(wal).pages.places.get(1);
  if (at !== undefined) requireLeaf(wal, at);
}

/** What is no page of a database is left to SQLite, which says so. */
function requireLeaf(file: string, at: number): void {
  const bytes = Buffer.alloc(FILE_HEADER + 1);
  const descriptor = openSync(file, 'r');
  try {
    readSync(descriptor, bytes, 0, bytes.length, at);
  } catch (error) {
    throw new FileFault(file, 'read', error);
  } finally {
    closeSync(descriptor);
  }
  if (bytes.toString('latin1', 0, MAGIC.length) === MAGIC && bytes[FILE_HEADER] !== LEAF)
    throw new ForeignDatabase('the list of its tables is none of ours');
}

/** Throws {@link ForeignDatabase} unless the database has the tables of `statements`, each by that very statement, and no trigger, view or index with their names. */
export function requireTables(db: DatabaseSync, statements: string): void {
  const own = new DatabaseSync(':memory:');
  try {
    own.exec(statements);
    const expected = tablesOf(own);
    const names = new Set([...expected.keys()].map((key) => key.split(' ')[1] ?? ''));
    const found = [...tablesOf(db)].filter(([key]) => names.has(key.split(' ')[1] ?? ''));
    const isOurs = found.length === expected.size && found.every(([key, sql]) => expected.get(key) === sql);
    if (!isOurs) throw new ForeignDatabase('its tables are none of ours');
  } finally {
    own.close();
  }
}

/** Whether nothing was made in it yet: its making has only just begun, or was killed there. */
export const isEmptyDatabase = (db: DatabaseSync): boolean =>
  db.prepare('SELECT 1 FROM sqlite_schema').get() === undefined;

/** The statement that made it, by kind, table and name. SQLite itself refuses a list whose statements are not what its columns say. */
const tablesOf = (db: DatabaseSync): ReadonlyMap<string, string> =>
  new Map(
    db
      .prepare('SELECT type, tbl_name, name, sql FROM sqlite_schema')
      .all()
      .map(({ type, tbl_name: table, name, sql }) => [
        [type, table, name].map((word) => String(word).toLowerCase()).join(' '),
        String(sql).replace(/\s+/g, ' '),
      ]),
  );

/** What SQLite itself finds wrong with the structure of an open database, the first of it; undefined where nothing is. */
export function structureFault(db: DatabaseSync): string | undefined {
  const found = db.prepare('PRAGMA integrity_check(1)').get()?.['integrity_check'];
  return found === 'ok' ? undefined : String(found).replaceAll('\n', ' ');
}

/** Whether SQLite says that the file is damaged, or no database at all, or its tables are none of ours. */
export function isCorruption(error: unknown): boolean {
  if (error instanceof ForeignDatabase) return true;
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
