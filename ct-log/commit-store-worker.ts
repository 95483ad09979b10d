/**
 * The thread that owns `commit.db` and the lock, so that an fsync never stalls a request. One message in, one out, in
 * order. Everything that decides is in commit-database.ts and commit-transaction.ts.
 */
import { DatabaseSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';
import { copyAndSync, openForWriting, readState, storageError } from './commit-database.ts';
import type { CommittedState } from './commit-store.ts';
import { committer, type PackedBatch } from './commit-transaction.ts';
import { LogError } from './log-error.ts';

/** What the worker is started with. */
export interface CommitWorkerData {
  readonly commitPath: string;
  readonly lockPath: string;
  readonly logId: Uint8Array;
}

/** Asks the worker. */
export type CommitRequest =
  | { readonly kind: 'load' }
  | { readonly kind: 'commit'; readonly batch: PackedBatch }
  | { readonly kind: 'close' };

/** The worker's answer: an error travels as its parts, for its class would be lost on the way. */
export type CommitReply =
  | { readonly ok: true; readonly state?: CommittedState }
  | {
      readonly ok: false;
      readonly code: LogError['code'];
      readonly message: string;
      readonly hint: string | undefined;
    };

const { commitPath, lockPath, logId } = workerData as CommitWorkerData;
const SQLITE_BUSY = 5;

/** Holds an operating-system lock as long as the thread lives, even if it ends by kill -9. A file of its own, so that
 * readers of commit.db are not shut out. Nothing in this process may open lock.db otherwise: closing any descriptor
 * of a file drops the process's POSIX locks on it. */
function takeLock(): DatabaseSync {
  const lock = new DatabaseSync(lockPath, { timeout: 0 });
  try {
    lock.exec('BEGIN EXCLUSIVE');
    return lock;
  } catch (error) {
    lock.close();
    if (error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY) throw lockedError();
    throw error;
  }
}

const lockedError = (): LogError =>
  new LogError('LOG_LOCKED', `another process writes to the log: it holds ${lockPath}`, {
    hint: 'Only one server may use a data directory. Stop the other one first; its lock goes with it.',
  });

let lock: DatabaseSync | undefined;
let database: DatabaseSync | undefined;
let commit: ((batch: PackedBatch) => void) | undefined;

function load(): CommittedState {
  lock = takeLock();
  database = openForWriting(commitPath, logId);
  copyAndSync(database, commitPath);
  commit = committer(database);
  return readState(database, commitPath);
}

function close(): void {
  database?.close();
  lock?.close();
}

function answer(request: CommitRequest): CommitReply {
  try {
    if (request.kind === 'load') return { ok: true, state: load() };
    if (request.kind === 'close') close();
    else if (commit === undefined) throw new LogError('LOG_STORAGE', 'the commit store was not loaded');
    else commit(request.batch);
    return { ok: true };
  } catch (error) {
    const { code, message, hint } = storageError(commitPath, error);
    return { ok: false, code, message, hint };
  }
}

parentPort?.on('message', (request: CommitRequest) => parentPort?.postMessage(answer(request)));
