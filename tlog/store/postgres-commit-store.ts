/**
 * The {@link CommitStore} in PostgreSQL, which several processes may write. A batch is one statement: it compares the head with
 * the one that the batch builds on, replaces it, and inserts the entries as one row. No lock is held while a client thinks, so
 * a client that stops holds up nobody, but for a second after lost races.
 *
 * When it is not known what became of a batch, the store makes sure that nothing of it is still under way, on a new
 * session, by raising the epoch of the head: an `UPDATE`, which waits for whatever holds the row, and after which the
 * statement of the batch finds another epoch. Only then it looks whether the batch is there. To look at once would be
 * wrong: the statement may commit after the look.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { concat, equalBytes } from '../../core/bytes.ts';
import { messageOf } from '../../core/errors.ts';
import {
  placeName,
  PostgresFault,
  type PostgresConnection,
  type PostgresPlace,
} from '../../storage/postgres.ts';
import type { EntryClaim } from '../core/committed.ts';
import { LogError } from '../core/log-error.ts';
import type { LogIdentity } from '../core/log-identity.ts';
import {
  ClaimsTaken,
  type Addition,
  type Batch,
  type CommitStore,
  type Head,
  type LoadedState,
  type SharedCommits,
} from './commit-store.ts';
import {
  HEAD_COLUMNS,
  headOf,
  isSameHead,
  missing,
  packEntries,
  readAddition,
  readStored,
  requireHere,
  rolledBack,
  type HeadRow,
} from './postgres-rows.ts';
import { ended, PostgresReads } from './postgres-reads.ts';
import { KnownServer } from './postgres-server.ts';
import {
  holdStore,
  inWords,
  IS_SYNCHRONOUS,
  naming,
  openSession,
  SAFE_SETTINGS,
  type LogSession,
} from './postgres-session.ts';

/** Commits that are made under a lock after a race was lost. */
const LOCKED_COMMITS = 16;

/** Milliseconds for which the outcome of a batch is sought. */
const VERDICT_MS = 8_000;
const VERDICT_PAUSE_MS = 100;

/** With claims it puts what the entries use up beside them. A key that is there fails the statement; one that another session is putting there is waited for. */
const commitStatement = (hasClaims: boolean): string => `WITH cas AS (
  UPDATE log_head SET size = $1, root = $2, ts = $3, bundles = greatest(bundles, $4)
   WHERE log_id = $5 AND epoch = $6 AND size = $7 AND root = $8 AND ts = $9
     AND ended IS NULL AND moved IS NULL AND pg_backend_pid() = $13 AND NOT pg_is_in_recovery()
     AND ${SAFE_SETTINGS} AND (${IS_SYNCHRONOUS} OR NOT $14) RETURNING 1),
ins AS (INSERT INTO log_batch (log_id, first, n, ts, root, lens, bytes)
  SELECT $5::bytea, $7::bigint, $10::integer, $3::bigint, $2::bytea, $11::bytea, $12::bytea FROM cas WHERE $10 > 0)
${hasClaims ? USED : ''}SELECT $1::bigint AS done FROM cas`;

const USED = `, used AS (INSERT INTO log_claim (key, expires, of_entry)
  SELECT substr($15::bytea, 32 * (c.at - 1)::integer + 1, 32), c.expires, c.of_entry
    FROM cas, unnest($16::bigint[], $17::boolean[]) WITH ORDINALITY AS c (expires, of_entry, at))
`;

const COMMIT = commitStatement(false);
const COMMIT_WITH_CLAIMS = commitStatement(true);

const TAKEN = `SELECT key FROM log_claim WHERE key IN (
  SELECT substr($1::bytea, 32 * at + 1, 32) FROM generate_series(0, $2::integer - 1) AS at)`;

const FENCE = `UPDATE log_head SET epoch = epoch + 1
 WHERE log_id = $1 AND ${SAFE_SETTINGS} AND (${IS_SYNCHRONOUS} OR NOT $2) RETURNING ${HEAD_COLUMNS}`;

const READ_HEAD = `SELECT ${HEAD_COLUMNS}, ${SAFE_SETTINGS} AS safe, ${IS_SYNCHRONOUS} AS synchronous FROM log_head WHERE log_id = $1`;

/** A session that has the store, and the head's epoch as it knows it. */
interface Writing extends LogSession {
  epoch: number;
}

/** Makes the store of the log of that identity, at `place`; `directory` is the log's. */
export class PostgresCommitStore implements CommitStore {
  readonly shared: SharedCommits;
  readonly #place: PostgresPlace;
  readonly #name: string;
  readonly #logId: Uint8Array;
  readonly #application: string;
  readonly #server: KnownServer;
  readonly #reads: PostgresReads;
  #writing: Writing | undefined;
  /** The newest head that this process knows to be durable. */
  #seen: Head | undefined;
  #loaded: HeadRow | undefined;
  /** Commits that are still to be made under a lock. */
  #locked = 0;
  #isLocked = false;
  #isClosed = false;

  constructor(place: PostgresPlace, directory: string, { logId, origin }: LogIdentity) {
    this.#place = place;
    this.#name = placeName(place);
    this.#logId = logId;
    this.#application = `mayfly ${origin}`.slice(0, 63);
    this.#server = new KnownServer(directory, this.#name, logId);
    this.#reads = new PostgresReads(place, this.#name, logId, `${this.#application.slice(0, 54)} (reads)`);
    this.shared = {
      addedSince: (head) => this.#naming(async () => this.#addedSince(head)),
      begin: (head) => this.#naming(() => this.#begin(head)),
      giveWay: () => this.#giveWay(),
      settle: (head) => this.#naming(() => this.#settle(head)),
      newerThan: async (head) => {
        // A session that ended in silence is noticed before somebody waits for it.
        if (this.#writing?.connection.isGone === true) throw ended(this.#name);
        const newer = await reads.newerThan(head);
        // Opening it anew notes that: otherwise this machine would not trust a standby that is promoted, and has everything.
        if (reads.isSynchronous && this.#writing?.server.isSynchronous === false)
          throw new LogError('LOG_STORAGE', `${this.#name} waits for a standby now`);
        return newer;
      },
      publish: (head) => {
        this.#reads.publish(head);
      },
      get publishFailure() {
        return reads.publishFailure;
      },
    };
    const reads = this.#reads;
  }

  #naming<T>(work: () => Promise<T>): Promise<T> {
    return naming(this.#place, work);
  }

  load(): Promise<LoadedState> {
    return this.#naming(async () => {
      await this.#release();
      const session = await this.#open();
      // Closed with this store also when it is refused.
      const writing = (this.#writing = { ...session, epoch: -1 });
      const { row, state } = await readStored(session.connection, this.#logId, this.#name);
      requireHere(row, this.#name);
      writing.epoch = row.epoch;
      this.#loaded = row;
      return state;
    });
  }

  /** Keeps no other session open, whatever fails. */
  async #open(): Promise<LogSession> {
    const session = await openSession(this.#place, this.#application);
    try {
      await this.#server.require(session);
      await holdStore(this.#place, session, this.#logId, 'writer');
      return session;
    } catch (error) {
      await session.connection.close();
      throw error;
    }
  }

  recover(): Promise<Addition | undefined> {
    return this.#naming(async () => {
      const { head } = this.#loaded ?? (await Promise.reject<HeadRow>(ended(this.#name)));
      const writing = this.#session();
      const row = await this.#fence(writing);
      // That the server waits for a standby is true of what is committed only after the fence was.
      await this.#server.keep(writing);
      if (row.frozenAt !== undefined) return undefined;
      const addition = await readAddition(writing.connection, this.#logId, head, row, this.#name);
      this.#reads.start();
      return isSameHead(addition.head, head) ? undefined : addition;
    });
  }

  /** Nothing that began before it is under way after it, and what it returns is as durable as commits are here. */
  async #fence(writing: Writing): Promise<HeadRow> {
    const { connection } = writing;
    const before = connection.warnings;
    const [row] = await connection.query(FENCE, [this.#logId, writing.server.isSynchronous]);
    if (connection.warnings !== before) throw notReplicated(this.#name);
    if (row === undefined) throw await this.#whyNot(writing);
    const fenced = headOf(row, this.#name);
    requireHere(fenced, this.#name);
    if (this.#seen !== undefined && fenced.head.size < this.#seen.size)
      throw rolledBack(this.#seen, fenced.head, this.#name);
    writing.epoch = fenced.epoch;
    this.#seen = fenced.head;
    return fenced;
  }

  #session(): Writing {
    const writing = this.#writing;
    if (writing === undefined || writing.connection.isGone) throw ended(this.#name);
    return writing;
  }

  async commit(batch: Batch): Promise<void> {
    const writing = this.#session();
    const isLocked = this.#isLocked;
    this.#isLocked = false;
    try {
      await this.#commit(writing, batch, isLocked);
    } catch (error) {
      if (error instanceof LogError) throw error;
      if (error instanceof PostgresFault && error.code === 'REFUSED') {
        if (isLocked) await writing.connection.script('ROLLBACK').catch(() => undefined);
        // A lock that was not to be had, or a clash: the same as another head.
        if (/^(?:55P03|40)/.test(error.sqlState ?? '')) throw this.#lost(error);
        if (error.sqlState === UNIQUE_VIOLATION) await this.#requireUnclaimed(writing, batch);
        throw inWords(this.#place, error);
      }
      await this.#findOut(batch, error);
    }
    this.#seen = batch.next;
  }

  async #commit(writing: Writing, batch: Batch, isLocked: boolean): Promise<void> {
    const { connection, epoch, server } = writing;
    const { expected, next, entries, pruneBelow, claims = [] } = batch;
    const { lens, bytes } = packEntries(entries);
    const hasClaims = claims.length > 0;
    const before = connection.warnings;
    const rows = await connection.query(
      hasClaims ? COMMIT_WITH_CLAIMS : COMMIT,
      [
        ...[next.size, next.root, next.timestamp, Math.floor(pruneBelow / 256)],
        ...[this.#logId, epoch, expected.size, expected.root, expected.timestamp],
        ...[entries.length, lens, bytes, connection.pid, server.isSynchronous],
        ...(hasClaims ? packClaims(claims) : []),
      ],
      hasClaims ? 'commit with claims' : 'commit',
    );
    if (isLocked) await connection.script(rows.length === 1 ? 'COMMIT' : 'ROLLBACK');
    // "canceling wait for synchronous replication": here, and nowhere else yet.
    if (connection.warnings !== before) throw new PostgresFault('UNKNOWN', NOT_REPLICATED);
    // The answer to an earlier commit, which arrived twice, is none to this one.
    if (rows.length === 1 && rows[0]?.['done'] !== next.size)
      throw new PostgresFault('UNKNOWN', NOT_ITS_ANSWER);
    if (rows.length === 1) {
      if (this.#locked > 0) this.#locked--;
      return;
    }
    const why = await this.#whyNot(writing);
    throw why.code === 'LOG_HEAD_MOVED' ? this.#lost(why) : why;
  }

  /** Throws {@link ClaimsTaken} after a batch was refused because of them. A lock was released with it. */
  async #requireUnclaimed({ connection }: Writing, { claims = [] }: Batch): Promise<void> {
    const [keys] = packClaims(claims);
    const taken = await connection
      .query(TAKEN, [keys, claims.length])
      .catch((error: unknown) => Promise.reject(inWords(this.#place, error)));
    const found = taken.map(({ key }) => key).filter((key) => key instanceof Uint8Array);
    if (found.length > 0) throw new ClaimsTaken(found);
  }

  #lost(cause: unknown): LogError {
    this.#locked = LOCKED_COMMITS;
    return headMoved(this.#name, cause);
  }

  /** Why nothing was changed. */
  async #whyNot({ connection, server }: Writing): Promise<LogError> {
    const [row] = await connection.query(READ_HEAD, [this.#logId]);
    if (row === undefined) return missing(this.#name);
    if (row['safe'] !== true)
      return new LogError('LOG_UNSUITABLE_STORAGE', `${this.#name} does not keep commits safe any more`, {
        hint: 'fsync and full_page_writes must be on, synchronous_commit on or remote_apply.',
      });
    // Opening it anew notes that first: after a failover commits can be missing from now on.
    if (server.isSynchronous && row['synchronous'] !== true)
      return new LogError('LOG_STORAGE', `${this.#name} does not wait for a standby any more`);
    const found = headOf(row, this.#name);
    if (found.moved !== undefined || found.frozenAt !== undefined) return gone(found, this.#name);
    if (this.#writing !== undefined) this.#writing.epoch = found.epoch;
    return headMoved(this.#name, undefined);
  }

  /** Resolves when the batch is in; rejects when it is not, or when that cannot be found out in time. */
  async #findOut({ next, expected }: Batch, cause: unknown): Promise<void> {
    const until = performance.now() + VERDICT_MS;
    for (;;) {
      try {
        const { connection } = await this.#fencedSession();
        if (await this.#isIn(connection, expected, next)) return;
        throw new NotIn();
      } catch (error) {
        if (error instanceof NotIn)
          throw new LogError('LOG_STORAGE', `${messageOf(cause)}; nothing of the batch was stored`, {
            cause,
          });
        const fault = inWords(this.#place, error);
        if (fault.code !== 'LOG_STORAGE' && fault.code !== 'LOG_LOCKED') throw fault;
        if (performance.now() > until || this.#isClosed)
          throw new LogError('LOG_STORAGE', `${messageOf(cause)}; then: ${fault.message}`, { cause });
        await delay(VERDICT_PAUSE_MS);
      }
    }
  }

  /** A new session after which nothing of the old one is under way. */
  async #fencedSession(): Promise<Writing> {
    this.#writing?.connection.destroy();
    const writing = { ...(await this.#open()), epoch: -1 };
    try {
      await this.#fence(writing);
    } catch (error) {
      await writing.connection.close();
      throw error;
    }
    await this.#server.keep(writing);
    this.#writing = writing;
    return writing;
  }

  async #isIn(connection: PostgresConnection, expected: Head, next: Head): Promise<boolean> {
    if (this.#seen !== undefined && isSameHead(this.#seen, next)) return true;
    const rows = await connection.query(
      'SELECT root FROM log_batch WHERE log_id = $1 AND first = $2 AND first + n = $3 AND ts = $4',
      [this.#logId, expected.size, next.size, next.timestamp],
    );
    return rows.some(({ root }) => root instanceof Uint8Array && equalBytes(root, next.root));
  }

  async #addedSince(known: Head): Promise<Addition> {
    const writing = this.#session();
    const [row] = await writing.connection.query(READ_HEAD, [this.#logId]);
    const found = headOf(row, this.#name);
    requireHere(found, this.#name);
    writing.epoch = found.epoch;
    return readAddition(writing.connection, this.#logId, known, found, this.#name);
  }

  async #begin(known: Head): Promise<Addition | undefined> {
    if (this.#locked === 0) return undefined;
    const writing = this.#session();
    const id = Buffer.from(this.#logId).toString('hex');
    const [row] = await writing.connection.script(
      `BEGIN; SELECT ${HEAD_COLUMNS} FROM log_head WHERE log_id = '\\x${id}'::bytea FOR UPDATE`,
    );
    this.#isLocked = true;
    const found = headOf(row, this.#name);
    requireHere(found, this.#name);
    writing.epoch = found.epoch;
    return readAddition(writing.connection, this.#logId, known, found, this.#name);
  }

  async #giveWay(): Promise<void> {
    if (!this.#isLocked) return;
    this.#isLocked = false;
    await this.#writing?.connection.script('ROLLBACK').catch(() => undefined);
  }

  async #settle(known: Head): Promise<Addition> {
    const writing = this.#session();
    const row = await this.#fence(writing);
    return readAddition(writing.connection, this.#logId, known, row, this.#name);
  }

  async #release(): Promise<void> {
    const old = this.#writing;
    this.#writing = undefined;
    this.#isLocked = false;
    await old?.connection.close();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#reads.close();
    await this.#release();
  }
}

/** Of the server's codes. */
const UNIQUE_VIOLATION = '23505';

/** Keys, ends and kinds as the statement takes them. In one order for all writers, so that no two wait for each other. */
function packClaims(
  claims: readonly EntryClaim[],
): [keys: Uint8Array, ends: readonly number[], areOfEntries: readonly boolean[]] {
  const sorted = claims.toSorted((a, b) => Buffer.compare(a.key, b.key));
  return [
    concat(sorted.map(({ key }) => key)),
    sorted.map(({ expires }) => expires),
    sorted.map(({ isOfEntry }) => isOfEntry === true),
  ];
}

/** The batch is not in the store. */
class NotIn extends Error {}

const NOT_ITS_ANSWER = 'the answer to a commit was that to another one';

const NOT_REPLICATED = 'a commit was not replicated: somebody ended its wait for the standby';

const notReplicated = (place: string): LogError => new LogError('LOG_STORAGE', `${place}: ${NOT_REPLICATED}`);

const headMoved = (place: string, cause: unknown): LogError =>
  new LogError('LOG_HEAD_MOVED', `another writer was first: ${place} has another head`, { cause });

/** The store takes nothing any more. */
function gone({ moved }: HeadRow, place: string): LogError {
  if (moved === undefined)
    return new LogError('LOG_FROZEN', `the log in ${place} was ended by another process`, {
      hint: 'Start the service again: it serves the log for reading.',
    });
  return new LogError('LOG_FROZEN', `the log is not in ${place} any more: it was moved`, {
    hint: 'Start the service again with the log directory of the machine on which it was moved.',
  });
}
