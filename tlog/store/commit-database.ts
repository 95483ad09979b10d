/**
 * The tables of `commit.db` and every statement on them. Synchronous: the writer runs it in a worker thread, readers
 * (`mayfly log …` beside a running server) in their own process.
 *
 *     meta(key, value)            log_id; format: 1, 2 once the log has ended, 3 once it is in another store (moved: its name); identity: the text of log.json, absent in a file of an older version;
 *                                 frozen and frozen-sum, once the log has ended; arrived: by which move the log came here;
 *                                 location: where it was used last
 *     head(one, size, root, timestamp)
 *     entry(idx, bytes)           as in its bundle; only entries that are not yet in a full one
 */
import type { DatabaseSync } from 'node:sqlite';
import { existsSync, statSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { basename } from 'node:path';
import { equalBytes, utf8, utf8Text } from '../../core/bytes.ts';
import { FileFault } from '../../storage/file-fault.ts';
import {
  DURABLE,
  isCorruption,
  openDatabase,
  openReader,
  requireTables,
  sqliteMessage,
  structureFault,
} from '../../storage/sqlite.ts';
import { arrivalOf, textOfArrival } from './arrival.ts';
import type { Arrival, CommittedState, Head, StoredIdentity } from './commit-store.ts';
import { LogError, type LogReason } from '../core/log-error.ts';
import { locationFrom, textOfLocation, type Noted, type NotedLocation } from './store-location.ts';
import type { LogIdentity } from '../core/log-identity.ts';

/** Version of the tables. */
const FORMAT = 1;

/** Version in a store whose log has ended. Programs that do not know the end refuse it: they would go on signing. */
const ENDED_FORMAT = 2;

/** Version in a store whose log is elsewhere now. Programs that do not know this refuse it: they would write a second history. */
const LEFT_FORMAT = 3;

/** Key in `meta` of a log that is elsewhere; the value is where. */
const LEFT_KEY = 'moved';

/** Key in `meta` of a log that came from elsewhere; the value is the move. */
const ARRIVED_KEY = 'arrived';

/** Key in `meta` of where the store was used last; absent before its first use, and in a file of an older version. */
const LOCATION_KEY = 'location';

/** Key in `meta` of a log that has ended; the value is the time, decimal milliseconds since the epoch. */
const FROZEN_KEY = 'frozen';

/** Key of the CRC-32 of that value, decimal: nothing else says when a log ended. Absent in stores of older versions. */
const FROZEN_SUM_KEY = 'frozen-sum';

const SCHEMA = `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE head (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    size INTEGER NOT NULL CHECK (size >= 0),
    root BLOB NOT NULL CHECK (length(root) = 32),
    timestamp INTEGER NOT NULL CHECK (timestamp >= 0)
  ) STRICT;
  CREATE TABLE entry (idx INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT;
`;

/** Bytes to which SQLite cuts the WAL when it starts it anew. In between a program that reads `commit.db` and does not
 * finish makes it longer. */
export const WAL_KEPT = 16 * 1024 * 1024;

/** Turns a failure of SQLite into a {@link LogError} that names the file. */
export function storageError(path: string, error: unknown): LogError {
  if (error instanceof LogError) return error;
  if (error instanceof FileFault) return new LogError('LOG_STORAGE', error.message, { cause: error });
  const code: LogReason = isCorruption(error) ? 'LOG_CORRUPT' : 'LOG_STORAGE';
  const hint =
    code === 'LOG_CORRUPT'
      ? `Put back the newest ${basename(path)}, with the -wal that lay beside it; docs/keys-and-backups.md, "Backup and restore".`
      : undefined;
  return new LogError(code, `${path}: ${sqliteMessage(error)}`, { hint, cause: error });
}

/** Makes `path` with the tables of a new log and its first, empty head. */
export function createCommitDatabase(path: string, identity: LogIdentity, head: Head): void {
  const db = openDatabase(path);
  try {
    // A page holds several entries of two to three kilobytes, so that a batch writes few pages.
    db.exec(`PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; ${DURABLE}`);
    db.exec('BEGIN IMMEDIATE');
    db.exec(SCHEMA);
    const meta = db.prepare('INSERT INTO meta (key, value) VALUES (?, ?)');
    meta.run('log_id', identity.logId);
    meta.run('format', Uint8Array.of(FORMAT));
    meta.run('identity', utf8(identity.text));
    db.prepare('INSERT INTO head (one, size, root, timestamp) VALUES (1, ?, ?, ?)').run(
      head.size,
      head.root,
      head.timestamp,
    );
    db.exec('COMMIT');
  } finally {
    db.close();
  }
}

/** Opens for writing what was read before; throws {@link LogError}. */
export function openForWriting(path: string): DatabaseSync {
  requireFile(path);
  const db = openDatabase(path, { timeout: 5000, isJudged: true });
  try {
    requireTables(db, SCHEMA);
    db.exec(`PRAGMA journal_mode = WAL; ${DURABLE} PRAGMA journal_size_limit = ${WAL_KEPT};`);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** Opens for reading, beside a writer or alone; throws {@link LogError}. */
export function openForReading(path: string): DatabaseSync {
  requireFile(path);
  return openReader(path);
}

/** Throws {@link LogError} when there is no database at `path`, or when it or what lies beside it is no file: SQLite would
 * wait for ever for a pipe that nobody writes to. */
export function requireFile(path: string): void {
  if (!existsSync(path)) throw missing(path);
  for (const name of [path, `${path}-wal`, `${path}-shm`, `${path}-journal`])
    if (statSync(name, { throwIfNoEntry: false })?.isFile() === false)
      throw new LogError('LOG_STORAGE', `${name} is not a file`);
}

/** Opens a file that nobody changes, for reading: without its WAL, without a lock, and without a file beside it. Not while
 * this process has the file open otherwise: closing it drops the locks on it. */
export const openUnchanging = (path: string): DatabaseSync =>
  openDatabase(path, { readOnly: true, isUnchanging: true });

/** There is no `commit.db`. */
const missing = (path: string): LogError =>
  new LogError('LOG_MISSING', `there is no log: ${path} does not exist`, {
    hint: 'Name the directory that holds it. If it was lost here, put back the newest, never an older one; docs/keys-and-backups.md, "Backup and restore".',
  });

/** Whose store it is; throws {@link LogError} for a format, and ForeignDatabase for tables, that are not ours. */
export function readStoredIdentity(db: DatabaseSync, path: string): StoredIdentity {
  requireTables(db, SCHEMA);
  const value = (key: string): unknown =>
    db.prepare('SELECT value FROM meta WHERE key = ?').get(key)?.['value'];
  const [format, logId, bound] = [value('format'), value('log_id'), value('identity')];
  const version = format instanceof Uint8Array ? format[0] : undefined;
  if (version === LEFT_FORMAT) throw left(path, readLeft(db)?.store ?? 'another store');
  if ((version !== FORMAT && version !== ENDED_FORMAT) || !(logId instanceof Uint8Array)) {
    throw new LogError('LOG_CORRUPT', `${path} is of an unknown format`, {
      hint: 'It may come from a newer version of Mayfly.',
    });
  }
  return { logId, bound: bound instanceof Uint8Array ? utf8Text(bound) : undefined };
}

/** Where the log is now; undefined while it is in this store. */
export function readLeft(db: DatabaseSync): Arrival | undefined {
  const value = readText(db, LEFT_KEY);
  return value === undefined ? undefined : arrivalOf(value);
}

/** By which move the log came into this store; undefined where it was made, or which it has left. */
export const readArrived = (db: DatabaseSync): string | undefined =>
  readLeft(db) === undefined ? readText(db, ARRIVED_KEY) : undefined;

function readText(db: DatabaseSync, key: string): string | undefined {
  const value = db.prepare('SELECT value FROM meta WHERE key = ?').get(key)?.['value'];
  return value instanceof Uint8Array ? utf8Text(value) : undefined;
}

const left = (path: string, to: string): LogError =>
  new LogError('LOG_HEAD_MOVED', `the log is not in ${path} any more: it is in ${to}`, {
    hint: 'If `mayfly log move` was interrupted, give it again. Otherwise put the newest store.json back beside it.',
  });

/** Notes, in one transaction, that the log is in the store `to` from now on. */
export function writeLeft(db: DatabaseSync, to: Arrival): void {
  db.exec('BEGIN IMMEDIATE');
  try {
    db.prepare('INSERT INTO meta (key, value) VALUES (?, ?)').run(LEFT_KEY, utf8(textOfArrival(to)));
    db.prepare("UPDATE meta SET value = ? WHERE key = 'format'").run(Uint8Array.of(LEFT_FORMAT));
    db.exec('COMMIT');
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}

/** Makes `path` with the tables of a log and what another store of it holds, by that move. All of it is in that one file, durably. */
export function copyCommitDatabase(
  path: string,
  identity: LogIdentity,
  state: CommittedState,
  move: string,
): void {
  createCommitDatabase(path, identity, state.head);
  const db = openForWriting(path);
  try {
    db.exec('BEGIN IMMEDIATE');
    db.prepare('INSERT INTO meta (key, value) VALUES (?, ?)').run(ARRIVED_KEY, utf8(move));
    const insert = db.prepare('INSERT INTO entry (idx, bytes) VALUES (?, ?)');
    for (const [i, bytes] of state.entries.entries()) insert.run(state.firstEntry + i, bytes);
    db.exec('COMMIT');
    if (state.frozenAt !== undefined) writeEnd(db, state.frozenAt);
    copyAndSync(db, path);
  } finally {
    db.close();
  }
}

/** Where the store was used last. */
export function readNoted(db: DatabaseSync): Noted {
  const text = readText(db, LOCATION_KEY);
  return text === undefined ? undefined : locationFrom(text);
}

/** Notes that the store is used at `location` from now on: durable on return. */
export function writeNoted(db: DatabaseSync, location: NotedLocation): void {
  db.prepare('INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)').run(
    LOCATION_KEY,
    utf8(textOfLocation(location)),
  );
}

/** Writes the whole identity into a store of an older version, which knows the log's id alone. */
export function bindIdentity(db: DatabaseSync, identity: LogIdentity): void {
  db.prepare("INSERT OR IGNORE INTO meta (key, value) VALUES ('identity', ?)").run(utf8(identity.text));
}

/** The state as one snapshot, whatever a writer does meanwhile; throws {@link LogError}. */
export function readState(db: DatabaseSync, path: string): CommittedState {
  db.exec('BEGIN');
  try {
    const head = readHead(db, path);
    const { firstEntry = head.size, entries } = readEntries(db, path);
    if (firstEntry % 256 !== 0 || firstEntry + entries.length !== head.size) throw wrongEntries(path);
    const frozenAt = readFrozenAt(db);
    return { head, firstEntry, entries, ...(frozenAt === undefined ? {} : { frozenAt }) };
  } finally {
    db.exec('ROLLBACK');
  }
}

/** One after the other, and no further than they are right: pages of a damaged file may refer to each other without end, and many
 * rows share the bytes of one. Throws {@link LogError}. */
function readEntries(
  db: DatabaseSync,
  path: string,
): { readonly firstEntry: number | undefined; readonly entries: readonly Uint8Array[] } {
  let firstEntry: number | undefined;
  let left = [path, `${path}-wal`].reduce((sum, file) => sum + sizeOf(file), 0);
  const entries: Uint8Array[] = [];
  for (const { idx, bytes } of db.prepare('SELECT idx, bytes FROM entry ORDER BY idx').iterate()) {
    firstEntry ??= Number(idx);
    if (idx !== firstEntry + entries.length || !(bytes instanceof Uint8Array)) throw wrongEntries(path);
    left -= bytes.length;
    if (left < 0) throw new LogError('LOG_CORRUPT', `${path}: the entries are longer than the file`);
    entries.push(bytes);
  }
  return { firstEntry, entries };
}

const sizeOf = (file: string): number => statSync(file, { throwIfNoEntry: false })?.size ?? 0;

const wrongEntries = (path: string): LogError =>
  new LogError('LOG_CORRUPT', `${path}: the entries do not end where the head does`);

/** Notes, in one transaction, that the log ended at `at`, milliseconds since the epoch. */
export function writeEnd(db: DatabaseSync, at: number): void {
  db.exec('BEGIN IMMEDIATE');
  try {
    const insert = db.prepare('INSERT INTO meta (key, value) VALUES (?, ?)');
    insert.run(FROZEN_KEY, utf8(String(at)));
    insert.run(FROZEN_SUM_KEY, utf8(String(crc32(String(at)))));
    db.prepare("UPDATE meta SET value = ? WHERE key = 'format'").run(Uint8Array.of(ENDED_FORMAT));
    db.exec('COMMIT');
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}

/** Replaces entries, as `LockedStore.rewrite` says. Rows that were replaced or deleted stay in pages that are free, and in the WAL: so the database is written anew, and the
 * WAL emptied before and after. Throws when a reader keeps it from that. */
export function rewriteEntries(
  db: DatabaseSync,
  path: string,
  other: (index: number, bytes: Uint8Array) => Uint8Array | undefined,
): void {
  db.exec('PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY; BEGIN IMMEDIATE');
  try {
    const replace = db.prepare('UPDATE entry SET bytes = ? WHERE idx = ?');
    for (const { idx, bytes } of db.prepare('SELECT idx, bytes FROM entry').all()) {
      const instead = bytes instanceof Uint8Array ? other(Number(idx), bytes) : undefined;
      if (instead !== undefined) replace.run(instead, Number(idx));
    }
    db.exec('COMMIT');
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
  copyAndSync(db, path);
  db.exec('VACUUM');
  copyAndSync(db, path);
}

/** What is wrong with the open database where reading it does not meet it, as the end of a sentence: its structure, and the time at which the log ended. Undefined where nothing is. */
export function databaseFault(db: DatabaseSync): string | undefined {
  const structure = structureFault(db);
  if (structure !== undefined) return `its structure is damaged: ${structure}`;
  const value = (key: string): string | undefined => {
    const bytes = db.prepare('SELECT value FROM meta WHERE key = ?').get(key)?.['value'];
    return bytes instanceof Uint8Array ? Buffer.from(bytes).toString() : undefined;
  };
  const [frozen, sum] = [value(FROZEN_KEY), value(FROZEN_SUM_KEY)];
  if (frozen === undefined) return undefined;
  const isRight = /^\d{1,16}$/.test(frozen) && (sum === undefined || sum === String(crc32(frozen)));
  return isRight ? undefined : 'the time at which the log ended is damaged';
}

function readFrozenAt(db: DatabaseSync): number | undefined {
  const value = db.prepare('SELECT value FROM meta WHERE key = ?').get(FROZEN_KEY)?.['value'];
  // Whatever the value is, the key says that the log has ended.
  return value instanceof Uint8Array ? Number(Buffer.from(value).toString()) || 0 : undefined;
}

/** Throws {@link LogError} `LOG_STALE` when the open database holds another head than `judged`, which its files showed before it was opened. */
export function requireHead(db: DatabaseSync, path: string, judged: Head): void {
  const { size, timestamp, root } = readState(db, path).head;
  if (size === judged.size && timestamp === judged.timestamp && equalBytes(root, judged.root)) return;
  throw new LogError('LOG_STALE', `${path} holds another head than its files showed before it was opened`, {
    hint: 'Another program has it open (`fuser commit.db` names the processes), or writes there. End it, then start again.',
  });
}

/** The committed head; throws {@link LogError}. */
export function readHead(db: DatabaseSync, path: string): Head {
  const row = db.prepare('SELECT size, root, timestamp FROM head').get();
  const [size, root, timestamp] = [row?.['size'], row?.['root'], row?.['timestamp']];
  if (typeof size !== 'number' || !(root instanceof Uint8Array) || typeof timestamp !== 'number') {
    throw new LogError('LOG_CORRUPT', `${path}: the head is missing`);
  }
  return { size, root, timestamp };
}

/**
 * After an unclean end, believe nothing that only the page cache may hold. A sync that failed leaves pages that read
 * back well and are marked clean, so that a later sync of the same pages "succeeds" without writing them; and the
 * head we find here is about to be signed. So the WAL is copied into the database file now, which writes those pages
 * anew, the database is synced, and the WAL emptied. Throws when a reader keeps part of the WAL from being copied.
 */
export function copyAndSync(db: DatabaseSync, path: string): void {
  const row = db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get();
  if (row?.['busy'] !== 0) {
    throw new LogError('LOG_LOCKED', `${path} is held by a program that reads it and does not finish`, {
      hint: HELD,
    });
  }
}

/** What to do about a program that keeps the WAL from being copied. */
const HELD =
  'End what reads it: a backup program, a `sqlite3` shell, or a `mayfly log` command (`fuser commit.db` names the processes).';
