/**
 * The tables of logs in PostgreSQL, as numbered migrations: plain SQL, each in a transaction of its own. A command applies them,
 * as a role that may; a service checks that these are applied, and that the tables are as they leave them.
 *
 * A migration that was released is never edited. Every one must leave the tables usable to services of the versions before
 * it, which may still run, and check the tables whenever they connect: tables and columns are added, and no column of a table that is there loses its meaning or has to be written by those who do not know it.
 */
import { connectPostgres, type PostgresConnection, type PostgresPlace } from '../../storage/postgres.ts';
import { equalBytes, utf8 } from '../../core/bytes.ts';
import { LogError } from '../core/log-error.ts';
import { sha256 } from '../core/sha256.ts';

/** The first one has the number 1. */
const MIGRATIONS: readonly string[] = [
  `
CREATE TABLE log (
  log_id bytea PRIMARY KEY CHECK (octet_length(log_id) = 32),
  identity text NOT NULL
);
-- One row for each log, which every batch replaces: room for its next versions on the same page.
CREATE TABLE log_head (
  log_id bytea PRIMARY KEY,
  epoch bigint NOT NULL,
  size bigint NOT NULL CHECK (size >= 0),
  root bytea NOT NULL CHECK (octet_length(root) = 32),
  ts bigint NOT NULL CHECK (ts >= 0),
  bundles bigint NOT NULL CHECK (bundles >= 0 AND bundles * 256 <= size),
  ended bigint,
  moved text
) WITH (fillfactor = 10);
CREATE TABLE log_batch (
  log_id bytea NOT NULL,
  first bigint NOT NULL,
  n integer NOT NULL CHECK (n > 0),
  ts bigint NOT NULL,
  root bytea NOT NULL CHECK (octet_length(root) = 32),
  lens bytea NOT NULL CHECK (octet_length(lens) = 4 * n),
  bytes bytea NOT NULL,
  made timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (log_id, first)
);
ALTER TABLE log_batch ALTER COLUMN bytes SET STORAGE EXTERNAL;
CREATE TABLE log_checkpoint (
  log_id bytea PRIMARY KEY,
  size bigint NOT NULL,
  root bytea NOT NULL,
  ts bigint NOT NULL,
  bytes bytea NOT NULL
) WITH (fillfactor = 50);
`,
  `
CREATE TABLE log_tile (
  log_id bytea NOT NULL,
  path text NOT NULL,
  bytes bytea NOT NULL,
  PRIMARY KEY (log_id, path)
);
ALTER TABLE log_tile ALTER COLUMN bytes SET STORAGE EXTERNAL;
`,
  `
-- Small files that all services share, each replaced as a whole by who knows its version.
CREATE TABLE shared_document (
  owner bytea NOT NULL CHECK (octet_length(owner) = 32),
  title text NOT NULL,
  version bigint NOT NULL CHECK (version > 0),
  bytes bytea NOT NULL,
  moved boolean NOT NULL,
  made timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (owner, title)
);
`,
  `
-- On which server a log was written last: on a promoted standby, or in a backup, the row names another one than the server that has it.
CREATE TABLE log_server (
  log_id bytea PRIMARY KEY CHECK (octet_length(log_id) = 32),
  system text,
  timeline text,
  synchronous boolean NOT NULL
);
`,
  `
-- The newest signed checkpoint of logs whose history is elsewhere: a second place, which a copy of theirs does not bring along.
CREATE TABLE log_anchor (
  log_id bytea PRIMARY KEY CHECK (octet_length(log_id) = 32),
  checkpoint bytea NOT NULL
) WITH (fillfactor = 50);
`,
  `
-- Lines of the audit of all services: of each a chain of its own.
CREATE TABLE audit_batch (
  id bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  writer text NOT NULL,
  number bigint NOT NULL CHECK (number > 0),
  made timestamptz NOT NULL DEFAULT clock_timestamp(),
  n integer NOT NULL CHECK (n > 0),
  lines text NOT NULL,
  previous bytea NOT NULL CHECK (octet_length(previous) = 32),
  hash bytea NOT NULL CHECK (octet_length(hash) = 32),
  PRIMARY KEY (writer, number)
);
`,
  `
-- What entries of any log have used up, such as the tokens that certificates were given for: hashes, until some time after they expire.
CREATE TABLE log_claim (
  key bytea PRIMARY KEY CHECK (octet_length(key) = 32),
  expires bigint NOT NULL
);
CREATE INDEX log_claim_by_expiry ON log_claim (expires);
-- Rate limits: how much is missing in a bucket, as the milliseconds until it is full, at a time. Worth no write to a disk: all are full after a crash of the server.
CREATE UNLOGGED TABLE limit_bucket (
  key bytea PRIMARY KEY CHECK (octet_length(key) = 32),
  debt double precision NOT NULL,
  at double precision NOT NULL,
  step double precision NOT NULL CHECK (step > 0),
  capacity double precision NOT NULL CHECK (capacity >= step),
  granted integer NOT NULL
) WITH (fillfactor = 50);
`,
  `
-- Claims that keep an entry from being logged twice end sooner than those of tokens, and are no tokens.
ALTER TABLE log_claim ADD COLUMN of_entry boolean NOT NULL DEFAULT false;
CREATE INDEX log_claim_of_entries ON log_claim (expires) WHERE of_entry;
-- Who reads the audit from a time on begins there.
CREATE INDEX audit_batch_by_time ON audit_batch (made);
`,
];

const HISTORY = `
CREATE TABLE IF NOT EXISTS mayfly_schema (
  version integer PRIMARY KEY,
  sha256 bytea NOT NULL,
  applied timestamptz NOT NULL DEFAULT clock_timestamp()
);`;

/** Of the lock that two commands do not pass at once: any number, for this alone. */
const MIGRATION_LOCK = 7_308_895_152_812_290;

/** Milliseconds for a step of a migration. */
const DEADLINE_MS = 60_000;

/** What the tables look like after the last migration: name, column, type, whether it may be null. */
const COLUMNS = `
audit_batch hash bytea NO
audit_batch id bigint NO
audit_batch lines text NO
audit_batch made timestamp with time zone NO
audit_batch n integer NO
audit_batch number bigint NO
audit_batch previous bytea NO
audit_batch writer text NO
limit_bucket at double precision NO
limit_bucket capacity double precision NO
limit_bucket debt double precision NO
limit_bucket granted integer NO
limit_bucket key bytea NO
limit_bucket step double precision NO
log identity text NO
log log_id bytea NO
log_anchor checkpoint bytea NO
log_anchor log_id bytea NO
log_batch bytes bytea NO
log_batch first bigint NO
log_batch lens bytea NO
log_batch log_id bytea NO
log_batch made timestamp with time zone NO
log_batch n integer NO
log_batch root bytea NO
log_batch ts bigint NO
log_claim expires bigint NO
log_claim key bytea NO
log_claim of_entry boolean NO
log_checkpoint bytes bytea NO
log_checkpoint log_id bytea NO
log_checkpoint root bytea NO
log_checkpoint size bigint NO
log_checkpoint ts bigint NO
log_head bundles bigint NO
log_head ended bigint YES
log_head epoch bigint NO
log_head log_id bytea NO
log_head moved text YES
log_head root bytea NO
log_head size bigint NO
log_head ts bigint NO
log_server log_id bytea NO
log_server synchronous boolean NO
log_server system text YES
log_server timeline text YES
log_tile bytes bytea NO
log_tile log_id bytea NO
log_tile path text NO
shared_document bytes bytea NO
shared_document made timestamp with time zone NO
shared_document moved boolean NO
shared_document owner bytea NO
shared_document title text NO
shared_document version bigint NO
`.trim();

const hashOf = (migration: string): Uint8Array => sha256(utf8(migration));

/** Applies what is missing; resolves with how many that were, and how many there are. `role` gets the rights that a service needs, and no more.
 * Rejects with PostgresFault, and with {@link LogError} `LOG_UNSUITABLE_STORAGE` where the tables are of a newer version or were altered. */
export async function migrate(
  place: PostgresPlace,
  role?: string,
): Promise<{ readonly applied: number; readonly version: number }> {
  const connection = await connectPostgres(place, { application: 'mayfly migrate', deadlineMs: DEADLINE_MS });
  try {
    const { schema } = connection.address;
    let applied = 0;
    await inTransaction(connection, async () => {
      await connection.script(`CREATE SCHEMA IF NOT EXISTS "${schema}"; ${HISTORY}`);
    });
    for (const [at, migration] of MIGRATIONS.entries())
      await inTransaction(connection, async () => {
        const known = await readApplied(connection);
        requireKnown(known);
        if (known.length > MIGRATIONS.length)
          throw unsuitable(
            `its tables are of version ${known.length}, and this program knows ${MIGRATIONS.length}`,
            'Use the newer version of Mayfly that made them.',
          );
        if (known.length > at) return;
        await connection.script(migration);
        await connection.query('INSERT INTO mayfly_schema (version, sha256) VALUES ($1, $2)', [
          at + 1,
          hashOf(migration),
        ]);
        applied++;
      });
    await requireSchema(connection);
    if (role !== undefined) await grant(connection, role);
    return { applied, version: MIGRATIONS.length };
  } finally {
    await connection.close();
  }
}

/** Under a lock of the transaction: one of a session can be left behind by a pooler. */
async function inTransaction(connection: PostgresConnection, work: () => Promise<void>): Promise<void> {
  await connection.script(`BEGIN; SET LOCAL lock_timeout = '${DEADLINE_MS / 2}'`);
  try {
    await connection.query('SELECT pg_advisory_xact_lock($1)', [MIGRATION_LOCK]);
    await work();
    await connection.script('COMMIT');
  } catch (error) {
    await connection.script('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

async function grant(connection: PostgresConnection, role: string): Promise<void> {
  const name = `"${role.replaceAll('"', '""')}"`;
  const { schema } = connection.address;
  await connection.script(
    `GRANT USAGE ON SCHEMA "${schema}" TO ${name};
     GRANT SELECT ON mayfly_schema TO ${name};
     GRANT SELECT, INSERT, UPDATE, DELETE ON ${CHANGED.join(', ')} TO ${name};
     GRANT SELECT, INSERT ON ${APPENDED} TO ${name};`,
  );
}

/** What no service changes afterwards. */
const APPENDED = 'audit_batch';
const TABLES = [...new Set(COLUMNS.split('\n').map((line) => line.split(' ')[0] ?? ''))];
const CHANGED = TABLES.filter((name) => name !== APPENDED);

async function readApplied(connection: PostgresConnection): Promise<readonly Uint8Array[]> {
  const rows = await connection.query('SELECT version, sha256 FROM mayfly_schema ORDER BY version');
  return rows.map(({ version, sha256: hash }, at) => {
    if (version !== at + 1 || !(hash instanceof Uint8Array))
      throw altered('its list of migrations has a gap');
    return hash;
  });
}

function requireKnown(applied: readonly Uint8Array[]): void {
  for (const [at, migration] of MIGRATIONS.entries()) {
    const hash = applied[at];
    if (hash === undefined) return;
    if (!equalBytes(hashOf(migration), hash)) throw altered(`migration ${at + 1} was another one`);
  }
}

/** Throws {@link LogError} `LOG_UNSUITABLE_STORAGE` unless the tables are those of this version, or of a newer one that has all that this one knows, and this role may use them. Reads only. */
export async function requireSchema(connection: PostgresConnection): Promise<void> {
  const [found] = await connection.query("SELECT to_regclass('mayfly_schema') IS NOT NULL AS there");
  const applied = found?.['there'] === true ? await readApplied(connection) : [];
  requireKnown(applied);
  if (applied.length < MIGRATIONS.length)
    throw unsuitable(
      applied.length === 0
        ? `it has no tables of Mayfly in the schema "${connection.address.schema}"`
        : `its tables are of version ${applied.length}, and this program needs ${MIGRATIONS.length}`,
      'Run `mayfly log migrate`, as a role that may make tables.',
    );
  await requireGranted(connection);
  const rows = await connection.query(
    `SELECT table_name::text || ' ' || column_name::text || ' ' || data_type::text || ' ' || is_nullable::text AS line
       FROM information_schema.columns WHERE table_schema = current_schema() AND table_name::text = ANY ($1)`,
    [TABLES],
  );
  const lines = new Set(rows.map(({ line }) => String(line)));
  const known = COLUMNS.split('\n');
  const isNewer = applied.length > MIGRATIONS.length;
  if (known.every((line) => lines.has(line)) && (isNewer || lines.size === known.length)) return;
  throw altered('a column is missing, or there is one too many');
}

/** What a role may not use it does not see in the lists of columns either. */
async function requireGranted(connection: PostgresConnection): Promise<void> {
  const rows = await connection.query(
    `SELECT c.relname::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = current_schema() AND c.relname::text = ANY ($1)
        AND NOT (has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')) ORDER BY 1`,
    [TABLES],
  );
  if (rows.length === 0) return;
  const names = rows.map(({ name }) => String(name)).join(', ');
  throw unsuitable(
    `this role may not use the tables ${names}`,
    'Run `mayfly log migrate --grant ROLE` with the role of the service: tables were added since it was given its rights.',
  );
}

const unsuitable = (why: string, hint: string): LogError =>
  new LogError('LOG_UNSUITABLE_STORAGE', `the database cannot hold the log: ${why}`, { hint });

const altered = (why: string): LogError =>
  unsuitable(
    why,
    'The tables were altered by somebody else. Compare them with those of an empty database after `mayfly log migrate`.',
  );
