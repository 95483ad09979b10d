import { dirname, join } from 'node:path';
import type { Batch, CommitStore } from './commit-store.ts';
import type { CommitReply, CommitRequest, CommitWorkerData, Growth } from './commit-store-worker.ts';
import type { PackedBatch } from './commit-transaction.ts';
import { LogError } from '../core/log-error.ts';
import type { LogIdentity } from '../core/log-identity.ts';
import { isLocked } from '../../storage/sqlite.ts';
import { locationOf } from './store-location.ts';
import { startWorker, type WorkerChannel } from '../../storage/worker-channel.ts';

/** Names inside a log's directory. */
export const COMMIT_DATABASE = 'commit.db';
export const LOCK_DATABASE = 'lock.db';

const FIRST_BYTES = 1024 * 1024;

/** The memory that both threads see. One commit is under way at a time, so one buffer serves all: handing over a new
 * one for each batch costs more than the rest of the message. */
class SharedMemory {
  #bytes = new Uint8Array(new SharedArrayBuffer(FIRST_BYTES));
  /** Whether the thread has it. */
  #isShared = false;

  /** Copies the entries in, end to end. The message names the memory when it is new to the thread. */
  pack({ expected, next, entries, pruneBelow }: Batch): PackedBatch {
    const lengths = entries.map((entry) => entry.length);
    this.#fit(lengths.reduce((sum, length) => sum + length, 0));
    let at = 0;
    for (const entry of entries) {
      this.#bytes.set(entry, at);
      at += entry.length;
    }
    const memory = this.#isShared ? undefined : this.#bytes;
    this.#isShared = true;
    return { expected, next, lengths, pruneBelow, memory };
  }

  #fit(length: number): void {
    if (length <= this.#bytes.length) return;
    this.#bytes = new Uint8Array(new SharedArrayBuffer(2 * length));
    this.#isShared = false;
  }
}

/**
 * The {@link CommitStore} of one machine: SQLite in WAL mode with `synchronous=FULL`, one writing connection in a
 * thread of its own. `load` also takes the directory's lock (LogError `LOG_LOCKED`), which lasts until `close` or the
 * end of the process, however that comes. A thread that ended is started again by the next `load`; until then the lock
 * is free.
 */
export function sqliteCommitStore(directory: string, { origin, logId, text }: LogIdentity): CommitStore {
  const data: CommitWorkerData = {
    commitPath: join(directory, COMMIT_DATABASE),
    lockPath: join(directory, LOCK_DATABASE),
    // The identity of a kind may have more, such as keys that check: no thread can be handed functions.
    identity: { origin, logId, text },
  };
  let channel = start(data);
  let memory = new SharedMemory();
  let growth: Growth = { bytes: 0 };
  let closing: Promise<void> | undefined;
  const ask = (request: CommitRequest): Promise<CommitReply> => channel.ask(request);
  return {
    get walBytes() {
      return growth.bytes;
    },
    get growth() {
      return growth.why;
    },
    async load() {
      if (channel.isGone && closing === undefined) channel = start(data);
      // What writes after this knows no memory yet.
      memory = new SharedMemory();
      const { state } = await ask({ kind: 'load' });
      if (state === undefined) throw new LogError('LOG_STORAGE', 'the commit store answered nothing');
      return state;
    },
    async recover() {
      await ask({ kind: 'recover' });
      return undefined;
    },
    async commit(batch) {
      growth = (await ask({ kind: 'commit', batch: memory.pack(batch) })).growth ?? growth;
    },
    location: {
      here: (machine) => locationOf(data.commitPath, machine),
      isInUse: isStoreInUse,
      async note(location) {
        await ask({ kind: 'note', location });
      },
    },
    close() {
      // A thread that cannot answer any more is ended all the same: that is what frees the lock.
      closing ??= ask({ kind: 'close' })
        .catch(() => undefined)
        .then(() => channel.terminate());
      return closing;
    },
  };
}

/** Whether the commit store at that path is being written, by this process or another one. */
export const isStoreInUse = (path: string): boolean => isLocked(join(dirname(path), LOCK_DATABASE));

const start = (workerData: CommitWorkerData): WorkerChannel<CommitRequest, CommitReply> =>
  startWorker({
    beside: import.meta.url,
    name: 'commit-store-worker',
    workerData,
    errors: LogError,
    gone: (reason) => new LogError('LOG_STORAGE', reason),
  });
