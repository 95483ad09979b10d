/**
 * Used tokens that several services on one database share, where certificates are in no log of theirs: with a log, a token is used up in the commit of its entry, in the same table
 * (`log_claim`).
 */
import { concat } from '../../core/bytes.ts';
import type { PostgresConnection, PostgresPlace } from '../../storage/postgres.ts';
import { LogError } from '../../tlog/core/log-error.ts';
import { PRUNE_MS, pruneClaims } from '../../tlog/store/postgres-claims.ts';
import { naming, openSession, SAFE_SETTINGS } from '../../tlog/store/postgres-session.ts';
import { RecentTokens } from '../replay/recent-tokens.ts';
import { KEPT_LONGER, type TokenUse } from '../replay/replay-database.ts';
import { ReplayFault } from '../replay/replay-fault.ts';
import { unavailable, type ReplayGuard } from '../replay/replay-guard.ts';
import { SharedQueue } from './shared-queue.ts';

/** Durable on return, as commits of the log are. A key that is being put there meanwhile is waited for. */
const MARK = `WITH state AS (SELECT (${SAFE_SETTINGS}) AS safe),
used AS (INSERT INTO log_claim (key, expires)
  SELECT substr($1::bytea, 32 * (u.at - 1)::integer + 1, 32), u.expires
    FROM state, unnest($2::bigint[]) WITH ORDINALITY AS u (expires, at) WHERE state.safe
  ON CONFLICT (key) DO NOTHING RETURNING key)
SELECT state.safe, used.key FROM state LEFT JOIN used ON true`;

/** The guard in the database at one place. It has a session of its own, from the first token on. */
export class SharedTokens implements ReplayGuard {
  readonly #queue: SharedQueue<TokenUse, boolean>;
  readonly #recent = new RecentTokens();
  #tidied = Number.NEGATIVE_INFINITY;
  /** That of all services is in the table. */
  readonly held = 0;

  constructor(place: PostgresPlace) {
    this.#queue = new SharedQueue({
      place,
      application: 'mayfly tokens',
      answer: markAll,
      unavailable,
      tidy: (connection) => this.#tidy(connection),
    });
  }

  get fault(): ReplayFault | undefined {
    const { failure } = this.#queue;
    if (failure === undefined) return undefined;
    return new ReplayFault('REPLAY_GUARD_STORAGE', failure.message, { cause: failure.cause });
  }

  /** Nobody else does, where no log is written. */
  async #tidy(connection: PostgresConnection): Promise<void> {
    if (performance.now() - this.#tidied < PRUNE_MS) return;
    this.#tidied = performance.now();
    await pruneClaims(connection, Date.now());
  }

  markUsed(key: Uint8Array, expires: number): Promise<boolean> {
    const marked = this.#queue.ask({ key, expires });
    void this.#recent.watch(key, marked);
    return marked;
  }

  wasUsed(key: Uint8Array): boolean {
    return this.#queue.failure === undefined && this.#recent.has(key);
  }

  close(): Promise<void> {
    return this.#queue.close();
  }
}

async function markAll(
  connection: PostgresConnection,
  uses: readonly TokenUse[],
): Promise<readonly boolean[]> {
  // In one order for all services, so that no two wait for each other. Of two equal keys the first one is the first use.
  const sorted = [...new Map(uses.map((use) => [nameOf(use.key), use])).values()].sort((a, b) =>
    Buffer.compare(a.key, b.key),
  );
  const before = connection.warnings;
  const rows = await connection.query(MARK, [packKeys(sorted), sorted.map(({ expires }) => expires)], 'mark');
  if (rows[0]?.['safe'] !== true || connection.warnings !== before)
    throw new LogError('LOG_STORAGE', 'the database does not keep what is committed safe');
  const first = new Set(rows.map(({ key }) => (key instanceof Uint8Array ? nameOf(key) : '')));
  return uses.map(({ key }) => first.delete(nameOf(key)));
}

/** Milliseconds for each question of a command. */
const COMMAND_DEADLINE_MS = 30_000;

/** Uses in the database at `place` that are not forgotten yet at `now`, milliseconds since the epoch, so many at a time. Rejects with LogError. */
export async function* usedTokens(
  place: PostgresPlace,
  now: number,
  atOnce: number,
): AsyncIterable<readonly TokenUse[]> {
  const { connection } = await openSession(place, 'mayfly command', COMMAND_DEADLINE_MS);
  try {
    for (let behind = new Uint8Array(); ;) {
      const rows = await naming(place, () =>
        connection.query(
          'SELECT key, expires FROM log_claim WHERE key > $1 AND expires >= $2 AND NOT of_entry ORDER BY key LIMIT $3',
          [behind, now - KEPT_LONGER, atOnce],
        ),
      );
      const uses = rows.map(({ key, expires }) => ({
        key: key instanceof Uint8Array ? Uint8Array.from(key) : new Uint8Array(),
        expires: Number(expires),
      }));
      if (uses.length === 0) return;
      yield uses;
      behind = uses.at(-1)?.key ?? behind;
    }
  } finally {
    await connection.close();
  }
}

/** Puts uses into the database at `place`, unless they are there. Durable on return. Rejects with LogError, and with what `uses` throws. */
export async function addUsedTokens(
  place: PostgresPlace,
  uses: Iterable<readonly TokenUse[]> | AsyncIterable<readonly TokenUse[]>,
): Promise<void> {
  const { connection } = await openSession(place, 'mayfly command', COMMAND_DEADLINE_MS);
  try {
    for await (const some of uses) await naming(place, () => markAll(connection, some));
  } finally {
    await connection.close();
  }
}

/** One after the other, 32 bytes each. */
export const packKeys = (keyed: readonly { readonly key: Uint8Array }[]): Uint8Array =>
  concat(keyed.map(({ key }) => key));

/** A key as a member of sets. */
export const nameOf = (key: Uint8Array): string =>
  Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1');
