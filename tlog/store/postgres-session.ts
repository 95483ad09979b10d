/** A session with the database of a log, held to what a log needs of its server. */
import { setTimeout as delay } from 'node:timers/promises';
import {
  connectPostgres,
  parsePostgresUrl,
  placeName,
  PostgresFault,
  type PostgresConnection,
  type PostgresPlace,
  type Row,
} from '../../storage/postgres.ts';
import { messageOf } from '../../core/errors.ts';
import { LogError } from '../core/log-error.ts';
import { sha256 } from '../core/sha256.ts';
import { concat, utf8 } from '../../core/bytes.ts';
import { requireSchema } from './postgres-schema.ts';

/** Which server answers, as far as it says. */
export interface ServerIdentity {
  /** The same for a primary and its standbys; undefined where the server does not say. */
  readonly system: string | undefined;
  /** Another one after each promotion of a standby. */
  readonly timeline: string | undefined;
  /** Whether its commits wait for a standby. */
  readonly isSynchronous: boolean;
}

/** A session with its server. */
export interface LogSession {
  readonly connection: PostgresConnection;
  readonly server: ServerIdentity;
}

/** Milliseconds for each question of a log. */
const DEADLINE_MS = 3_000;

/** The oldest version that the tests run against. */
const OLDEST = 15;

/** Makes what failed an error of the log that names the place. */
export function inWords(place: PostgresPlace, error: unknown): LogError {
  if (error instanceof LogError) return error;
  if (!(error instanceof PostgresFault))
    return new LogError('LOG_STORAGE', `${placeName(place)}: ${messageOf(error)}`, { cause: error });
  const isPooled = error.metadata['pooler'] !== undefined;
  return new LogError(isPooled ? 'LOG_UNSUITABLE_STORAGE' : 'LOG_STORAGE', error.message, {
    hint: error.hint ?? HINTS[error.sqlState?.slice(0, 2) ?? ''],
    cause: error,
  });
}

/** By the class of the server's code. */
const HINTS: Readonly<Record<string, string>> = {
  '28': 'Check the user, the password file and pg_hba.conf.',
  '3D': 'Make the database first.',
  '42': 'Run `mayfly log migrate --grant ROLE` with the role of the service.',
};

/** Runs `work`; its failures name the place. */
export async function naming<T>(place: PostgresPlace, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw inWords(place, error);
  }
}

/** Opens a session and refuses a server that cannot keep a log safe. Throws {@link LogError} `LOG_UNSUITABLE_STORAGE` with what is wrong, and
 * `LOG_STORAGE`. */
export async function openSession(
  place: PostgresPlace,
  application: string,
  deadlineMs = DEADLINE_MS,
): Promise<LogSession> {
  return naming(place, async () => {
    const connection = await connectPostgres(place, { application, deadlineMs });
    try {
      const [row] = await connection.query(JUDGED);
      requireFit(row ?? {});
      const [{ system, timeline } = {}] = await connection
        .query(IDENTITY)
        .catch(() => [{}] as readonly Row[]);
      await requireSchema(connection);
      return {
        connection,
        server: {
          system: textOf(system),
          timeline: textOf(timeline),
          isSynchronous: row?.['synchronous'] === true,
        },
      };
    } catch (error) {
      await connection.close();
      throw error;
    }
  });
}

const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

const JUDGED = `SELECT version() AS version, current_setting('server_version_num')::int / 10000 AS major,
  pg_is_in_recovery() AS recovers, current_setting('transaction_read_only') AS readonly,
  current_setting('fsync') AS fsync, current_setting('full_page_writes') AS pages,
  current_setting('synchronous_commit') AS commits,
  current_setting('synchronous_standby_names') <> '' AS synchronous`;

/** The timeline of the control file is that of the last checkpoint; the name of the newest piece of the WAL is never behind. */
const IDENTITY = `SELECT (SELECT system_identifier FROM pg_control_system())::text AS system,
  substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) AS timeline`;

/** What commits need of the session they are made in. A part of the commit itself, so that nothing can weaken one unseen. */
export const SAFE_SETTINGS = `current_setting('synchronous_commit') IN ('on', 'remote_apply')
     AND current_setting('fsync') = 'on' AND current_setting('full_page_writes') = 'on'`;

/** What {@link ServerIdentity.isSynchronous} says, in each commit: a server may cease to wait at any time. */
export const IS_SYNCHRONOUS = `current_setting('synchronous_standby_names') <> ''`;

function requireFit(row: Row): void {
  const version = String(row['version']);
  if (!/^PostgreSQL \d/.test(version) || /-YB-|Redshift|Greenplum|CockroachDB/.test(version))
    throw unfit(
      'it is not PostgreSQL, and was not tried',
      'Only PostgreSQL itself is known to keep what a log needs.',
    );
  if (Number(row['major']) < OLDEST)
    throw unfit(`it is PostgreSQL ${String(row['major'])}`, `Use ${OLDEST} or newer.`);
  if (row['recovers'] === true)
    throw new LogError('LOG_STORAGE', 'the database is a standby, which takes no commits', {
      hint: 'Name the primary, or an address that follows it.',
    });
  if (row['fsync'] !== 'on')
    throw unfit('fsync is off there: commits are lost when the power goes', 'Set fsync = on and restart it.');
  if (row['pages'] !== 'on')
    throw unfit(
      'full_page_writes is off there: pages can be torn when the power goes',
      'Set full_page_writes = on.',
    );
  if (!['on', 'remote_apply'].includes(String(row['commits'])))
    throw unfit(
      `synchronous_commit is "${String(row['commits'])}" for this role: commits are acknowledged before they are durable`,
      'Set it to on: look at the server, the database and the role (ALTER ROLE … RESET synchronous_commit).',
    );
}

const unfit = (why: string, hint: string): LogError =>
  new LogError('LOG_UNSUITABLE_STORAGE', `the database cannot keep a log safe: ${why}`, { hint });

/** How a session holds a log's store. */
export type Held = 'writer' | 'reader' | 'alone';

/** Milliseconds for which a lock is asked for: that of a session that was just closed is released a little later. */
const LOCK_PATIENCE_MS = 1_000;
const LOCK_PAUSE_MS = 50;

/** Numbers of the two locks of a log: of those who write it, and of those who hold in memory what they read. Locks are of a whole database: the same log may be in another schema of it. */
function lockKeys(schema: string, logId: Uint8Array): readonly [writers: string, readers: string] {
  const [a, b] = ['writers', 'readers'].map((role) =>
    Buffer.from(sha256(concat([utf8(`mayfly ${role} ${schema} `), logId])))
      .readBigInt64BE()
      .toString(),
  );
  return [a ?? '', b ?? ''];
}

/**
 * Takes the store of a log for this session, until that ends: many may write, or many may read, or one has it alone. For order among commands
 * only: what keeps a log from being written twice is its commit. Throws {@link LogError} `LOG_LOCKED`.
 */
export async function holdStore(
  place: PostgresPlace,
  { connection }: LogSession,
  logId: Uint8Array,
  how: Held,
): Promise<void> {
  const [writers, readers] = lockKeys(parsePostgresUrl(place.url).schema, logId);
  const until = performance.now() + LOCK_PATIENCE_MS;
  for (;;) {
    if (await take(connection, how, writers, readers)) return;
    await connection.query('SELECT pg_advisory_unlock_all()');
    if (performance.now() > until) break;
    await delay(LOCK_PAUSE_MS);
  }
  const who = await holders(connection, [writers, readers]);
  throw new LogError('LOG_LOCKED', `another process has the log: ${placeName(place)}${who}`, {
    hint: 'Stop every service that uses this log first, then give the command again.',
  });
}

async function take(
  connection: PostgresConnection,
  how: Held,
  writers: string,
  readers: string,
): Promise<boolean> {
  const ask = async (name: string, key: string): Promise<boolean> =>
    (await connection.query(`SELECT ${name}($1) AS got`, [key]))[0]?.['got'] === true;
  if (how === 'alone')
    return (await ask('pg_try_advisory_lock', writers)) && (await ask('pg_try_advisory_lock', readers));
  const [own, other] = how === 'writer' ? [writers, readers] : [readers, writers];
  // Each takes its own first and looks for the other one then: of two that come at once, at least one steps back.
  if (!(await ask('pg_try_advisory_lock_shared', own))) return false;
  return (await heldBy(connection, other)).length === 0;
}

const heldBy = (connection: PostgresConnection, key: string): Promise<readonly Row[]> =>
  connection.query(
    `SELECT l.pid, coalesce(a.application_name, '') AS name, coalesce(host(a.client_addr), '') AS address
       FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid)
      WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND l.pid <> pg_backend_pid()
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND ((l.classid::bigint << 32) | l.objid::bigint) = $1`,
    [key],
  );

async function holders(connection: PostgresConnection, keys: readonly string[]): Promise<string> {
  const all = (await Promise.all(keys.map((key) => heldBy(connection, key)))).flat();
  const names = [...new Set(all.map(({ name, address }) => `"${String(name)}" from ${String(address)}`))];
  return names.length === 0 ? '' : ` has sessions of ${names.slice(0, 5).join(', ')}`;
}
