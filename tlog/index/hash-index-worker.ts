/**
 * The thread that owns `index.db`; see hash-index.ts for what it is good for.
 *
 *     mark(one, log_id, covered)      covered: complete groups that are stored, all from the first one on
 *     leaf(bucket, grp, rows)         entries of a group whose prefixes begin with the bucket's 12 bits: for each the
 *                                     32 bits behind them and its place in the group; then a CRC-32
 *
 * A look-up reads one bucket of every group. Each must be there, and whole: only then is an entry known to be absent.
 */
import type { DatabaseSync } from 'node:sqlite';
import { crc32 } from 'node:zlib';
import { workerData } from 'node:worker_threads';
import { equalBytes } from '../../core/bytes.ts';
import { isCorruption, requireTables, sqliteMessage } from '../../storage/sqlite.ts';
import { answerRequests } from '../../storage/worker-channel.ts';
import { openDerivedDatabase, removeDatabase } from '../core/derived-file.ts';
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

/** Version of the tables. */
const FORMAT = 2;

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS mark (one INTEGER PRIMARY KEY, log_id BLOB NOT NULL, covered INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS leaf (bucket INTEGER, grp INTEGER, rows BLOB NOT NULL, PRIMARY KEY (bucket, grp)) STRICT, WITHOUT ROWID;
`;

const BUCKETS = 4096;
/** A prefix has 48 bits: 12 of the bucket, 32 that are kept, 4 that are not. */
const BELOW_BUCKET = 2 ** 36;
const ROW = 6;
const SUM = 4;

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
    const isNew = opened.prepare('SELECT 1 FROM sqlite_schema').get() === undefined;
    const format = opened.prepare('PRAGMA user_version').get()?.['user_version'];
    if (!isNew && format !== FORMAT) throw new Error('of another version');
    opened.exec(`PRAGMA user_version = ${FORMAT}; ${SCHEMA}`);
    requireTables(opened, SCHEMA);
    opened.prepare('INSERT OR IGNORE INTO mark (one, log_id, covered) VALUES (1, ?, 0)').run(logId);
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

const bucketOf = (prefix: number): number => Math.floor(prefix / BELOW_BUCKET);
const keptOf = (prefix: number): number => Math.floor((prefix % BELOW_BUCKET) / 16);

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

function placesByBucket(prefixes: Float64Array): number[][] {
  const buckets = Array.from({ length: BUCKETS }, (): number[] => []);
  for (const [at, prefix] of prefixes.entries()) buckets[bucketOf(prefix)]?.push(at);
  return buckets;
}

function rowsOf(bucket: number, group: number, places: readonly number[], prefixes: Float64Array): Buffer {
  const rows = Buffer.alloc(places.length * ROW + SUM);
  for (const [i, place] of places.entries()) {
    rows.writeUInt32BE(keptOf(prefixes[place] ?? 0), i * ROW);
    rows.writeUInt16BE(place, i * ROW + 4);
  }
  const end = rows.length - SUM;
  rows.writeUInt32BE(sumOf(bucket, group, rows.subarray(0, end)), end);
  return rows;
}

function sumOf(bucket: number, group: number, rows: Uint8Array): number {
  const place = Buffer.alloc(8);
  place.writeUInt32BE(bucket, 0);
  place.writeUInt32BE(group, 4);
  return crc32(rows, crc32(place));
}

function find(prefix: number, groups: number, size: number): number[] {
  const bucket = bucketOf(prefix);
  const kept = keptOf(prefix);
  const found = db
    .prepare('SELECT grp, rows FROM leaf WHERE bucket = ? ORDER BY grp LIMIT ?')
    .iterate(bucket, groups);
  const indexes: number[] = [];
  let group = 0;
  for (const row of found) {
    const rows = soundRows(bucket, group, row);
    for (let at = 0; at < rows.length; at += ROW)
      if (rows.readUInt32BE(at) === kept) indexes.push(group * size + rows.readUInt16BE(at + 4));
    group++;
  }
  if (group < groups) throw new Damage(`bucket ${bucket} of a group is missing`);
  return indexes;
}

/** Throws unless the row is that of this bucket and group, as it was stored. */
function soundRows(bucket: number, group: number, row: Record<string, unknown>): Buffer {
  const { grp, rows } = row;
  if (grp !== group || !(rows instanceof Uint8Array) || rows.length < SUM)
    throw new Damage(`bucket ${bucket} of group ${group} is missing`);
  const bytes = Buffer.from(rows.buffer, rows.byteOffset, rows.byteLength);
  const end = bytes.length - SUM;
  const content = bytes.subarray(0, end);
  if (end % ROW === 0 && bytes.readUInt32BE(end) === sumOf(bucket, group, content)) return content;
  throw new Damage(`bucket ${bucket} of group ${group} has a wrong checksum`);
}

/** A bucket that is not as it was stored. */
class Damage extends Error {}

function answer(request: HashIndexRequest): HashIndexReply {
  try {
    if (request.kind === 'covered') return { covered: covered(request.complete) };
    if (request.kind === 'find') return { indexes: find(request.prefix, request.covered, request.size) };
    store(request.group, request.prefixes);
    return {};
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK');
    const isDamaged = error instanceof Damage || isCorruption(error);
    throw new LogError(isDamaged ? 'LOG_CORRUPT' : 'LOG_STORAGE', `${path}: ${sqliteMessage(error)}`);
  }
}

answerRequests(answer);
