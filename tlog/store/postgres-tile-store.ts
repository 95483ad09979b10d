import { placeName, type PostgresConnection, type PostgresPlace } from '../../storage/postgres.ts';
import { LogError } from '../core/log-error.ts';
import { naming, openSession } from './postgres-session.ts';
import { requireStorePath, type ListedTileStore, type RewritableTileStore } from './tile-store.ts';

/** Milliseconds for one tile. */
const DEADLINE_MS = 10_000;

/** Milliseconds after the last question at which the session is closed. */
const IDLE_MS = 10_000;

/** A tile store in the database that holds the log's history, for the log with that id: one row for each file. It has a session of its own, which is there while it is asked, so that no read
 * waits for a commit. */
export function postgresTileStore(
  place: PostgresPlace,
  logId: Uint8Array,
): ListedTileStore & RewritableTileStore {
  let session: Promise<PostgresConnection> | undefined;
  let idle: NodeJS.Timeout | undefined;
  const end = async (): Promise<void> => {
    clearTimeout(idle);
    const old = session;
    session = undefined;
    await (await old?.catch(() => undefined))?.close();
  };
  const connection = async (): Promise<PostgresConnection> => {
    const found = await session?.catch(() => undefined);
    if (found?.isGone === false) return found;
    session = openSession(place, 'mayfly tiles', DEADLINE_MS).then((opened) => opened.connection);
    return session;
  };
  const inSession = <T>(work: (asked: PostgresConnection) => Promise<T>): Promise<T> =>
    naming(place, async () => {
      clearTimeout(idle);
      try {
        return await work(await connection());
      } finally {
        idle = setTimeout(() => void end(), IDLE_MS).unref();
      }
    });
  const ask: PostgresConnection['query'] = (sql, values) => inSession((asked) => asked.query(sql, values));
  return {
    async put(path, bytes) {
      requireStorePath(path);
      const rows = await ask(
        `INSERT INTO log_tile AS t (log_id, path, bytes) VALUES ($1, $2, $3)
         ON CONFLICT (log_id, path) DO UPDATE SET path = excluded.path WHERE t.bytes = excluded.bytes RETURNING 1`,
        [logId, path, bytes],
      );
      if (rows.length === 1) return;
      throw new LogError('LOG_CORRUPT', `${placeName(place)} has ${path} with other bytes`, {
        hint: 'Run `mayfly log check` on the directory of the log. Nothing is signed on top of either.',
      });
    },
    async get(path) {
      requireStorePath(path);
      const [row] = await ask('SELECT bytes FROM log_tile WHERE log_id = $1 AND path = $2', [logId, path]);
      const bytes = row?.['bytes'];
      return bytes instanceof Uint8Array ? Uint8Array.from(bytes) : undefined;
    },
    async replace(path, bytes) {
      requireStorePath(path);
      await ask('UPDATE log_tile SET bytes = $3 WHERE log_id = $1 AND path = $2', [logId, path, bytes]);
      // The former version of the row stays in the table's files until it is written anew.
      await inSession((asked) => asked.alone('VACUUM (FULL) log_tile'));
    },
    async names(folder) {
      const rows = await ask(
        "SELECT substr(path, length($2) + 2) AS name FROM log_tile WHERE log_id = $1 AND starts_with(path, $2 || '/') ORDER BY path",
        [logId, folder],
      );
      return rows.map(({ name }) => String(name)).filter((name) => /^[0-9a-f]{64}$/.test(name));
    },
    close: end,
  };
}
