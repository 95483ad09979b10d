/**
 * The thread that owns `index.db`; see hash-index.ts for what it is good for.
 */
import type { DatabaseSync } from 'node:sqlite';
import { workerData } from 'node:worker_threads';
import { equalBytes } from '../../core/bytes.ts';
import { isCorruption, isEmptyDatabase, requireTables, sqliteMessage } from '../../storage/sqlite.ts';
import { answerRequests } from '../../storage/worker-channel.ts';
import { openDerivedDatabase, removeDatabase } from '../core/derived-file.ts';
import { BUCKETS, Damage, find, FORMAT, placesByBucket, rowsOf, SCHEMA } from './hash-index-tables.ts';
import { LogError } from '../core/log-error.ts';

/** What the worker is started with. */
export interface HashIndexData {
  readonly path: string;
  readonly logId: Uint8Array;
}

/** Asks the worker. `prefixes` are those of a whole group, in the order of its entries; `covered` groups must be there. */
export type HashIndexRequest =
  | { readonly kind: 'covered'; readonly complete: number }
  | { readonly kind: 'store'; readonly group: number; readonly prefixes: Float64Array }
  | { readonly kind: 'find'; readonly prefix: number; readonly covered: number; readonly size: number };

/** The worker's answer to `covered` (groups) and `find`. Instead of one it may throw {@link LogError}: `LOG_CORRUPT` when the
 * file is damaged, else `LOG_STORAGE`. */
export interface HashIndexReply {
  readonly covered?: number;
  readonly indexes?: readonly number[];
}

/** Buckets of one transaction, and the rest after each: a group must not take a whole core from issuing. */
const SLICE = 128;
const REST_MS = 4;

const { path, logId } = workerData as HashIndexData;
let db = open();

function open(): DatabaseSync {
  try {
    return prepare();
  } catch {
    // Damaged, or of another version: it holds nothing that the tiles do not.
    removeDatabase(path);
    return prepare();
  }
}

/** NORMAL: a power cut may lose the newest rows, together with the mark that says they are there. */
function prepare(): DatabaseSync {
  const opened = openDerivedDatabase(path);
  try {
    opened.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;');
    const isNew = isEmptyDatabase(opened);
    const format = opened.prepare('PRAGMA user_version').get()?.['user_version'];
    if (!isNew && format !== FORMAT) throw new Error('of another version');
    // At once, so that a check of the file never sees half of it: a service may end right here.
    opened.exec(`BEGIN IMMEDIATE; PRAGMA user_version = ${FORMAT}; ${SCHEMA}`);
    requireTables(opened, SCHEMA);
    opened.prepare('INSERT OR IGNORE INTO mark (one, log_id, covered) VALUES (1, ?, 0)').run(logId);
    opened.exec('COMMIT');
    return opened;
  } catch (error) {
    opened.close();
    throw error;
  }
}

function startAnew(): void {
  db.close();
  removeDatabase(path);
  db = open();
}

/** Groups stored already. One that is ahead of the log, or of another log, is worthless: start anew. */
function covered(complete: number): number {
  const row = db.prepare('SELECT log_id, covered FROM mark').get();
  const count = Number(row?.['covered']);
  const owner = row?.['log_id'];
  if (owner instanceof Uint8Array && equalBytes(owner, logId) && count <= complete) return count;
  startAnew();
  return 0;
}

/** In the order of the table's key, so that each of its pages is written once. */
function store(group: number, prefixes: Float64Array): void {
  const insert = db.prepare('INSERT OR REPLACE INTO leaf (bucket, grp, rows) VALUES (?, ?, ?)');
  const buckets = placesByBucket(prefixes);
  for (let from = 0; from < BUCKETS; from += SLICE) {
    db.exec('BEGIN');
    for (let bucket = from; bucket < from + SLICE; bucket++)
      insert.run(bucket, group, rowsOf(bucket, group, buckets[bucket] ?? [], prefixes));
    db.exec('COMMIT');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, REST_MS);
  }
  db.prepare('UPDATE mark SET covered = ?').run(group + 1);
}

function answer(request: HashIndexRequest): HashIndexReply {
  try {
    if (request.kind === 'covered') return { covered: covered(request.complete) };
    if (request.kind === 'find') return { indexes: find(db, request.prefix, request.covered, request.size) };
    store(request.group, request.prefixes);
    return {};
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK');
    const isDamaged = error instanceof Damage || isCorruption(error);
    throw new LogError(isDamaged ? 'LOG_CORRUPT' : 'LOG_STORAGE', `${path}: ${sqliteMessage(error)}`);
  }
}

answerRequests(answer);
