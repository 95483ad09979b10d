import { join } from 'node:path';
import type { Batch, CommitStore } from './commit-store.ts';
import type { CommitReply, CommitRequest, CommitWorkerData } from './commit-store-worker.ts';
import type { PackedBatch } from './commit-database.ts';
import { LogError } from './log-error.ts';
import { startWorker } from './worker-channel.ts';

/** Names inside a log's directory. */
export const COMMIT_DATABASE = 'commit.db';
const LOCK_DATABASE = 'lock.db';

/** All entries in one buffer of their own: one copy here, none on the way to the thread. */
function pack({
  expected,
  next,
  entries,
  pruneBelow,
}: Batch): PackedBatch & { bytes: Uint8Array<ArrayBuffer> } {
  const lengths = entries.map((entry) => entry.length);
  const bytes = new Uint8Array(lengths.reduce((sum, length) => sum + length, 0));
  let at = 0;
  for (const entry of entries) {
    bytes.set(entry, at);
    at += entry.length;
  }
  return { expected, next, bytes, lengths, pruneBelow };
}

/**
 * The {@link CommitStore} of one machine: SQLite in WAL mode with `synchronous=FULL`, one writing connection in a
 * thread of its own. `load` also takes the directory's lock (LogError `LOG_LOCKED`), which lasts until `close` or the
 * end of the process, however that comes.
 */
export function sqliteCommitStore(directory: string, logId: Uint8Array): CommitStore {
  const data: CommitWorkerData = {
    commitPath: join(directory, COMMIT_DATABASE),
    lockPath: join(directory, LOCK_DATABASE),
    logId,
  };
  const channel = startWorker<CommitRequest, CommitReply>('commit-store-worker', data);
  const ask = async (request: CommitRequest, transfer?: readonly ArrayBuffer[]) => {
    const reply = await channel.ask(request, transfer);
    if (!reply.ok) throw new LogError(reply.code, reply.message, { hint: reply.hint });
    return reply.state;
  };
  let closing: Promise<void> | undefined;
  return {
    async load() {
      const state = await ask({ kind: 'load' });
      if (state === undefined) throw new LogError('LOG_STORAGE', 'the commit store answered nothing');
      return state;
    },
    async commit(batch) {
      const packed = pack(batch);
      await ask({ kind: 'commit', batch: packed }, [packed.bytes.buffer]);
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
