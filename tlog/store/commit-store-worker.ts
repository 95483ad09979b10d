/**
 * The thread that owns `commit.db` and the lock, so that an fsync never stalls a request. One message in, one out, in
 * order. Everything that decides is in commit-snapshot.ts, commit-database.ts and commit-transaction.ts.
 */
import { statSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { workerData } from 'node:worker_threads';
import { removeCopies } from '../../storage/database-copy.ts';
import { isCorruption, openLock } from '../../storage/sqlite.ts';
import { answerRequests } from '../../storage/worker-channel.ts';
import {
  bindIdentity,
  copyAndSync,
  openForWriting,
  requireHead,
  storageError,
  WAL_KEPT,
  writeNoted,
} from './commit-database.ts';
import { readSnapshot, readStored } from './commit-snapshot.ts';
import type { Head, LoadedState } from './commit-store.ts';
import type { StoreLocation } from './store-location.ts';
import { committer, type PackedBatch } from './commit-transaction.ts';
import { LogError } from '../core/log-error.ts';
import type { LogIdentity } from '../core/log-identity.ts';

/** How large the WAL is, and why it is larger than it need be. */
export interface Growth {
  readonly bytes: number;
  readonly why?: string;
}

/** What the worker is started with. */
export interface CommitWorkerData {
  readonly commitPath: string;
  readonly lockPath: string;
  readonly identity: LogIdentity;
}

/** Asks the worker. */
export type CommitRequest =
  | { readonly kind: 'load' }
  | { readonly kind: 'recover' }
  | { readonly kind: 'commit'; readonly batch: PackedBatch }
  | { readonly kind: 'note'; readonly location: StoreLocation }
  | { readonly kind: 'close' };

/** The worker's answer; instead of one it may throw {@link LogError}. */
export interface CommitReply {
  /** What was loaded. */
  readonly state?: LoadedState;
  /** After a commit. */
  readonly growth?: Growth;
}

const { commitPath, lockPath, identity } = workerData as CommitWorkerData;
const SQLITE_BUSY = 5;

/** Milliseconds between two looks at the size of the WAL. */
const LOOK_INTERVAL = 1000;

/** Bytes of a WAL that is not being emptied. */
const GROWN = 4 * WAL_KEPT;

/** Holds an operating-system lock as long as the thread lives, even if it ends by kill -9. A file of its own, so that
 * readers of commit.db are not shut out. Nothing in this process may open lock.db otherwise: closing any descriptor
 * of a file drops the process's POSIX locks on it. */
function takeLock(): DatabaseSync {
  try {
    const lock = openLock(lockPath, { timeout: 0 });
    try {
      // Without a journal on disk: nothing is ever written here, and nothing is to be left by a kill.
      lock.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
      return lock;
    } catch (error) {
      lock.close();
      throw error;
    }
  } catch (error) {
    if (error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY) throw lockedError();
    throw isCorruption(error) ? damagedLock() : storageError(lockPath, error);
  }
}

const lockedError = (): LogError =>
  new LogError('LOG_LOCKED', `another process writes to the log: it holds ${lockPath}`, {
    hint: 'Only one server may use a data directory. Stop the other one first; its lock goes with it.',
  });

const damagedLock = (): LogError =>
  new LogError('LOG_CORRUPT', `${lockPath} is damaged; it is empty as long as nobody writes to it`, {
    hint: 'It holds nothing of the log. Make sure that no other Mayfly uses this directory, delete lock.db and start again.',
  });

let lock: DatabaseSync | undefined;
let database: DatabaseSync | undefined;
let loaded: Head | undefined;
/** Whether the database that is open shows another head than what was loaded: the next load reads there. */
let isAnother = false;
let commit: ((batch: PackedBatch) => void) | undefined;
let lookedAt = 0;
let growth: Growth = { bytes: 0 };

/** Also after a failure: what was open then is closed, and nothing of it is used again. */
function load(): LoadedState {
  const opened = isAnother ? database : undefined;
  isAnother = false;
  if (opened === undefined) release();
  takeOver();
  const state = opened === undefined ? readSnapshot(commitPath) : readStored(opened, commitPath);
  loaded = state.head;
  return state;
}

/** Takes the lock, and removes the copies of `commit.db` that a killed start left: on a full disk there is no room for
 * another copy before they are gone. */
function takeOver(): void {
  lock ??= takeLock();
  removeCopies(commitPath);
}

/** Nothing is moved and nothing cut before the opened database shows what was judged. */
function recover(): void {
  database ??= openForWriting(commitPath);
  requireLoaded(database);
  copyAndSync(database, commitPath);
  bindIdentity(database, identity);
  requireLoaded(database);
  commit = committer(database);
}

/** The files show a commit that failed or was killed between its sync and its end as a whole one. A database that another
 * program has open does not show it: what is right is what SQLite goes on from, and that is judged next. */
function requireLoaded(opened: DatabaseSync): void {
  if (loaded === undefined) throw new LogError('LOG_STORAGE', 'the commit store was not loaded');
  try {
    requireHead(opened, commitPath, loaded);
  } catch (error) {
    isAnother = error instanceof LogError && error.code === 'LOG_STALE';
    throw error;
  }
}

function release(): void {
  const old = database;
  [database, commit, growth] = [undefined, undefined, { bytes: 0 }];
  try {
    old?.close();
  } catch {
    // It could not be used; now it cannot be closed either. The next one is opened beside it.
  }
}

/** What keeps the WAL from being emptied: a program that reads and does not finish, or a database that cannot be
 * written, which SQLite keeps to itself as long as commits succeed. */
function lookAtGrowth(): void {
  const now = performance.now();
  if (now - lookedAt < LOOK_INTERVAL) return;
  lookedAt = now;
  const path = `${commitPath}-wal`;
  const { size: bytes = 0 } = statSync(path, { throwIfNoEntry: false }) ?? {};
  const grown = `${path} has grown to ${Math.round(bytes / 1e6)} MB`;
  growth = bytes < GROWN ? { bytes } : { bytes, why: `${grown}: ${whyGrown()}` };
}

function whyGrown(): string {
  try {
    database?.prepare('PRAGMA wal_checkpoint(PASSIVE)').get();
    return 'a program reads commit.db and does not finish';
  } catch (error) {
    return storageError(commitPath, error).message;
  }
}

function note(location: StoreLocation): void {
  if (database === undefined) throw new LogError('LOG_STORAGE', NOT_OPENED);
  writeNoted(database, location);
}

const NOT_OPENED = 'the commit store was not opened for writing';

function write(batch: PackedBatch): CommitReply {
  if (commit === undefined) throw new LogError('LOG_STORAGE', NOT_OPENED);
  commit(batch);
  lookAtGrowth();
  return { growth };
}

function answer(request: CommitRequest): CommitReply {
  try {
    if (request.kind === 'load') return { state: load() };
    if (request.kind === 'commit') return write(request.batch);
    if (request.kind === 'recover') recover();
    else if (request.kind === 'note') note(request.location);
    else {
      release();
      lock?.close();
    }
    return {};
  } catch (error) {
    throw storageError(commitPath, error);
  }
}

answerRequests(answer);
