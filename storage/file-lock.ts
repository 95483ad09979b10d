/** A lock between processes that ends with the process that holds it. */
import type { DatabaseSync } from 'node:sqlite';
import { setTimeout as pause } from 'node:timers/promises';
import { FileFault } from './file-fault.ts';
import { openLock } from './sqlite.ts';

/** SQLite's SQLITE_BUSY. */
const BUSY = 5;

/** Milliseconds between two tries. */
const RETRY_MS = 20;

/** Another process holds the lock. */
export class LockTimeout extends Error {}

/** Runs `work` while no other process, and no other call in this one, holds the lock at `path`: an empty file, which is made.
 * SQLite takes the lock, so it works between containers that share the directory, and the end of a process releases it. Rejects
 * with {@link LockTimeout} after `waitMs`, with FileFault when the file cannot be used, and with what `work` rejects with. */
export async function withFileLock<T>(path: string, waitMs: number, work: () => Promise<T>): Promise<T> {
  const lock = await take(path, performance.now() + waitMs);
  try {
    return await work();
  } finally {
    lock.close();
  }
}

/** Takes the lock for as long as this process runs, or until the function that it resolves with is called. Rejects as {@link withFileLock} does. */
export async function holdFileLock(path: string, waitMs: number): Promise<() => void> {
  const lock = await take(path, performance.now() + waitMs);
  return () => {
    lock.close();
  };
}

async function take(path: string, deadline: number): Promise<DatabaseSync> {
  for (;;) {
    const lock = tryLock(path);
    if (lock !== undefined) return lock;
    if (performance.now() >= deadline) throw new LockTimeout(`another process holds ${path}`);
    await pause(RETRY_MS);
  }
}

/** Undefined while another one holds it. */
function tryLock(path: string): DatabaseSync | undefined {
  let database: DatabaseSync | undefined;
  try {
    database = openLock(path);
    database.exec('BEGIN EXCLUSIVE');
    return database;
  } catch (error) {
    database?.close();
    if (error instanceof Error && 'errcode' in error && error.errcode === BUSY) return undefined;
    throw new FileFault(path, 'opened', error);
  }
}
