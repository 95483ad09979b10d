import { equalBytes } from '../../core/bytes.ts';
import {
  placeName,
  PostgresFault,
  type PostgresConnection,
  type PostgresPlace,
} from '../../storage/postgres.ts';
import { LogError } from '../core/log-error.ts';
import type { HeadAnchor } from './head-anchor.ts';
import { naming, openSession, SAFE_SETTINGS } from './postgres-session.ts';

/** Milliseconds for each question. */
const DEADLINE_MS = 5_000;

const FIRST = `INSERT INTO log_anchor (log_id, checkpoint) SELECT $1::bytea, $2::bytea WHERE ${SAFE_SETTINGS}
 ON CONFLICT (log_id) DO NOTHING RETURNING 1`;

const SWAP = `UPDATE log_anchor SET checkpoint = $2 WHERE log_id = $1 AND checkpoint = $3 AND ${SAFE_SETTINGS} RETURNING 1`;

/** Waits for what is under way with the row, and is as durable as what it leaves. */
const SETTLE = `UPDATE log_anchor SET checkpoint = checkpoint WHERE log_id = $1 AND ${SAFE_SETTINGS} RETURNING checkpoint`;

const READ = `SELECT checkpoint, ${SAFE_SETTINGS} AS safe FROM (SELECT 1) AS one LEFT JOIN log_anchor ON log_id = $1`;

/** The anchor of the log with that id in a database: one row, which is swapped by one statement. It keeps a session of its own. Another database than one that is backed up or copied with the log. */
export function postgresAnchor(place: PostgresPlace, logId: Uint8Array): HeadAnchor {
  let session: PostgresConnection | undefined;
  /** Whether what can be read may not have reached the standby that commits wait for. */
  let isUnsettled = false;
  const name = placeName(place);
  const connection = async (): Promise<PostgresConnection> => {
    if (session?.isGone === false) return session;
    ({ connection: session } = await openSession(place, 'mayfly anchor', DEADLINE_MS));
    return session;
  };
  /** Of a change: resolves only when it was kept as safely as the server keeps commits. */
  const change: PostgresConnection['query'] = async (sql, values) => {
    const asked = await connection();
    const before = asked.warnings;
    isUnsettled = true;
    const rows = await asked.query(sql, values);
    if (asked.warnings !== before)
      throw new PostgresFault(
        'UNKNOWN',
        `${name}: a change was not replicated: somebody ended its wait for the standby`,
      );
    // What touched no row says nothing of how safe the row is that somebody else makes or changes.
    if (rows.length > 0) isUnsettled = false;
    return rows;
  };
  const holds = async (): Promise<Uint8Array | undefined> => {
    const [row] = await (await connection()).query(READ, [logId]);
    if (row?.['safe'] !== true)
      throw new LogError('LOG_UNSUITABLE_STORAGE', `${name} does not keep the anchor safe any more`, {
        hint: 'fsync and full_page_writes must be on, synchronous_commit on or remote_apply.',
      });
    return bytesOf(row['checkpoint']);
  };
  /** What it holds, once that is as safe as the server keeps commits; undefined for none. */
  const settled = async (): Promise<Uint8Array | undefined> => {
    for (;;) {
      const [row] = await change(SETTLE, [logId]);
      if (row !== undefined) return bytesOf(row['checkpoint']);
      if ((await holds()) === undefined) return undefined;
      // The row was made meanwhile, and is settled next.
    }
  };
  return {
    name,
    read: () => naming(place, () => (isUnsettled ? settled() : holds())),
    replace: (expected, next) =>
      naming(place, async () => {
        const rows = await (expected === undefined
          ? change(FIRST, [logId, next])
          : change(SWAP, [logId, next, expected]));
        if (rows.length === 1) return true;
        const there = await settled();
        return there !== undefined && equalBytes(there, next);
      }),
    probe: () =>
      naming(place, async () => {
        await connection();
        // The process before this one may have left what was not replicated.
        isUnsettled = true;
      }),
    close: async () => {
      await session?.close();
    },
  };
}

const bytesOf = (value: unknown): Uint8Array | undefined =>
  value instanceof Uint8Array ? Uint8Array.from(value) : undefined;
