/**
 * The file of the replay guard and every statement on it. Synchronous: it runs in a worker thread.
 *
 *     meta(key, value)      format
 *     used(key, expires)    32 bytes; milliseconds since the epoch
 *
 * A key stays for an hour longer than its token is valid, so that a clock that was ahead for a while lets nothing through
 * twice. Each batch deletes more expired keys than it adds, and SQLite uses their pages again: the file grows to what one
 * lifetime of tokens needs, and no further.
 */
import { closeSync, fsyncSync, openSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { lookAtCopy, removeCopies } from '../../storage/database-copy.ts';
import { FileFault } from '../../storage/file-fault.ts';
import { DURABLE, isCorruption, openDatabase, sqliteMessage } from '../../storage/sqlite.ts';
import { ReplayFault } from './replay-fault.ts';

/** Version of the tables. */
const FORMAT = 1;

/** Most keys that are held, some 80 bytes each; with more, nothing is let through until some expire. */
export const MAX_KEYS = 10_000_000;

/** How long a key outlives its token, in milliseconds. */
export const KEPT_LONGER = 3_600_000;

/** Expired keys that a batch deletes beside twice its own number. */
const PRUNED = 64;

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS used (
    key BLOB PRIMARY KEY CHECK (length(key) = 32),
    expires INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS used_by_expiry ON used (expires);
  INSERT OR IGNORE INTO meta (key, value) VALUES ('format', ${FORMAT});
`;

/** A use of a token. */
export interface TokenUse {
  /** 32 bytes. */
  readonly key: Uint8Array;
  /** Until when the token is valid, in milliseconds since the epoch. */
  readonly expires: number;
}

/** The open file. Every method throws {@link ReplayFault}; after that, only {@link close} is of use. */
export class ReplayDatabase {
  readonly #path: string;
  readonly #db: DatabaseSync;
  readonly #insert: StatementSync;
  readonly #prune: StatementSync;
  readonly #release: StatementSync;
  readonly #mostKeys: number;
  #held: number;

  /** `isFirst` when this process has not opened the file before: then it is held to its format before anything is
   * changed. It holds `mostKeys` at most. */
  constructor(path: string, isFirst = true, mostKeys = MAX_KEYS) {
    this.#path = path;
    this.#mostKeys = mostKeys;
    if (isFirst) {
      this.#guard(() => {
        // Those that a killed start left may take the room that the next one needs.
        removeCopies(path);
        requireUsable(path);
      });
    }
    this.#db = this.#guard(() => open(path));
    try {
      [this.#insert, this.#prune, this.#release, this.#held] = this.#guard(() => [
        this.#db.prepare('INSERT INTO used (key, expires) VALUES (?, ?) ON CONFLICT (key) DO NOTHING'),
        this.#db.prepare(
          'DELETE FROM used WHERE key IN (SELECT key FROM used WHERE expires < ? ORDER BY expires LIMIT ?)',
        ),
        this.#db.prepare('DELETE FROM used WHERE key = ?'),
        Number(this.#db.prepare('SELECT count(*) AS held FROM used').get()?.['held']),
      ]);
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  /** Keys that are held. */
  get held(): number {
    return this.#held;
  }

  /** For each use whether its key was not there yet, after those `released` were forgotten; all that were not are durable on return. Of two equal keys the first
   * one was not. */
  markUsed(uses: readonly TokenUse[], now: number, released: readonly Uint8Array[] = []): boolean[] {
    return this.#guard(() => {
      this.#db.exec('BEGIN IMMEDIATE');
      try {
        let held = this.#held - Number(this.#prune.run(now - KEPT_LONGER, 2 * uses.length + PRUNED).changes);
        for (const key of released) held -= Number(this.#release.run(key).changes);
        if (held + uses.length > this.#mostKeys) throw full(this.#path, held);
        const isFirst = uses.map(({ key, expires }) => this.#insert.run(key, expires).changes === 1);
        for (const first of isFirst) if (first) held++;
        this.#db.exec('COMMIT');
        this.#held = held;
        return isFirst;
      } catch (error) {
        if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
        throw error;
      }
    });
  }

  /** Some uses that are not forgotten yet at `now`, in the order of their keys: the first `most` after `behind`. */
  uses(now: number, behind: Uint8Array | undefined, most: number): TokenUse[] {
    return this.#guard(() =>
      this.#db
        .prepare('SELECT key, expires FROM used WHERE key > ? AND expires >= ? ORDER BY key LIMIT ?')
        .all(behind ?? new Uint8Array(), now - KEPT_LONGER, most)
        .map(({ key, expires }) => ({ key: key as Uint8Array, expires: Number(expires) })),
    );
  }

  /** What SQLite says of a setting of the connection. */
  pragma(name: 'synchronous' | 'journal_mode'): unknown {
    return this.#db.prepare(`PRAGMA ${name}`).get()?.[name];
  }

  close(): void {
    this.#db.close();
  }

  #guard<T>(step: () => T): T {
    try {
      return step();
    } catch (error) {
      throw faultOf(this.#path, error);
    }
  }
}

/** Bytes of a file and its WAL that are looked at in a copy first: those of three million tokens. */
const MAX_COPIED = 256 * 1024 * 1024;

/** A file that is refused stays as it is, with its WAL: opening it for writing would change it. What an unclean end left is
 * looked at in a copy. */
function requireUsable(path: string): void {
  const file = statSync(path, { throwIfNoEntry: false });
  if (file === undefined) return;
  const wal = statSync(`${path}-wal`, { throwIfNoEntry: false });
  if (wal === undefined || file.size + wal.size > MAX_COPIED) {
    lookAt(path);
    return;
  }
  lookAtCopy(path, (copy) => {
    copy.addWal();
    const db = openFor(copy.path, path);
    try {
      db.prepare('SELECT count(*) FROM used').get();
    } finally {
      db.close();
    }
  });
}

/** Judges the file without its WAL, in the way in which SQLite locks nothing and makes no file beside it. */
function lookAt(path: string): void {
  const db = openDatabase(path, { readOnly: true, isUnchanging: true });
  try {
    if (!isEmpty(db)) requireFormat(db, path);
  } finally {
    db.close();
  }
}

const isEmpty = (db: DatabaseSync): boolean => db.prepare('SELECT 1 FROM sqlite_schema').get() === undefined;

function requireFormat(db: DatabaseSync, path: string): void {
  const hasMeta = db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'meta'").get() !== undefined;
  const format = hasMeta
    ? db.prepare("SELECT value FROM meta WHERE key = 'format'").get()?.['value']
    : undefined;
  if (format !== FORMAT) throw unknownFormat(path);
}

function open(path: string): DatabaseSync {
  const db = openFor(path);
  try {
    // After an unclean end, what was read back may never have reached the medium: written anew, and synced.
    db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** Opens `file`, making the tables where there are none; `path` is its name for people. */
function openFor(file: string, path = file): DatabaseSync {
  const db = openDatabase(file, { timeout: 5000 });
  try {
    db.exec(`PRAGMA journal_mode = WAL; ${DURABLE} PRAGMA journal_size_limit = ${16 * 1024 * 1024};`);
    if (isEmpty(db)) create(db, file);
    requireFormat(db, path);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** All of it or nothing: what a crash leaves is an empty file, which the next start fills. */
function create(db: DatabaseSync, path: string): void {
  db.exec(`BEGIN IMMEDIATE; ${SCHEMA} COMMIT;`);
  const directory = openSync(dirname(path), 'r');
  fsyncSync(directory);
  closeSync(directory);
}

function faultOf(path: string, error: unknown): ReplayFault {
  if (error instanceof ReplayFault) return error;
  if (error instanceof FileFault)
    return new ReplayFault('REPLAY_GUARD_STORAGE', error.message, { cause: error });
  const message = sqliteMessage(error);
  return isCorruption(error)
    ? new ReplayFault('REPLAY_GUARD_CORRUPT', `${path}: ${message}`, { hint: REMEDY, cause: error })
    : new ReplayFault('REPLAY_GUARD_STORAGE', `${path}: ${message}`, { cause: error });
}

const REMEDY =
  'Stop the service, move the file away together with its -wal and -shm, and start again. Tokens that were used ' +
  'before can then be used once more until they expire.';

const unknownFormat = (path: string): ReplayFault =>
  new ReplayFault('REPLAY_GUARD_CORRUPT', `${path} is of an unknown format`, {
    hint: `It may come from a newer version of Mayfly. ${REMEDY}`,
  });

const full = (path: string, held: number): ReplayFault =>
  new ReplayFault('REPLAY_GUARD_FULL', `${path} holds ${held} tokens that have not expired`, {
    hint: 'An issuer makes tokens that are valid for very long, or very many of them.',
  });
