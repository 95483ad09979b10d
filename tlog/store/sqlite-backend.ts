/** The commit store of a log in files of its directory: `commit.db`, and `lock.db`, which its one writer holds. */
import { existsSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { removeCopies } from '../../storage/database-copy.ts';
import { openLock } from '../../storage/sqlite.ts';
import { surveyWal } from '../../storage/wal-survey.ts';
import { syncDirectory } from '../../storage/durable-file.ts';
import { removeDatabase } from '../core/derived-file.ts';
import { LogError } from '../core/log-error.ts';
import {
  copyAndSync,
  copyCommitDatabase,
  createCommitDatabase,
  databaseFault,
  openForReading,
  openForWriting,
  readArrived,
  readLeft,
  readNoted,
  requireHead,
  rewriteEntries,
  storageError,
  writeEnd,
  writeLeft,
  writeNoted,
} from './commit-database.ts';
import { readSnapshot, readStored } from './commit-snapshot.ts';
import type { Arrival, CommitStoreBackend, LockedStore, StoredState, StoreDamage } from './commit-store.ts';
import { locationOf } from './store-location.ts';
import { COMMIT_DATABASE, isStoreInUse, LOCK_DATABASE, sqliteCommitStore } from './sqlite-commit-store.ts';

/** Milliseconds between two looks at a WAL that seems damaged. */
const WAL_SETTLES = 200;

/** The backend whose files are in `directory`. */
export function sqliteBackend(directory: string): CommitStoreBackend {
  const path = join(directory, COMMIT_DATABASE);
  return {
    name: COMMIT_DATABASE,
    create: (identity, head) =>
      inWords(path, () => {
        createCommitDatabase(path, identity, head);
      }),
    receive: (identity, state, move) =>
      inWords(path, async () => {
        if (existsSync(path) && movedTo(path) === undefined) throw exists(path);
        removeDatabase(`${path}${ARRIVING}`);
        copyCommitDatabase(`${path}${ARRIVING}`, identity, state, move);
        await syncDirectory(directory);
      }),
    arrive: (move) => inWords(path, () => arrive(directory, move)),
    movedTo: () => inWords(path, () => (existsSync(path) ? movedTo(path) : undefined)),
    openForWriting: (identity) => sqliteCommitStore(directory, identity),
    read: () => inWords(path, () => readOnce(path)),
    findDamage: async () => (await damagedWal(path)) ?? inWords(path, () => damagedDatabase(path)),
    whileLocked: (work) => inWords(path, () => whileLocked(directory, work)),
    shared: () => inWords(path, () => holdShared(join(directory, LOCK_DATABASE))),
  };
}

/** Behind the name of a database that is not in use yet. */
const ARRIVING = '.arriving';

const exists = (path: string): LogError =>
  new LogError('LOG_EXISTS', `${path} already holds this log`, { hint: 'A log is never overwritten.' });

const movedTo = (path: string): Arrival | undefined => reading(path, readLeft);

/** What `read` finds in the database at `path`. */
function reading<T>(path: string, read: (db: DatabaseSync) => T): T {
  const db = openForReading(path);
  try {
    return read(db);
  } finally {
    db.close();
  }
}

/** What lies in its place is of before the log left, and says so: no program would write it. A crash leaves that, or no database, and the new one under its other name. */
async function arrive(directory: string, move: string): Promise<void> {
  const path = join(directory, COMMIT_DATABASE);
  const isOf = (file: string): boolean => existsSync(file) && reading(file, readArrived) === move;
  if (isOf(path)) return;
  if (!isOf(`${path}${ARRIVING}`)) throw elsewhere(directory);
  removeDatabase(path);
  await rename(`${path}${ARRIVING}`, path);
  await syncDirectory(directory);
}

/** What lies here is of a move that was interrupted before the log left: the log has grown since. */
const elsewhere = (directory: string): LogError =>
  new LogError('LOG_ELSEWHERE', `the log was moved into files, and those are not in ${directory}`, {
    hint: 'It is in the data directory of the machine where `mayfly log move` was given last. Go on there; nothing was changed here.',
  });

/** Failures of SQLite and of the file system name the file. */
async function inWords<T>(path: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw storageError(path, error);
  }
}

function readOnce(path: string): StoredState {
  const db = openForReading(path);
  try {
    return readStored(db, path);
  } finally {
    db.close();
  }
}

function damagedDatabase(path: string): StoreDamage | undefined {
  const db = openForReading(path);
  try {
    const message = databaseFault(db);
    if (message !== undefined) return { where: COMMIT_DATABASE, message };
    return readNoted(db) === 'damaged'
      ? { where: COMMIT_DATABASE, message: DAMAGED_NOTE, isRenewed: true }
      : undefined;
  } finally {
    db.close();
  }
}

const DAMAGED_NOTE =
  'what it says of where it was used last is damaged; everything else is as it should be. Leave the file as it is and start the service: it is noted anew, with a warning that this may be a copy';

/** A server that runs may start the WAL anew while it is read: so it is looked at twice. */
async function damagedWal(path: string): Promise<StoreDamage | undefined> {
  const look = (): number | undefined => surveyWal(`${path}-wal`).damagedAt;
  const first = look();
  if (first === undefined) return undefined;
  await delay(WAL_SETTLES);
  if (look() !== first) return undefined;
  return {
    where: `${COMMIT_DATABASE}-wal at byte ${first}`,
    message: 'it is damaged, and later transactions follow there',
  };
}

async function whileLocked<T>(directory: string, work: (store: LockedStore) => Promise<T>): Promise<T> {
  const path = join(directory, COMMIT_DATABASE);
  const lock = takeLock(join(directory, LOCK_DATABASE));
  let opened: DatabaseSync | undefined;
  try {
    // Copies that a killed start left are not needed any more.
    removeCopies(path);
    const state = readSnapshot(path);
    // SQLite cuts a WAL that it cannot read to its end: it is opened when something is to be written, which comes after what is lost was judged.
    const writing = (write: (db: DatabaseSync) => void): Promise<void> =>
      inWords(path, () => {
        opened ??= openForWriting(path);
        requireHead(opened, path, state.head);
        write(opened);
      });
    const end: LockedStore['end'] = (at) =>
      writing((db) => {
        writeEnd(db, at);
      });
    const leave: LockedStore['leave'] = (to) =>
      writing((db) => {
        writeLeft(db, to);
        copyAndSync(db, path);
      });
    const rewrite: LockedStore['rewrite'] = (other) =>
      writing((db) => {
        rewriteEntries(db, path, other);
      });
    const location: LockedStore['location'] = {
      here: (machine) => locationOf(path, machine),
      isInUse: isStoreInUse,
      note: (noted) =>
        writing((db) => {
          writeNoted(db, noted);
          copyAndSync(db, path);
        }),
    };
    return await work({ state, end, rewrite, leave, location });
  } finally {
    opened?.close();
    lock.close();
  }
}

/** Many may hold it. What is on a medium that cannot be written can be held, too; without the file there never was a writer. */
function holdShared(path: string): () => void {
  if (!existsSync(path)) return () => undefined;
  const lock = openLock(path, { readOnly: true, timeout: 0 });
  try {
    lock.exec('BEGIN');
    lock.prepare('SELECT 1 FROM sqlite_schema').get();
  } catch (cause) {
    lock.close();
    throw locked(path, cause);
  }
  return () => {
    if (lock.isOpen) lock.close();
  };
}

/** As the writer takes it, and released by closing. Nothing else in this process may have the file open. */
function takeLock(path: string): DatabaseSync {
  const lock = openLock(path, { timeout: 0 });
  try {
    lock.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
    return lock;
  } catch (cause) {
    lock.close();
    throw locked(path, cause);
  }
}

const locked = (path: string, cause: unknown): LogError =>
  new LogError('LOG_LOCKED', `another process has the log: it holds ${path}`, {
    hint: 'Stop the service first, then give the command again.',
    cause,
  });
