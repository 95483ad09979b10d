/**
 * The tables of `index.db`, as its thread writes them and as a check reads them.
 *
 *     mark(one, log_id, covered)      covered: complete groups that are stored, all from the first one on
 *     leaf(bucket, grp, rows)         entries of a group whose prefixes begin with the bucket's 12 bits: for each the
 *                                     32 bits behind them and its place in the group; then a CRC-32
 *
 * A look-up reads one bucket of every group. Each must be there, and whole: only then is an entry known to be absent.
 */
import { existsSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { crc32 } from 'node:zlib';
import { equalBytes } from '../../core/bytes.ts';
import { messageOf } from '../../core/errors.ts';
import {
  isCorruption,
  isEmptyDatabase,
  openReader,
  requireTables,
  structureFault,
} from '../../storage/sqlite.ts';
import { GROUP, type GroupReader } from './hash-group.ts';

/** Version of the tables. */
export const FORMAT = 2;

export const SCHEMA = `
  CREATE TABLE IF NOT EXISTS mark (one INTEGER PRIMARY KEY, log_id BLOB NOT NULL, covered INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS leaf (bucket INTEGER, grp INTEGER, rows BLOB NOT NULL, PRIMARY KEY (bucket, grp)) STRICT, WITHOUT ROWID;
`;

/** Rows of a group. */
export const BUCKETS = 4096;
/** A prefix has 48 bits: 12 of the bucket, 32 that are kept, 4 that are not. */
const BELOW_BUCKET = 2 ** 36;
const ROW = 6;
const SUM = 4;

const bucketOf = (prefix: number): number => Math.floor(prefix / BELOW_BUCKET);
const keptOf = (prefix: number): number => Math.floor((prefix % BELOW_BUCKET) / 16);

/** The places of the entries of a group by their buckets. */
export function placesByBucket(prefixes: Float64Array): number[][] {
  const buckets = Array.from({ length: BUCKETS }, (): number[] => []);
  for (const [at, prefix] of prefixes.entries()) buckets[bucketOf(prefix)]?.push(at);
  return buckets;
}

/** The bytes of a row: the places of a bucket in a group with what is kept of their prefixes. */
export function rowsOf(
  bucket: number,
  group: number,
  places: readonly number[],
  prefixes: Float64Array,
): Buffer {
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

/** The indexes of entries that may have the prefix, in `groups` groups of `size` entries, all of which must be there. Throws {@link Damage}, and SQLite's errors. */
export function find(db: DatabaseSync, prefix: number, groups: number, size: number): number[] {
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
export class Damage extends Error {}

/** What an index is held to. */
interface IndexedLog {
  readonly size: number;
  readonly committed: () => Promise<number>;
  readonly read: GroupReader;
}

/**
 * What is wrong with the file at `path`, which is the index of the log with that id, whose hash tiles `read` reads up to the entry `size`; undefined where nothing is. Looks at every row of those entries, beside
 * the service that writes it or alone, and changes nothing. `committed` is asked how many entries the log has when it is known how many are indexed. A file that is not there is no fault: the thread of a service may have
 * removed it. Rejects with SQLite's errors for one that cannot be read, and with what `read` and `committed` do.
 */
export async function findIndexFault(
  path: string,
  logId: Uint8Array,
  { size, committed, read }: IndexedLog,
): Promise<string | undefined> {
  let db: DatabaseSync | undefined;
  try {
    db = openReader(path);
    db.exec('BEGIN');
    if (isEmptyDatabase(db)) return undefined;
    requireTables(db, SCHEMA);
    return (await firstFault(db, logId, { size, committed, read })) ?? structureFault(db);
  } catch (error) {
    if (error instanceof Damage || isCorruption(error)) return messageOf(error);
    if (!existsSync(path)) return undefined;
    throw error;
  } finally {
    db?.close();
  }
}

async function firstFault(
  db: DatabaseSync,
  logId: Uint8Array,
  { size, committed, read }: IndexedLog,
): Promise<string | undefined> {
  const format = db.prepare('PRAGMA user_version').get()?.['user_version'];
  if (format !== FORMAT) return 'it is of another version';
  const { log_id: owner, covered } = db.prepare('SELECT log_id, covered FROM mark').get() ?? {};
  if (!(owner instanceof Uint8Array) || !equalBytes(owner, logId)) return 'it is of another log';
  const entries = await committed();
  if (typeof covered !== 'number' || covered < 0 || covered * GROUP > entries)
    return `it says that it has ${String(covered)} groups, and the log has ${entries} entries`;
  const row = db.prepare('SELECT grp, rows FROM leaf WHERE bucket = ? AND grp = ?');
  for (let group = 0; group < covered && (group + 1) * GROUP <= size; group++) {
    const prefixes = await read(group, (group + 1) * GROUP, new AbortController().signal);
    const buckets = placesByBucket(prefixes);
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      const rows = soundRows(bucket, group, row.get(bucket, group) ?? {});
      const right = rowsOf(bucket, group, buckets[bucket] ?? [], prefixes);
      if (!equalBytes(rows, right.subarray(0, -SUM)))
        return `bucket ${bucket} of group ${group} is of other entries`;
    }
  }
  return undefined;
}
