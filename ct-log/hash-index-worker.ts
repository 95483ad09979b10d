/** The thread that owns `index.db`; see hash-index.ts for what it is good for. */
import { rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';
import { equalBytes } from '../core/bytes.ts';

/** What the worker is started with. */
export interface HashIndexData {
  readonly path: string;
  readonly logId: Uint8Array;
}

/** Asks the worker. `prefixes` are those of a whole group, in the order of its entries. */
export type HashIndexRequest =
  | { readonly kind: 'covered'; readonly complete: number }
  | { readonly kind: 'store'; readonly group: number; readonly prefixes: Float64Array }
  | { readonly kind: 'find'; readonly prefix: number };

/** The worker's answer to `covered` (groups) and `find`. */
export interface HashIndexReply {
  readonly covered?: number;
  readonly indexes?: readonly number[];
}

/** Rows of one transaction, and the rest after each: a group must not take a whole core from issuing. */
const SLICE = 1024;
const REST_MS = 4;

const { path, logId } = workerData as HashIndexData;
let db = open();

function open(): DatabaseSync {
  try {
    return prepare();
  } catch {
    // Damaged, or of another version: it holds nothing that the tiles do not.
    discard();
    return prepare();
  }
}

function discard(): void {
  for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true });
}

/** NORMAL: a power cut may lose the newest rows, together with the mark that says they are there. */
function prepare(): DatabaseSync {
  const opened = new DatabaseSync(path);
  try {
    opened.exec(`
      PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
      CREATE TABLE IF NOT EXISTS mark (one INTEGER PRIMARY KEY, log_id BLOB NOT NULL, covered INTEGER NOT NULL) STRICT;
      CREATE TABLE IF NOT EXISTS leaf (prefix INTEGER, idx INTEGER, PRIMARY KEY (prefix, idx)) STRICT, WITHOUT ROWID;
    `);
    opened.prepare('INSERT OR IGNORE INTO mark (one, log_id, covered) VALUES (1, ?, 0)').run(logId);
    return opened;
  } catch (error) {
    opened.close();
    throw error;
  }
}

/** Groups stored already. One that is ahead of the log, or of another log, is worthless: start anew. */
function covered(complete: number): number {
  const row = db.prepare('SELECT log_id, covered FROM mark').get();
  const count = Number(row?.['covered']);
  const owner = row?.['log_id'];
  if (owner instanceof Uint8Array && equalBytes(owner, logId) && count <= complete) return count;
  db.close();
  discard();
  db = open();
  return 0;
}

/** In the order of the table's key, so that each of its pages is written once. */
function store(group: number, prefixes: Float64Array): void {
  const insert = db.prepare('INSERT OR IGNORE INTO leaf (prefix, idx) VALUES (?, ?)');
  const order = Uint32Array.from(prefixes.keys());
  order.sort((a, b) => (prefixes[a] ?? 0) - (prefixes[b] ?? 0) || a - b);
  for (let from = 0; from < order.length; from += SLICE) {
    db.exec('BEGIN');
    for (const at of order.subarray(from, from + SLICE)) {
      insert.run(prefixes[at] ?? 0, group * prefixes.length + at);
    }
    db.exec('COMMIT');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, REST_MS);
  }
  db.prepare('UPDATE mark SET covered = ?').run(group + 1);
}

const find = (prefix: number): number[] =>
  db
    .prepare('SELECT idx FROM leaf WHERE prefix = ? ORDER BY idx')
    .all(prefix)
    .map((row) => Number(row['idx']));

function answer(request: HashIndexRequest): HashIndexReply {
  if (request.kind === 'covered') return { covered: covered(request.complete) };
  if (request.kind === 'find') return { indexes: find(request.prefix) };
  store(request.group, request.prefixes);
  return {};
}

parentPort?.on('message', (request: HashIndexRequest) => parentPort?.postMessage(answer(request)));
