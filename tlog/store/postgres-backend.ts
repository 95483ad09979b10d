/** The commit store of a log in a database, which several services may share. */
import { placeName, type PostgresConnection, type PostgresPlace, UNHURRIED } from '../../storage/postgres.ts';
import { LogError } from '../core/log-error.ts';
import type { LogIdentity } from '../core/log-identity.ts';
import { arrivalOf, textOfArrival } from './arrival.ts';
import type { CommittedState, CommitStoreBackend, Head, LoadedState, LockedStore } from './commit-store.ts';
import { PostgresCommitStore } from './postgres-commit-store.ts';
import { KnownServer } from './postgres-server.ts';
import {
  arrivingBy,
  HEAD_COLUMNS,
  headOf,
  isArriving,
  packEntries,
  readBatches,
  missing,
  readStored,
  requireHere,
  TILE_ENTRIES,
  type HeadRow,
} from './postgres-rows.ts';
import {
  holdStore,
  naming,
  openSession,
  SAFE_SETTINGS,
  type Held,
  type LogSession,
} from './postgres-session.ts';

/** The backend at `place` for the log in `directory`, which has that id. */
export function postgresBackend(place: PostgresPlace, directory: string, id: Uint8Array): CommitStoreBackend {
  const name = placeName(place);
  const inSession = <T>(how: Held | undefined, work: (session: LogSession) => Promise<T>): Promise<T> =>
    naming(place, async () => {
      const session = await openSession(place, 'mayfly command', COMMAND_DEADLINE_MS);
      try {
        if (how !== undefined) await holdStore(place, session, id, how);
        return await work(session);
      } finally {
        await session.connection.close();
      }
    });
  return {
    name,
    create: (identity, head) =>
      naming(place, async () => {
        const session = await openSession(place, 'mayfly command', COMMAND_DEADLINE_MS);
        try {
          await holdStore(place, session, identity.logId, 'alone');
          await create(session, identity, head, name);
        } finally {
          await session.connection.close();
        }
      }),
    receive: (identity, state, move) =>
      inSession('alone', (session) => receive(session, identity, { state, move }, name)),
    arrive: (move) =>
      inSession(undefined, ({ connection }) =>
        inTransaction(connection, async () => {
          await connection.query('UPDATE log_head SET moved = NULL WHERE log_id = $1 AND moved = $2', [
            id,
            arrivingBy(move),
          ]);
          const [row] = await connection.query(`SELECT ${HEAD_COLUMNS} FROM log_head WHERE log_id = $1`, [
            id,
          ]);
          if (row === undefined) throw missing(name);
          requireHere(headOf(row, name), name);
        }),
      ),
    movedTo: () =>
      inSession(undefined, async ({ connection }) => {
        const [row] = await connection.query('SELECT moved FROM log_head WHERE log_id = $1', [id]);
        const moved = row?.['moved'];
        return typeof moved === 'string' && !isArriving(moved) ? arrivalOf(moved) : undefined;
      }),
    acceptServer: () => inSession(undefined, (session) => new KnownServer(directory, name, id).keep(session)),
    openForWriting: (identity) => new PostgresCommitStore(place, directory, identity),
    read: () =>
      inSession(undefined, async ({ connection }) => {
        const { row, state } = await readStored(connection, id, name);
        requireHere(row, name);
        return state;
      }),
    findDamage: () => Promise.resolve(undefined),
    whileLocked: (work) =>
      inSession('alone', async (session) => {
        await fence(session.connection, id, name);
        const { row, state } = await readStored(session.connection, id, name);
        requireHere(row, name);
        return work(lockedStore(session.connection, id, { row, state, name }));
      }),
    shared: () =>
      naming(place, async () => {
        const session = await openSession(place, 'mayfly reader', COMMAND_DEADLINE_MS);
        try {
          await holdStore(place, session, id, 'reader');
        } catch (error) {
          await session.connection.close();
          throw error;
        }
        return () => void session.connection.close();
      }),
  };
}

/** Milliseconds for each question of a command, which may move a lot. */
const COMMAND_DEADLINE_MS = 120_000;

/** Entries that a log which was never put in its place has at most: the first one of a log of artifacts. */
const UNPLACED = 1;

const exists = (name: string): LogError =>
  new LogError('LOG_EXISTS', `${name} already holds a log with this key`, {
    hint: 'A log is never overwritten. Its directory has to be restored from a copy.',
  });

/** A log that a crash left before it had its place is made anew. */
async function create(
  session: LogSession,
  { logId, text }: LogIdentity,
  { size, root, timestamp }: Head,
  name: string,
): Promise<void> {
  const { connection } = session;
  await inTransaction(connection, async () => {
    const [found] = await connection.query('SELECT size FROM log_head WHERE log_id = $1 FOR UPDATE', [logId]);
    if (found !== undefined && Number(found['size']) > UNPLACED) throw exists(name);
    await removeLog(connection, logId);
    await connection.query('INSERT INTO log (log_id, identity) VALUES ($1, $2)', [logId, text]);
    await connection.query(
      `INSERT INTO log_head (log_id, ${HEAD_COLUMNS}) VALUES ($1, 1, $2, $3, $4, 0, NULL, NULL)`,
      [logId, size, root, timestamp],
    );
    await KnownServer.noteMade(session, logId);
  });
}

/** The tiles are another matter: they were put before, or are elsewhere. */
async function receive(
  session: LogSession,
  { logId, text }: LogIdentity,
  received: { readonly state: CommittedState; readonly move: string },
  name: string,
): Promise<void> {
  const { connection } = session;
  const { head, firstEntry, entries, frozenAt } = received.state;
  await inTransaction(connection, async () => {
    const [found] = await connection.query('SELECT moved FROM log_head WHERE log_id = $1 FOR UPDATE', [
      logId,
    ]);
    if (found?.['moved'] === null) throw exists(name);
    // What it says of its server may be of before the log was elsewhere.
    for (const table of ['log_server', 'log_checkpoint', 'log_batch', 'log_head', 'log'])
      await connection.query(`DELETE FROM ${table} WHERE log_id = $1`, [logId]);
    await connection.query('INSERT INTO log (log_id, identity) VALUES ($1, $2)', [logId, text]);
    const { size, root, timestamp } = head;
    await connection.query(
      `INSERT INTO log_head (log_id, ${HEAD_COLUMNS}) VALUES ($1, 1, $2, $3, $4, $5, $6, $7)`,
      [logId, size, root, timestamp, firstEntry / TILE_ENTRIES, frozenAt ?? null, arrivingBy(received.move)],
    );
    await KnownServer.noteMade(session, logId);
    if (entries.length === 0) return;
    const { lens, bytes } = packEntries(entries);
    await connection.query(
      'INSERT INTO log_batch (log_id, first, n, ts, root, lens, bytes) VALUES ($1, $2, $3, $4, $5, $6, $7)',
      [logId, firstEntry, entries.length, timestamp, root, lens, bytes],
    );
  });
}

async function removeLog(connection: PostgresConnection, logId: Uint8Array): Promise<void> {
  for (const table of ['log_tile', 'log_server', 'log_checkpoint', 'log_batch', 'log_head', 'log'])
    await connection.query(`DELETE FROM ${table} WHERE log_id = $1`, [logId]);
}

async function inTransaction<T>(connection: PostgresConnection, work: () => Promise<T>): Promise<T> {
  await connection.script(`BEGIN; ${UNHURRIED}`);
  try {
    const result = await work();
    const before = connection.warnings;
    await connection.script('COMMIT');
    if (connection.warnings !== before)
      throw new LogError('LOG_STORAGE', 'the change was made on one server only, and not replicated', {
        hint: 'Somebody ended its wait for the standby. Give the command again when that is back.',
      });
    return result;
  } catch (error) {
    await connection.script('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

/** What a writer that is stopped has sent fails from here on. */
async function fence(connection: PostgresConnection, logId: Uint8Array, name: string): Promise<void> {
  const rows = await connection.query(
    `UPDATE log_head SET epoch = epoch + 1 WHERE log_id = $1 AND ${SAFE_SETTINGS} RETURNING 1`,
    [logId],
  );
  if (rows.length === 0) throw missing(name);
}

interface Locked {
  readonly row: HeadRow;
  readonly state: LoadedState;
  readonly name: string;
}

/** Every change of it compares the head and the epoch that its fence left. */
function lockedStore(
  connection: PostgresConnection,
  logId: Uint8Array,
  { row, state, name }: Locked,
): LockedStore {
  const requireUnmoved = async (): Promise<void> => {
    const [now] = await connection.query(
      `SELECT 1 FROM log_head WHERE log_id = $1 AND epoch = $2 AND size = $3 AND root = $4 AND ts = $5
          AND ${SAFE_SETTINGS} FOR UPDATE`,
      [logId, row.epoch, row.head.size, row.head.root, row.head.timestamp],
    );
    if (now !== undefined) return;
    throw new LogError('LOG_STALE', `${name} holds another head than before it was locked`, {
      hint: 'Another service writes there. End it, then give the command again.',
    });
  };
  return {
    state,
    leave: (to) =>
      inTransaction(connection, async () => {
        await requireUnmoved();
        await connection.query('UPDATE log_head SET moved = $2, epoch = epoch + 1 WHERE log_id = $1', [
          logId,
          textOfArrival(to),
        ]);
      }),
    end: (at) =>
      inTransaction(connection, async () => {
        await requireUnmoved();
        await connection.query('UPDATE log_head SET ended = $2 WHERE log_id = $1', [logId, at]);
      }),
    rewrite: async (other) => {
      await inTransaction(connection, async () => {
        await requireUnmoved();
        await rewrite(connection, logId, { row, name, other });
      });
      await scrub(connection, name);
    },
  };
}

interface Rewriting {
  readonly row: HeadRow;
  readonly name: string;
  readonly other: (index: number, bytes: Uint8Array) => Uint8Array | undefined;
}

async function rewrite(
  connection: PostgresConnection,
  logId: Uint8Array,
  { row: { head, bundles }, name, other }: Rewriting,
): Promise<void> {
  const floor = bundles * TILE_ENTRIES;
  // What is in full tiles is not needed here, and could be what is to go.
  await connection.query('DELETE FROM log_batch WHERE log_id = $1 AND first + n <= $2', [logId, floor]);
  for (const { first, entries } of await readBatches(connection, logId, [floor, head.size], name)) {
    const replaced = entries.map((entry, i) => other(first + i, entry) ?? entry);
    if (replaced.every((entry, i) => entry === entries[i])) continue;
    const { lens, bytes } = packEntries(replaced);
    await connection.query('UPDATE log_batch SET lens = $3, bytes = $4 WHERE log_id = $1 AND first = $2', [
      logId,
      first,
      lens,
      bytes,
    ]);
  }
}

/** Former versions of rows stay in the table's files until it is written anew. */
async function scrub(connection: PostgresConnection, name: string): Promise<void> {
  const before = connection.warnings;
  await connection.query("SELECT set_config('lock_timeout', '60000', false)");
  await connection.alone('VACUUM (FULL) log_batch');
  if (connection.warnings === before) return;
  throw new LogError('LOG_STORAGE', `${name} still holds former versions of rows in its files`, {
    hint: 'This role does not own the table. Have its owner run VACUUM (FULL) log_batch, or give it to this role, then give the command again.',
  });
}
