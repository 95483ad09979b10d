/** The commit store of a log in files of its directory: `commit.db`, and `lock.db`, which its one writer holds. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { removeCopies } from '../../storage/database-copy.ts';
import { openLock } from '../../storage/sqlite.ts';
import { surveyWal } from '../../storage/wal-survey.ts';
import { LogError } from '../core/log-error.ts';
import {
  createCommitDatabase,
  openForReading,
  openForWriting,
  requireHead,
  rewriteEntries,
  storageError,
  writeEnd,
} from './commit-database.ts';
import { readSnapshot, readStored } from './commit-snapshot.ts';
import type { CommitStoreBackend, LockedStore, StoredState, StoreDamage } from './commit-store.ts';
import { COMMIT_DATABASE, LOCK_DATABASE, sqliteCommitStore } from './sqlite-commit-store.ts';

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
    openForWriting: (identity) => sqliteCommitStore(directory, identity),
    read: () => inWords(path, () => readOnce(path)),
    findDamage: () => damagedWal(path),
    whileLocked: (work) => inWords(path, () => whileLocked(directory, work)),
    shared: () => inWords(path, () => holdShared(join(directory, LOCK_DATABASE))),
  };
}

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
    const rewrite: LockedStore['rewrite'] = (other) =>
      writing((db) => {
        rewriteEntries(db, path, other);
      });
    return await work({ state, end, rewrite });
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
