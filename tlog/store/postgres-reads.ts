import { type PostgresConnection, type PostgresPlace, type Row } from '../../storage/postgres.ts';
import { LogError } from '../core/log-error.ts';
import type { Head, NewerHead, PublishedHead } from './commit-store.ts';
import { PRUNE_MS, PRUNED_AT_ONCE, pruneClaims } from './postgres-claims.ts';
import { headOf, readAddition, requireHere, rolledBack } from './postgres-rows.ts';
import { inWords, IS_SYNCHRONOUS, naming, openSession, type LogSession } from './postgres-session.ts';

/** Milliseconds between two times that a signed head is shown to others. */
const PUBLISH_MS = 1_000;

/** How old a row must be to be removed: who seeks the outcome of a batch may still look for it. */
const PRUNE_AGE = '10 minutes';

/** The session with `place` is over. */
export const ended = (place: string): LogError =>
  new LogError('LOG_STORAGE', `the connection to ${place} has ended`);

/** What goes beside the commits: reads of what others added, the newest signed head for others, and removing old rows. It may fail
 * without harm. */
export class PostgresReads {
  readonly #place: PostgresPlace;
  readonly #name: string;
  readonly #logId: Uint8Array;
  readonly #application: string;
  #session: LogSession | undefined;
  #opening: Promise<PostgresConnection> | undefined;
  #toPublish: PublishedHead | undefined;
  #publishing: NodeJS.Timeout | undefined;
  #publishedAt = Number.NEGATIVE_INFINITY;
  #pruning: NodeJS.Timeout | undefined;
  #isClosed = false;
  publishFailure: string | undefined;
  /** Whether commits waited for a standby when {@link newerThan} looked last. */
  isSynchronous = false;

  constructor(place: PostgresPlace, name: string, logId: Uint8Array, application: string) {
    this.#place = place;
    this.#name = name;
    this.#logId = logId;
    this.#application = application;
  }

  /** From now on old rows are removed. */
  start(): void {
    if (this.#isClosed) return;
    this.#pruning ??= setInterval(() => void this.#prune().catch(() => undefined), PRUNE_MS).unref();
  }

  async #connection(): Promise<PostgresConnection> {
    if (this.#isClosed) throw ended(this.#name);
    if (this.#session !== undefined && !this.#session.connection.isGone) return this.#session.connection;
    this.#opening ??= openSession(this.#place, this.#application)
      .then((session) => {
        this.#session = session;
        return session.connection;
      })
      .finally(() => {
        this.#opening = undefined;
      });
    return this.#opening;
  }

  newerThan(known: Head): Promise<NewerHead | undefined> {
    return naming(this.#place, async () => {
      const connection = await this.#connection();
      const [row] = await connection.query(
        `SELECT h.epoch, h.size, h.root, h.ts, h.bundles, h.ended, h.moved,
                ${IS_SYNCHRONOUS} AS synchronous, c.size AS signed_size, c.root AS signed_root, c.ts AS signed_ts, c.bytes
           FROM log_head h LEFT JOIN log_checkpoint c ON c.log_id = h.log_id AND c.size > $2
          WHERE h.log_id = $1`,
        [this.#logId, known.size],
      );
      const found = headOf(row, this.#name);
      requireHere(found, this.#name);
      this.isSynchronous = row?.['synchronous'] === true;
      if (found.head.size < known.size) throw rolledBack(known, found.head, this.#name);
      if (found.head.size === known.size) return undefined;
      const published = publishedOf(row ?? {});
      if (published === undefined || published.head.size > found.head.size) return { head: found.head };
      const at = {
        head: published.head,
        bundles: Math.min(found.bundles, Math.floor(published.head.size / 256)),
      };
      const addition = await readAddition(connection, this.#logId, known, at, this.#name);
      return { head: found.head, published: { ...published, addition } };
    });
  }

  publish(head: PublishedHead): void {
    this.#toPublish = head;
    if (this.#publishing !== undefined || this.#isClosed) return;
    const wait = Math.max(0, this.#publishedAt + PUBLISH_MS - performance.now());
    this.#publishing = setTimeout(() => {
      this.#publishing = undefined;
      void this.#publishNow();
    }, wait).unref();
  }

  async #publishNow(): Promise<void> {
    const next = this.#toPublish;
    if (next === undefined) return;
    this.#toPublish = undefined;
    this.#publishedAt = performance.now();
    try {
      const { size, root, timestamp } = next.head;
      await (
        await this.#connection()
      ).query(
        `INSERT INTO log_checkpoint AS c (log_id, size, root, ts, bytes) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (log_id) DO UPDATE SET size = $2, root = $3, ts = $4, bytes = $5 WHERE c.size < $2`,
        [this.#logId, size, root, timestamp, next.checkpoint],
      );
      this.publishFailure = undefined;
    } catch (error) {
      this.publishFailure = inWords(this.#place, error).message;
      this.#publishAgain(next);
    }
  }

  /** Unless a newer one waits. */
  #publishAgain(head: PublishedHead): void {
    if (this.#toPublish === undefined) this.publish(head);
  }

  /** In small steps, so that no transaction is long; by the writer that comes first. */
  async #prune(): Promise<void> {
    const connection = await this.#connection();
    for (;;) {
      const rows: readonly Row[] = await connection.query(
        `DELETE FROM log_batch WHERE log_id = $1 AND first IN (
           SELECT b.first FROM log_batch b JOIN log_head h USING (log_id)
            WHERE b.log_id = $1 AND b.first + b.n <= h.bundles * 256
              AND b.made < clock_timestamp() - interval '${PRUNE_AGE}'
            ORDER BY b.first LIMIT ${PRUNED_AT_ONCE} FOR UPDATE OF b SKIP LOCKED)
         RETURNING first`,
        [this.#logId],
      );
      if (rows.length < PRUNED_AT_ONCE) break;
    }
    await pruneClaims(connection, Date.now());
  }

  /** What was to be shown to others still is. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    clearTimeout(this.#publishing);
    clearInterval(this.#pruning);
    await this.#publishNow();
    clearTimeout(this.#publishing);
    this.#isClosed = true;
    await this.#session?.connection.close();
  }
}

function publishedOf({
  signed_size: size,
  signed_root: root,
  signed_ts: ts,
  bytes,
}: Row): PublishedHead | undefined {
  if (typeof size !== 'number' || typeof ts !== 'number') return undefined;
  if (!(root instanceof Uint8Array && bytes instanceof Uint8Array)) return undefined;
  return {
    head: { size, root: Uint8Array.from(root), timestamp: ts },
    checkpoint: Uint8Array.from(bytes),
  };
}
