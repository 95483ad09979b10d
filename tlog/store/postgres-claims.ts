/** The table of what entries have used up (`log_claim`), and what removes from it what need not be remembered any more. */
import type { PostgresConnection } from '../../storage/postgres.ts';

/** Milliseconds for which a token is remembered beyond its end: a clock that was ahead for a while lets nothing through twice. */
const TOKEN_KEPT_MS = 3_600_000;

/** Milliseconds between two rounds, and rows of one statement. */
export const PRUNE_MS = 30_000;
export const PRUNED_AT_ONCE = 500;

/** Not by the clock of the server alone, which may be ahead of that of the services, by which tokens end. */
const NOW = 'least(extract(epoch FROM clock_timestamp()) * 1000, $1::bigint)';

const prune = (rows: string): string => `DELETE FROM log_claim WHERE key IN (
  SELECT key FROM log_claim WHERE ${rows} ORDER BY expires LIMIT ${PRUNED_AT_ONCE} FOR UPDATE SKIP LOCKED) RETURNING 1`;

const STATEMENTS = [
  prune(`NOT of_entry AND expires < ${NOW} - ${TOKEN_KEPT_MS}`),
  prune(`of_entry AND expires < ${NOW}`),
];

/** Removes claims that have ended at `now`, the time of this service in milliseconds since the epoch, and by the clock of the server: those of tokens an hour later. In small steps, so that no transaction is
 * long. Rejects with PostgresFault. */
export async function pruneClaims(connection: PostgresConnection, now: number): Promise<void> {
  for (const statement of STATEMENTS)
    for (let count = PRUNED_AT_ONCE; count === PRUNED_AT_ONCE;)
      count = (await connection.query(statement, [Math.floor(now)])).length;
}
