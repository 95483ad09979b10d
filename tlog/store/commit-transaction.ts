/** The one transaction by which the log grows. Runs in the worker thread that owns `commit.db`. */
import type { DatabaseSync } from 'node:sqlite';
import type { Head } from './commit-store.ts';
import { LogError } from '../core/log-error.ts';

/** One batch whose entries lie end to end in memory that both threads share. */
export interface PackedBatch {
  readonly expected: Head;
  readonly next: Head;
  /** Where they lie, from now on; absent while it is where it was. */
  readonly memory: Uint8Array | undefined;
  readonly lengths: readonly number[];
  readonly pruneBelow: number;
}

/** Prepares the writer's statements; the function commits one batch in one transaction, durable on return. */
export function committer(db: DatabaseSync): (batch: PackedBatch) => void {
  const replace = db.prepare(
    'UPDATE head SET size = ?, root = ?, timestamp = ? WHERE size = ? AND root = ? AND timestamp = ?',
  );
  const insert = db.prepare('INSERT INTO entry (idx, bytes) VALUES (?, ?)');
  const prune = db.prepare('DELETE FROM entry WHERE idx < ?');
  let bytes: Uint8Array = new Uint8Array();
  return ({ expected, next, memory, lengths, pruneBelow }) => {
    bytes = memory ?? bytes;
    if (lengths.reduce((sum, length) => sum + length, 0) > bytes.length) throw memoryMissing();
    db.exec('BEGIN IMMEDIATE');
    try {
      const { changes } = replace.run(
        ...[next.size, next.root, next.timestamp],
        ...[expected.size, expected.root, expected.timestamp],
      );
      if (changes !== 1) throw headMoved();
      let at = 0;
      for (const [i, length] of lengths.entries()) {
        insert.run(expected.size + i, bytes.subarray(at, at + length));
        at += length;
      }
      if (pruneBelow > 0) prune.run(pruneBelow);
      db.exec('COMMIT');
    } catch (error) {
      // A failed COMMIT may have rolled back already; the first failure is the one to report.
      if (db.isTransaction) db.exec('ROLLBACK');
      throw error;
    }
  };
}

/** The message named no memory, or another one than this. */
const memoryMissing = (): LogError => new LogError('LOG_STORAGE', 'the entries of a batch did not arrive');

/** Another writer replaced the head. */
const headMoved = (): LogError =>
  new LogError('LOG_HEAD_MOVED', 'another writer has changed the head of the log', {
    hint: 'Two servers must not share a log. Stop both, find out which one is to stay, and start that one alone.',
  });
