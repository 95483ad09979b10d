/**
 * Small files that all services on one database share: each is one row, replaced as a whole by who knows the version that it
 * replaces. Two at once are one after the other, or one of them replaces nothing.
 */
import { equalBytes } from '../../core/bytes.ts';
import {
  placeName,
  PostgresFault,
  type PostgresConnection,
  type PostgresPlace,
  type Row,
} from '../../storage/postgres.ts';
import { LogError } from '../core/log-error.ts';
import { sha256 } from '../core/sha256.ts';
import { naming, openSession, SAFE_SETTINGS } from './postgres-session.ts';

/** What is there. */
export interface SharedContent {
  /** Rises by one with each change. */
  readonly version: number;
  /** That of {@link SharedDocument.stamp}. */
  readonly stamp: string;
  readonly bytes: Uint8Array;
  /** Whether it was moved elsewhere, and this is what it was then. */
  readonly isMoved: boolean;
}

/** Milliseconds for one question, and besides for each mebibyte that goes with it or its answer: 64 MiB have a minute and a half, at some ten megabits a second in hexadecimal. */
const DEADLINE_MS = 3_000;
const MS_PER_MEBIBYTE = 1_500;

/** Milliseconds for a question about so many bytes. */
const deadlineFor = (bytes: number): number =>
  DEADLINE_MS + Math.ceil((Math.min(bytes, MAX_DOCUMENT) / 2 ** 20) * MS_PER_MEBIBYTE);

/** Milliseconds after the last question at which the session is closed. */
const IDLE_MS = 10_000;

const STAMP = "version || ' ' || extract(epoch FROM made) AS stamp";

/** Bytes of one document. */
export const MAX_DOCUMENT = 64 * 1024 * 1024;

/** The document called `title` of `owner`, 32 bytes, in the database at `place`. All its methods reject with {@link LogError}: `LOG_STORAGE` where the database does not answer, `LOG_UNSUITABLE_STORAGE`. */
export class SharedDocument {
  /** The database, as operators know it. */
  readonly name: string;
  readonly #place: PostgresPlace;
  readonly #key: readonly [owner: Uint8Array, title: string];
  #session: Promise<PostgresConnection> | undefined;
  #idle: NodeJS.Timeout | undefined;

  constructor(place: PostgresPlace, owner: Uint8Array, title: string) {
    this.#place = place;
    this.name = placeName(place);
    this.#key = [owner, title];
  }

  /** Another one after each change, also where a database was replaced by one that lacked the last of them: cheap. Undefined while there is nothing. */
  async stamp(): Promise<string | undefined> {
    const [row] = await this.#ask(`SELECT ${STAMP} FROM shared_document WHERE owner = $1 AND title = $2`);
    return row === undefined ? undefined : String(row['stamp']);
  }

  /** Undefined while there is nothing. */
  async read(): Promise<SharedContent | undefined> {
    const [there] = await this.#ask(
      `SELECT octet_length(bytes) AS size FROM shared_document WHERE owner = $1 AND title = $2`,
    );
    if (there === undefined) return undefined;
    const [row] = await this.#ask(
      `SELECT ${STAMP}, version, moved, CASE WHEN octet_length(bytes) <= ${MAX_DOCUMENT} THEN bytes END AS bytes
         FROM shared_document WHERE owner = $1 AND title = $2`,
      deadlineFor(Number(there['size'])),
    );
    if (row === undefined) return undefined;
    const bytes = row['bytes'];
    if (!(bytes instanceof Uint8Array))
      throw new LogError('LOG_CORRUPT', `a document in ${this.name} has more than ${MAX_DOCUMENT} bytes`, {
        hint: 'No version of this program writes such a row. Look who can write that table.',
      });
    return {
      version: versionOf(row),
      stamp: String(row['stamp']),
      bytes: Uint8Array.from(bytes),
      isMoved: row['moved'] === true,
    };
  }

  /** Puts `bytes` in the place of the version `expected`, durably; undefined: where there is nothing. Resolves to whether that was there. When nobody answers, it is looked
   * what became of it, once the version was raised on another session: that waits for what is under way, and nothing that comes later finds its version. `isMoved`: from then on it is elsewhere. Rejects with a {@link LogError} for which
   * {@link isUnsettled} holds where that cannot be found out: it may be there, or may still come. */
  async replace(expected: number | undefined, bytes: Uint8Array, isMoved = false): Promise<boolean> {
    if (bytes.length > MAX_DOCUMENT) throw tooLarge(this.name);
    try {
      const rows = await (expected === undefined
        ? this.#change(
            `INSERT INTO shared_document (owner, title, version, bytes, moved)
               SELECT $1, $2, 1, $3, $4 WHERE ${SAFE_SETTINGS}
             ON CONFLICT DO NOTHING RETURNING version`,
            [bytes, isMoved],
            bytes.length,
          )
        : this.#change(
            `UPDATE shared_document SET version = version + 1, bytes = $3, moved = $4, made = clock_timestamp()
              WHERE owner = $1 AND title = $2 AND version = $5 AND ${SAFE_SETTINGS} RETURNING version`,
            [bytes, isMoved, expected],
            bytes.length,
          ));
      if (rows.length === 1) return true;
      await this.#requireSafe();
      return false;
    } catch (error) {
      if (!isUnsettled(error)) throw error;
      return this.#settle(expected, bytes, isMoved).catch(() => Promise.reject(error as Error));
    }
  }

  /** Whether `bytes` are in force, after a change to them that had no answer, or of which the server says that it is on one server only. The first version is made again: there is no row yet whose version
   * could be raised, and one that is under way cannot be seen, but waited for. */
  async #settle(expected: number | undefined, bytes: Uint8Array, isMoved: boolean): Promise<boolean> {
    await this.close();
    const raised = 'version = shared_document.version + 1, made = clock_timestamp()';
    const [row] = await (expected === undefined
      ? this.#change(
          `INSERT INTO shared_document (owner, title, version, bytes, moved)
             SELECT $1, $2, 1, $3, $4 WHERE ${SAFE_SETTINGS}
           ON CONFLICT (owner, title) DO UPDATE SET ${raised} RETURNING moved, sha256(shared_document.bytes) AS hash`,
          [bytes, isMoved],
          bytes.length,
        )
      : this.#change(
          `UPDATE shared_document SET ${raised}
            WHERE owner = $1 AND title = $2 AND ${SAFE_SETTINGS} RETURNING moved, sha256(bytes) AS hash`,
          [],
        ));
    if (row === undefined) {
      await this.#requireSafe();
      return false;
    }
    const there = row['hash'];
    return row['moved'] === isMoved && there instanceof Uint8Array && equalBytes(there, sha256(bytes));
  }

  /** A warning of the server says that the change is not on its standby. */
  async #change(sql: string, values: readonly unknown[], size = 0): Promise<readonly Row[]> {
    return naming(this.#place, async () => {
      const connection = await this.#connection();
      const before = connection.warnings;
      const rows = await this.#askOn(connection, sql, values, deadlineFor(size));
      if (connection.warnings !== before)
        throw new PostgresFault('UNKNOWN', `${this.name} made the change on one server only`);
      return rows;
    });
  }

  async #requireSafe(): Promise<void> {
    const [row] = await this.#ask(`SELECT ${SAFE_SETTINGS} AS safe WHERE $1::bytea IS NOT NULL AND $2 <> ''`);
    if (row?.['safe'] === true) return;
    throw new LogError('LOG_UNSUITABLE_STORAGE', `${this.name} does not keep commits safe any more`, {
      hint: 'fsync and full_page_writes must be on, synchronous_commit on or remote_apply.',
    });
  }

  #ask(sql: string, deadlineMs = DEADLINE_MS): Promise<readonly Row[]> {
    return naming(this.#place, async () => this.#askOn(await this.#connection(), sql, [], deadlineMs));
  }

  async #askOn(
    connection: PostgresConnection,
    sql: string,
    values: readonly unknown[],
    deadlineMs: number,
  ): Promise<readonly Row[]> {
    clearTimeout(this.#idle);
    try {
      return await connection.query(sql, [...this.#key, ...values], undefined, deadlineMs);
    } finally {
      this.#idle = setTimeout(() => void this.close(), IDLE_MS).unref();
    }
  }

  async #connection(): Promise<PostgresConnection> {
    const found = await this.#session?.catch(() => undefined);
    if (found?.isGone === false) return found;
    this.#session = openSession(this.#place, 'mayfly shared files', DEADLINE_MS).then(
      ({ connection }) => connection,
    );
    return this.#session;
  }

  /** Ends the session; the next question opens another. */
  async close(): Promise<void> {
    clearTimeout(this.#idle);
    const session = this.#session;
    this.#session = undefined;
    await (await session?.catch(() => undefined))?.close();
  }
}

function versionOf({ version }: Row): number {
  if (typeof version === 'number') return version;
  throw new LogError('LOG_CORRUPT', 'the version of a document in the database is no number', {
    hint: 'The tables were altered by somebody else.',
  });
}

/** Whether a change that failed with `error` may be there all the same, or may still come. */
export const isUnsettled = (error: unknown): boolean =>
  error instanceof LogError && error.cause instanceof PostgresFault && error.cause.code === 'UNKNOWN';

const tooLarge = (name: string): LogError =>
  new LogError('LOG_STORAGE', `a file of more than ${MAX_DOCUMENT} bytes does not go into ${name}`, {
    hint: 'Nothing was changed. A TUF repository has its older targets beside those in force: publish smaller ones, of which the larger go after four more changes.',
  });
