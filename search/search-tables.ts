/**
 * The tables of `search.db`; search-index.ts says what they are good for. Only the thread of search-worker.ts uses them.
 *
 *     mark(one, log_id, covered, last_leaf)    entries that are indexed, all from the first one on, and the leaf hash of the last
 *     term(grp, hash, place)                   that the entry has an exact key; `hash` is the start of the key's SHA-256
 *     name(grp, text, place)                   that the entry has a name, for searches by its beginning
 *     part(grp, terms, names, checksum)        what the rows of a group must come to
 *
 * Entries are in groups of 16,384. So rows are added to the pages of one group alone, however large the log is, and a search goes from
 * group to group and can stop between two. A row that is wrong costs a look into the log, because every hit is read there. One that is missing would
 * hide an entry, so each group is held to its `part` before it is first used: not at the start, which would read the whole file however long the log is. The file may be of others, with pages that refer to each other
 * without end: no more rows are read of a group than its `part` says, and no more than the file has room for.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { existsSync, statSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { equalBytes } from '../core/bytes.ts';
import { messageOf } from '../core/errors.ts';
import {
  isCorruption,
  isEmptyDatabase,
  openReader,
  requireTables,
  structureFault,
} from '../storage/sqlite.ts';
import { openDerivedDatabase, removeDatabase } from '../tlog/core/derived-file.ts';
import { sha256 } from '../tlog/core/sha256.ts';
import type { EntryKeys } from './search-keys.ts';

/** Entries of a group. */
export const GROUP = 16_384;

/** Bytes that no row is below. */
const LEAST_ROW = 4;

/** Version of the tables and of what entries are found by. */
const FORMAT = 2;

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS mark (one INTEGER PRIMARY KEY, log_id BLOB NOT NULL, covered INTEGER NOT NULL, last_leaf BLOB NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS term (grp INTEGER, hash INTEGER, place INTEGER, PRIMARY KEY (grp, hash, place)) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS name (grp INTEGER, text BLOB, place INTEGER, PRIMARY KEY (grp, text, place)) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS part (grp INTEGER PRIMARY KEY, terms INTEGER NOT NULL, names INTEGER NOT NULL, checksum INTEGER NOT NULL) STRICT;
`;

/** Bytes of a name that are kept for searches by its beginning. */
export const LONGEST_PREFIX = 512;

/** A prime below 2²⁴: with it, the checksum of a row stays exact. */
const MODULUS = 16_777_213;

/** What the file is not, or no more. */
export class Damage extends Error {}

/** What is indexed. */
export interface Coverage {
  readonly covered: number;
  /** Leaf hash of the last entry; empty without any. */
  readonly lastLeaf: Uint8Array;
}

/** An entry with what it is found by. */
export interface IndexedEntry {
  readonly index: number;
  readonly leafHash: Uint8Array;
  readonly keys: EntryKeys;
}

/** Sums over the rows of a group. */
interface Part {
  readonly terms: number;
  readonly names: number;
  readonly checksum: number;
}

const EMPTY: Part = { terms: 0, names: 0, checksum: 0 };

/** Names are compared by their bytes: text may have a zero in it, at which SQLite would end it. */
const nameBytes = (name: string): Buffer => Buffer.from(name).subarray(0, LONGEST_PREFIX);

/** The first 48 bits of the key's hash, exact as a number. What is found by a wrong one is no hit of the log. */
const hashOf = (key: string): number => Buffer.from(sha256(Buffer.from(key))).readUIntBE(0, 6);

const checksumOf = (value: number, place: number): number => ((value % MODULUS) * (place + 1)) % MODULUS;

/** The open file. */
export class SearchTables {
  readonly #path: string;
  readonly #logId: Uint8Array;
  /** Groups that have what was put into them. */
  readonly #sound = new Set<number>();
  #db: DatabaseSync;

  /** Opens the file, or makes it: also where there is one that cannot be used. `opened` is given where it is only looked at. */
  constructor(path: string, logId: Uint8Array, opened?: DatabaseSync) {
    this.#path = path;
    this.#logId = logId;
    this.#db = opened ?? this.#open();
  }

  /** What is wrong with the file at `path`; undefined where nothing is, or there is none. Looks at every row, beside the service or alone, and changes nothing. `committed` is asked how many entries the log has
   * when it is known how many are indexed. Rejects with SQLite's errors for one that cannot be read, and with what `committed` does. */
  static async findFault(
    path: string,
    logId: Uint8Array,
    committed: () => Promise<number>,
  ): Promise<string | undefined> {
    if (!existsSync(path)) return undefined;
    let db: DatabaseSync | undefined;
    try {
      db = openReader(path);
      db.exec('BEGIN');
      if (isEmptyDatabase(db)) return undefined;
      requireTables(db, SCHEMA);
      return await new SearchTables(path, logId, db).#firstFault(committed);
    } catch (error) {
      if (error instanceof Damage || isCorruption(error)) return messageOf(error);
      if (!existsSync(path)) return undefined;
      throw error;
    } finally {
      db?.close();
    }
  }

  async #firstFault(committed: () => Promise<number>): Promise<string | undefined> {
    const format = this.#db.prepare('PRAGMA user_version').get()?.['user_version'];
    if (format !== FORMAT) return 'it is of another version';
    const { log_id: owner, covered } = this.#db.prepare('SELECT log_id, covered FROM mark').get() ?? {};
    if (!(owner instanceof Uint8Array) || !equalBytes(owner, this.#logId)) return 'it is of another log';
    const size = await committed();
    if (typeof covered !== 'number' || covered < 0 || covered > size)
      return `it says that it has ${String(covered)} entries, and the log has ${size}`;
    for (let group = 0; group * GROUP < covered; group++) this.check(group);
    return structureFault(this.#db);
  }

  /** What is indexed: nothing, where the file was of another log. */
  coverage(): Coverage {
    const row = this.#db.prepare('SELECT log_id, covered, last_leaf FROM mark').get();
    const { log_id: owner, covered, last_leaf: lastLeaf } = row ?? {};
    const isOwn = owner instanceof Uint8Array && equalBytes(owner, this.#logId);
    if (isOwn && typeof covered === 'number' && lastLeaf instanceof Uint8Array) return { covered, lastLeaf };
    this.reset();
    return { covered: 0, lastLeaf: new Uint8Array() };
  }

  /** Forgets everything. */
  reset(): void {
    this.#db.close();
    removeDatabase(this.#path);
    this.#sound.clear();
    this.#db = this.#open();
  }

  /** Ends what a failed step left open. */
  rollback(): void {
    if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
  }

  /** {@link check}, once for each group. */
  #requireSound(group: number): void {
    if (this.#sound.has(group)) return;
    this.check(group);
    this.#sound.add(group);
  }

  /** Throws {@link Damage} unless the group has the rows that were put into it. */
  check(group: number): void {
    const part = this.#partOf(group);
    if ((part.terms + part.names) * LEAST_ROW > this.#bytes)
      throw new Damage(`group ${group} has more than the file`);
    const found = this.#termsOf(group, part.terms + 1);
    const names = this.#namesOf(group, part.names + 1);
    const isWhole =
      found.terms === part.terms &&
      names.names === part.names &&
      (found.checksum + names.checksum) % MODULUS === part.checksum;
    if (!isWhole) throw new Damage(`group ${group} is not as it was written`);
  }

  /** Of the file with its WAL. */
  get #bytes(): number {
    return ['', '-wal']
      .map((suffix) => statSync(this.#path + suffix, { throwIfNoEntry: false })?.size ?? 0)
      .reduce((sum, size) => sum + size, 0);
  }

  #termsOf(group: number, most: number): Part {
    const row = this.#db
      .prepare(
        `SELECT count(*) AS terms, total(((hash % ${MODULUS}) * (place + 1)) % ${MODULUS}) AS checksum
         FROM (SELECT hash, place FROM term WHERE grp = ? LIMIT ?)`,
      )
      .get(group, most);
    return { ...EMPTY, terms: Number(row?.['terms']), checksum: Number(row?.['checksum']) % MODULUS };
  }

  #namesOf(group: number, most: number): Part {
    let [names, checksum] = [0, 0];
    for (const { text, place } of this.#db
      .prepare('SELECT text, place FROM name WHERE grp = ? LIMIT ?')
      .iterate(group, most)) {
      names++;
      const bytes = text instanceof Uint8Array ? text : Buffer.alloc(0);
      checksum = (checksum + checksumOf(crc32(bytes), Number(place))) % MODULUS;
    }
    return { ...EMPTY, names, checksum };
  }

  #partOf(group: number): Part {
    const row = this.#db.prepare('SELECT terms, names, checksum FROM part WHERE grp = ?').get(group);
    if (row === undefined) return EMPTY;
    return { terms: Number(row['terms']), names: Number(row['names']), checksum: Number(row['checksum']) };
  }

  /** Adds entries that follow what is indexed, in one transaction with the mark. */
  add(entries: readonly IndexedEntry[]): void {
    const last = entries.at(-1);
    if (last === undefined) return;
    this.#db.exec('BEGIN');
    const parts = new Map<number, Part>();
    const write = new RowWriter(this.#db);
    for (const entry of entries) {
      const group = Math.floor(entry.index / GROUP);
      parts.set(group, write.entry(entry, group, parts.get(group) ?? this.#partOf(group)));
    }
    const store = this.#db.prepare(
      'INSERT OR REPLACE INTO part (grp, terms, names, checksum) VALUES (?, ?, ?, ?)',
    );
    for (const [group, { terms, names, checksum }] of parts) store.run(group, terms, names, checksum);
    this.#db.prepare('UPDATE mark SET covered = ?, last_leaf = ?').run(last.index + 1, last.leafHash);
    this.#db.exec('COMMIT');
  }

  /** Places in the group below `before` that have the key, from the last one on, `limit` of them. Throws {@link Damage} where the group is not as it was written. */
  placesOfKey(group: number, key: string, before: number, limit: number): number[] {
    this.#requireSound(group);
    return this.#db
      .prepare('SELECT place FROM term WHERE grp = ? AND hash = ? AND place < ? ORDER BY place DESC LIMIT ?')
      .all(group, hashOf(key), before, limit)
      .map(({ place }) => Number(place));
  }

  /** The same for names that begin so. */
  placesOfPrefix(group: number, prefix: string, before: number, limit: number): number[] {
    this.#requireSound(group);
    const begin = nameBytes(prefix);
    // No byte of UTF-8 is 0xff.
    const end = Buffer.concat([begin, Uint8Array.of(0xff)]);
    return this.#db
      .prepare(
        `SELECT DISTINCT place FROM (SELECT place FROM name WHERE grp = ? AND text >= ? AND text < ? AND place < ? LIMIT ?)
         ORDER BY place DESC LIMIT ?`,
      )
      .all(group, begin, end, before, this.#partOf(group).names, limit)
      .map(({ place }) => Number(place));
  }

  #open(): DatabaseSync {
    try {
      return this.#prepare();
    } catch {
      // Damaged, or of another version: it holds nothing that the log does not.
      removeDatabase(this.#path);
      return this.#prepare();
    }
  }

  /** NORMAL: a power cut may lose the newest rows, together with the mark that says they are there. */
  #prepare(): DatabaseSync {
    const opened = openDerivedDatabase(this.#path);
    try {
      opened.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -16384;');
      const isNew = isEmptyDatabase(opened);
      const format = opened.prepare('PRAGMA user_version').get()?.['user_version'];
      if (!isNew && format !== FORMAT) throw new Damage('of another version');
      // At once, so that a check of the file never sees half of it: a service may end right here.
      opened.exec(`BEGIN IMMEDIATE; PRAGMA user_version = ${FORMAT}; ${SCHEMA}`);
      requireTables(opened, SCHEMA);
      opened
        .prepare("INSERT OR IGNORE INTO mark (one, log_id, covered, last_leaf) VALUES (1, ?, 0, x'')")
        .run(this.#logId);
      opened.exec('COMMIT');
      return opened;
    } catch (error) {
      opened.close();
      throw error;
    }
  }
}

/** Writes the rows of entries. */
class RowWriter {
  readonly #term: StatementSync;
  readonly #name: StatementSync;

  constructor(db: DatabaseSync) {
    this.#term = db.prepare('INSERT INTO term (grp, hash, place) VALUES (?, ?, ?)');
    this.#name = db.prepare('INSERT INTO name (grp, text, place) VALUES (?, ?, ?)');
  }

  /** Returns `part` with the rows of the entry added. */
  entry({ index, keys }: IndexedEntry, group: number, part: Part): Part {
    const place = index - group * GROUP;
    const hashes = new Set(keys.exact.map(hashOf));
    // Of two long names with one beginning, one row.
    const names = new Map(keys.names.map((name) => [nameBytes(name).toString('latin1'), nameBytes(name)]));
    let { checksum } = part;
    for (const hash of hashes) {
      this.#term.run(group, hash, place);
      checksum = (checksum + checksumOf(hash, place)) % MODULUS;
    }
    for (const name of names.values()) {
      this.#name.run(group, name, place);
      checksum = (checksum + checksumOf(crc32(name), place)) % MODULUS;
    }
    return { terms: part.terms + hashes.size, names: part.names + names.size, checksum };
  }
}
