/** A database beside a log that holds nothing that the log does not, and the thread that owns it. */
import { lstatSync, rmSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { openDatabase } from '../../storage/sqlite.ts';
import { startWorker, type WorkerChannel } from '../../storage/worker-channel.ts';
import { LogError } from './log-error.ts';

/** Which thread there is to be. */
interface DerivedFileStart {
  /** Of the database. */
  readonly path: string;
  /** URL of the module that starts the thread, its `import.meta.url`, and the thread's file in the same folder, without extension. */
  readonly beside: string;
  readonly name: string;
  readonly workerData: unknown;
}

/** Milliseconds until a failed step is tried again, the first and the longest. */
const FIRST_RETRY = 500;
const LONGEST_RETRY = 60_000;

/** The file. Its thread is started by the first question. It reports a damaged file as LogError `LOG_CORRUPT`; {@link renew} removes that then. */
export class DerivedFile<Request, Reply> {
  readonly #start: DerivedFileStart;
  #channel: WorkerChannel<Request, Reply> | undefined;
  #isDamaged = false;
  #isClosed = false;

  constructor(start: DerivedFileStart) {
    this.#start = start;
  }

  /** Whether the thread found the file damaged, and it was not renewed since. */
  get isDamaged(): boolean {
    return this.#isDamaged;
  }

  /** Rejects with what the thread throws; with LogError `LOG_STORAGE` when it ended, and with `LOG_CLOSED` after {@link close}. */
  async ask(request: Request): Promise<Reply> {
    // A thread that is started now would never be ended, and hold the process.
    if (this.#isClosed) throw new LogError('LOG_CLOSED', 'the log is closed');
    const { path, ...thread } = this.#start;
    this.#channel ??= startWorker({
      ...thread,
      errors: LogError,
      gone: (reason) => new LogError('LOG_STORAGE', `${path}: ${reason}`),
    });
    try {
      return await this.#channel.ask(request);
    } catch (error) {
      this.#isDamaged ||= error instanceof LogError && error.code === 'LOG_CORRUPT';
      throw error;
    }
  }

  /** Ends the thread, so that the next question starts another, and removes the file where it is damaged: it is made anew then. */
  async renew(): Promise<void> {
    await this.#channel?.terminate();
    this.#channel = undefined;
    if (this.#isDamaged) removeDatabase(this.#start.path);
    this.#isDamaged = false;
  }

  /** Calls `fill` until it has done its work or `signal` aborts: after a failure again, at longer and longer intervals. `failed` is called with each failure, and with whether it passes: a damaged file is
   * made anew at once, and only one that is damaged again has to wait. Never rejects. */
  async fillBy(
    fill: () => Promise<void>,
    failed: (error: unknown, isPassing: boolean) => void,
    signal: AbortSignal,
  ): Promise<void> {
    for (let wait = FIRST_RETRY; !signal.aborted; wait = Math.min(2 * wait, LONGEST_RETRY)) {
      try {
        await fill();
        return;
      } catch (error) {
        const isPassing = this.#isDamaged && wait === FIRST_RETRY;
        failed(error, isPassing);
        if (!isPassing) await delay(wait, undefined, { ref: false, signal }).catch(() => undefined);
      }
    }
  }

  /** Ends the thread for good. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#channel?.terminate();
  }
}

/** What SQLite keeps beside a database, or looks for there. */
const SUFFIXES = ['', '-wal', '-shm', '-journal'];

/** Removes a database of SQLite with the files beside it. Only for one that can be made anew, and that no other thread has open. */
export function removeDatabase(path: string): void {
  for (const suffix of SUFFIXES) rmSync(path + suffix, { force: true });
}

/** Opens the database at `path` for writing, or makes it, for the thread that owns it. What lies there may be of others: through a link something
 * else would be written, a pipe would be waited for, and a journal, of which no kill leaves more than one of an empty database, would be followed. All these are removed before. Throws what
 * `openDatabase` throws. */
export function openDerivedDatabase(path: string): DatabaseSync {
  const found = SUFFIXES.map((suffix) => lstatSync(path + suffix, { throwIfNoEntry: false }));
  if (found.some((stats) => stats?.isFile() === false) || found.at(-1) !== undefined) removeDatabase(path);
  return openDatabase(path);
}
