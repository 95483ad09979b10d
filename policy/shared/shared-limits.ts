/**
 * The buckets of rate limits that several services on one database share. A service takes out of a bucket what the requests that wait need, when they need it, and no more: nothing lies idle in
 * one service while another one refuses, and a service that ends takes nothing with it.
 */
import type { BucketSize } from '../../core/token-bucket.ts';
import type { PostgresConnection, PostgresPlace, Row } from '../../storage/postgres.ts';
import { PolicyError } from '../core/policy-error.ts';
import { nameOf, packKeys } from './shared-tokens.ts';
import { SharedQueue } from './shared-queue.ts';

/** Milliseconds between two steps that remove buckets, and for how long those have been full. */
const TIDY_MS = 1_000;
const FULL_FOR_MS = 60_000;

/** Pages of the table that a step looks through. */
const TIDIED_PAGES = 128;

/** Milliseconds by the clock of the server, which is one for all. */
const NOW = 'extract(epoch FROM clock_timestamp())::double precision * 1000';

/** A rounding error of this share of a token must not cost a token. */
const ROUNDING = 1e-6;

/** What is asked: tokens to take if they are there, or a change of what is there by so many. */
interface BucketQuestion {
  readonly kind: 'take' | 'charge';
  readonly key: Uint8Array;
  readonly size: BucketSize;
  readonly tokens: number;
}

/**
 * Grants each bucket as many of the tokens that are asked for as it has, in the order of keys for all services, so that no two wait for each other. `debt` is what is missing in a bucket at the time `at`, as the
 * milliseconds until it is full; a clock that is set back stands still until it moves on.
 */
const TAKE = `INSERT INTO limit_bucket AS b (key, debt, at, step, capacity, granted)
SELECT w.key, w.n * w.step, ${NOW}, w.step, w.capacity, w.n FROM (
  SELECT substr($1::bytea, 32 * (u.at - 1)::integer + 1, 32) AS key, u.step, u.capacity,
         least(u.n, floor(u.capacity / u.step + ${ROUNDING}))::integer AS n
    FROM unnest($2::integer[], $3::double precision[], $4::double precision[]) WITH ORDINALITY AS u (n, step, capacity, at)
) AS w ORDER BY w.key
ON CONFLICT (key) DO UPDATE SET (debt, at, step, capacity, granted) = (
  SELECT d.debt + g.granted * excluded.step, d.now, excluded.step, excluded.capacity, g.granted
    FROM (SELECT t.now, greatest(0, b.debt - greatest(0, t.now - b.at)) AS debt FROM (SELECT ${NOW} AS now) AS t) AS d,
         LATERAL (SELECT least(excluded.granted, greatest(0, floor((excluded.capacity - d.debt) / excluded.step + ${ROUNDING})))::integer AS granted) AS g)
RETURNING key, granted, debt`;

const CHARGE = `WITH w AS (
  SELECT substr($1::bytea, 32 * (u.at - 1)::integer + 1, 32) AS key, u.ms FROM unnest($2::double precision[]) WITH ORDINALITY AS u (ms, at)
), held AS MATERIALIZED (SELECT key FROM limit_bucket WHERE key IN (SELECT key FROM w) ORDER BY key FOR UPDATE)
UPDATE limit_bucket AS b SET (debt, at) = (
  SELECT greatest(0, greatest(0, b.debt - greatest(0, t.now - b.at)) + w.ms), t.now FROM (SELECT ${NOW} AS now) AS t)
  FROM w JOIN held USING (key) WHERE b.key = w.key`;

const TIDY = `DELETE FROM limit_bucket WHERE ctid = ANY (ARRAY(
  SELECT ctid FROM limit_bucket
   WHERE ctid >= $1::tid AND ctid < $2::tid AND at + debt < ${NOW} - ${FULL_FOR_MS} FOR UPDATE SKIP LOCKED))`;

/** The buckets in the database at one place, as `SharedBuckets` has them. It has a session of its own, from the first question on. */
export class SharedLimits {
  readonly #queue: SharedQueue<BucketQuestion, number>;
  #tidied = performance.now();
  #page = 0;

  constructor(place: PostgresPlace) {
    this.#queue = new SharedQueue({
      place,
      application: 'mayfly limits',
      answer: answerAll,
      unavailable,
      tidy: (connection) => this.#tidy(connection),
    });
  }

  take(key: Uint8Array, size: BucketSize): Promise<number> {
    return this.#queue.ask({ kind: 'take', key, size, tokens: 1 });
  }

  charge(key: Uint8Array, size: BucketSize, tokens: number): void {
    this.#queue.ask({ kind: 'charge', key, size, tokens }).catch(() => undefined);
  }

  /** One step, which looks through a part of the table: an index of what is full would have to follow each request. */
  async #tidy(connection: PostgresConnection): Promise<void> {
    if (performance.now() - this.#tidied < TIDY_MS) return;
    this.#tidied = performance.now();
    const [size] = await connection.query(
      "SELECT pg_relation_size('limit_bucket') / current_setting('block_size')::integer AS pages",
    );
    const first = this.#page < Number(size?.['pages']) ? this.#page : 0;
    this.#page = first + TIDIED_PAGES;
    await connection.query(TIDY, [`(${first},0)`, `(${this.#page},0)`]);
  }

  /** Waits for what is under way. */
  close(): Promise<void> {
    return this.#queue.close();
  }
}

const unavailable = (cause: unknown): PolicyError =>
  new PolicyError('RATE_LIMITS_UNAVAILABLE', 'whether a rate limit is reached cannot be found out just now', {
    hint: 'Try again later. If it lasts, this is for the operator of the service: its log says what is wrong.',
    cause,
  });

/** All questions about one bucket. */
interface AskedBucket {
  readonly key: Uint8Array;
  readonly size: BucketSize;
  readonly places: number[];
  tokens: number;
}

async function answerAll(
  connection: PostgresConnection,
  questions: readonly BucketQuestion[],
): Promise<readonly number[]> {
  const answers = questions.map(() => 0);
  // In one order for all services, so that no two wait for each other.
  const charges = byBucket(questions, 'charge');
  // First: what is put back is there for who comes next.
  if (charges.length > 0)
    await connection.query(
      CHARGE,
      [packKeys(charges), charges.map(({ tokens, size }) => tokens * size.interval)],
      'charge buckets',
    );
  const takes = byBucket(questions, 'take');
  if (takes.length === 0) return answers;
  const rows = await connection.query(
    TAKE,
    [
      packKeys(takes),
      takes.map(({ tokens }) => tokens),
      takes.map(({ size }) => size.interval),
      takes.map(({ size }) => size.interval * size.burst),
    ],
    'take from buckets',
  );
  const granted = new Map(
    rows.map((row) => [row['key'] instanceof Uint8Array ? nameOf(row['key']) : '', row]),
  );
  for (const { key, size, places } of takes) {
    const row = granted.get(nameOf(key)) ?? {};
    for (const place of places.slice(Number(row['granted']))) answers[place] = waitOf(row, size);
  }
  return answers;
}

function byBucket(questions: readonly BucketQuestion[], kind: BucketQuestion['kind']): AskedBucket[] {
  const buckets = new Map<string, AskedBucket>();
  for (const [place, question] of questions.entries()) {
    if (question.kind !== kind) continue;
    const { key, size, tokens } = question;
    const name = nameOf(key);
    const known = buckets.get(name);
    if (known === undefined) buckets.set(name, { key, size, places: [place], tokens });
    else {
      known.places.push(place);
      known.tokens += tokens;
    }
  }
  return [...buckets.values()];
}

/** Milliseconds until there is a token in a bucket that has none. */
const waitOf = ({ debt }: Row, { burst, interval }: BucketSize): number =>
  Math.max(1, Number(debt) + interval - interval * burst);
