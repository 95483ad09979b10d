/**
 * Connections to PostgreSQL for what must be exact: each question has its own deadline, after which the connection is
 * destroyed and never used again, as it is after an answer that is not that to its question; every failure says whether what was asked may have been done; warnings of the server
 * are counted, because it says by a warning alone that a commit was not replicated. The client library is loaded with
 * the first connection.
 */
import { randomBytes } from 'node:crypto';
import type { EventEmitter } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import type { Client, ClientConfig } from 'pg';
import { isLoopbackHostname } from '../core/loopback.ts';
import { MayflyError, messageOf } from '../core/errors.ts';
import { Question, Refusal, Stray, type Form, type Message, type Row } from './postgres-question.ts';
import { readSecretFile } from './secret-file.ts';

/**
 * Codes of {@link PostgresFault}.
 *
 * - `UNKNOWN`: nobody answered, or the connection ended: what was asked may have been done, or may yet be.
 * - `REFUSED`: the server refused it, and changed nothing.
 * - `BAD_URL`: no URL that can be used.
 */
export type PostgresReason = 'UNKNOWN' | 'REFUSED' | 'BAD_URL';

/** What PostgreSQL, or the way there, did not do. */
export class PostgresFault extends MayflyError<PostgresReason> {
  /** The server's code of five characters. */
  get sqlState(): string | undefined {
    return this.metadata['sqlState'];
  }
}

/** Where a database is, as a URL says it. */
export interface PostgresAddress {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
  /** The schema that holds the tables. */
  readonly schema: string;
  /** `disable`: without TLS. */
  readonly sslmode: 'disable' | 'verify-full';
  /** PEM certificates to trust instead of the system's. */
  readonly sslrootcert?: string | undefined;
}

/** The schema where a URL names none. */
const DEFAULT_SCHEMA = 'mayfly';

const PARAMETERS: ReadonlySet<string> = new Set(['sslmode', 'sslrootcert', 'schema']);

/**
 * Reads `postgres://USER@HOST[:PORT]/DATABASE[?schema=NAME&sslmode=verify-full|disable&sslrootcert=FILE]`. Without `sslmode` it is
 * `verify-full`, on loopback `disable`. Throws {@link PostgresFault} `BAD_URL`, which never quotes the URL: a password may be in it.
 */
export function parsePostgresUrl(text: string): PostgresAddress {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !['postgres:', 'postgresql:'].includes(url.protocol) || url.hostname === '')
    throw badUrl('it is not postgres://USER@HOST/DATABASE');
  if (url.password !== '') throw badUrl('it has a password', 'Write the password into a file and name that.');
  const database = decoded(url.pathname.slice(1));
  if (url.username === '') throw badUrl('it names no user');
  if (database === '' || database.includes('/')) throw badUrl('it names no database');
  for (const [name] of url.searchParams)
    if (!PARAMETERS.has(name)) throw badUrl('it has a parameter that is not known', KNOWN_PARAMETERS);
  const schema = url.searchParams.get('schema') ?? DEFAULT_SCHEMA;
  if (!/^[a-z_][a-z0-9_]{0,62}$/.test(schema))
    throw badUrl('its schema is not a name of small letters, digits and _');
  const host = url.hostname.replace(/^\[|\]$/g, '');
  return {
    host,
    port: url.port === '' ? 5432 : Number(url.port),
    user: decoded(url.username),
    database,
    schema,
    sslmode: sslmodeOf(url.searchParams.get('sslmode'), url.hostname),
    sslrootcert: url.searchParams.get('sslrootcert') ?? undefined,
  };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw badUrl('it has a % that begins no byte');
  }
}

function sslmodeOf(text: string | null, host: string): PostgresAddress['sslmode'] {
  if (text === null) return isLoopbackHostname(host) ? 'disable' : 'verify-full';
  if (text === 'disable' || text === 'verify-full') return text;
  throw badUrl(
    'its sslmode is neither verify-full nor disable',
    'The others do not check who answers: sslmode=verify-full, with sslrootcert=FILE for a CA of your own.',
  );
}

const KNOWN_PARAMETERS = 'There are schema, sslmode and sslrootcert.';

const badUrl = (why: string, hint?: string): PostgresFault =>
  new PostgresFault('BAD_URL', `the URL of the database cannot be used: ${why}`, { hint });

/** Where to connect, and as whom. */
export interface PostgresPlace {
  readonly url: string;
  /** Its first line is the password; without it PGPASSWORD, or the file that PGPASSFILE names. */
  readonly passwordFile?: string | undefined;
}

/** How operators know a place: without user and parameters. */
export function placeName({ url }: Pick<PostgresPlace, 'url'>): string {
  const { host, port, database, schema } = parsePostgresUrl(url);
  const at = port === 5432 ? host : `${host}:${port}`;
  return `PostgreSQL at ${at}/${database}${schema === DEFAULT_SCHEMA ? '' : ` (schema ${schema})`}`;
}

export type { Row } from './postgres-question.ts';

/** A session of its own with the server: one question after the other. */
export interface PostgresConnection {
  /** Of the server's process. */
  readonly pid: number;
  readonly address: PostgresAddress;
  /** Warnings of the server so far. */
  readonly warnings: number;
  /** Whether it cannot be used any more. */
  readonly isGone: boolean;
  /** The rows of one statement. Rejects with {@link PostgresFault}. `name` has the statement prepared once; `deadlineMs` is for it in the place of the session's. */
  query(
    text: string,
    values?: readonly unknown[],
    name?: string,
    deadlineMs?: number,
  ): Promise<readonly Row[]>;
  /** Several statements without values, the rows of the last one. What the server refuses of it is `UNKNOWN`, and ends the session. */
  script(text: string): Promise<readonly Row[]>;
  /** The same for one that the server takes alone only, such as VACUUM, and that has no rows. */
  alone(text: string): Promise<void>;
  /** Ends the session in order, or after a second at once. Never rejects. */
  close(): Promise<void>;
  /** Ends the session at once. */
  destroy(): void;
}

/** How a session is opened. */
export interface SessionOptions {
  /** As other sessions see it. */
  readonly application: string;
  /** Milliseconds for connecting, and for each question. */
  readonly deadlineMs: number;
}

/** What keeps a session that is held by a stopped or vanished process from holding others up. */
const SETTINGS = {
  lock_timeout: '2000',
  idle_in_transaction_session_timeout: '1000',
  tcp_keepalives_idle: '10',
  tcp_keepalives_interval: '5',
  tcp_keepalives_count: '3',
  client_min_messages: 'warning',
};

/** Begins a transaction that holds up no commit of a log, and so may pause while its client works on what it read: a start or a check of a log with many entries on a
 * busy machine. It ends with a client that was stopped, all the same, because its snapshot keeps old rows. */
export const UNHURRIED = "SET LOCAL idle_in_transaction_session_timeout = '60s'";

/** Opens a session. Rejects with {@link PostgresFault}: `REFUSED` also for a pooler in between that does not keep sessions apart. */
export async function connectPostgres(
  place: PostgresPlace,
  { application, deadlineMs }: SessionOptions,
): Promise<PostgresConnection> {
  const address = parsePostgresUrl(place.url);
  const { default: pg } = await import('pg');
  const nonce = randomBytes(8).toString('hex');
  const settings = { ...SETTINGS, search_path: address.schema, 'mayfly.session': nonce };
  const options = Object.entries(settings).map(([name, value]) => `-c ${name}=${value}`);
  const config: ClientConfig = {
    host: address.host,
    port: address.port,
    user: address.user,
    database: address.database,
    ssl: await tlsOf(address),
    application_name: application,
    connectionTimeoutMillis: deadlineMs,
    keepAlive: true,
    options: [...options, '-c default_transaction_isolation=read\\ committed'].join(' '),
  };
  const password = await readSecretFile(place.passwordFile, 'password of the database', () => undefined);
  if (password !== undefined) config.password = password;
  const session = new Session(new pg.Client(config), address, deadlineMs, nonce);
  await session.open();
  return session;
}

async function tlsOf({ sslmode, sslrootcert, host }: PostgresAddress): Promise<ClientConfig['ssl']> {
  if (sslmode === 'disable') return false;
  const ca = sslrootcert === undefined ? undefined : await readFile(sslrootcert, 'utf8');
  return { rejectUnauthorized: true, servername: host, ...(ca === undefined ? {} : { ca }) };
}

type Parser = (value: string) => unknown;

/** A number of 64 bits that is too large to be one here stays a text, which no check takes for a number. */
function integer(text: string): number | string {
  const small = Number(text);
  return Number.isSafeInteger(small) ? small : text;
}

/** By the type's number. Parameters go in binary where they are bytes; the client library reads answers as text. */
const PARSERS = new Map<number, Parser>([
  [16, (text) => text === 't'],
  [17, (text) => Buffer.from(text.slice(2), 'hex')],
  [20, integer],
  [23, Number],
]);

const parserOf = (oid: number): Parser => PARSERS.get(oid) ?? ((text) => text);

/** States of the server after which nothing was done. */
const REFUSALS = /^(?:0A|22|23|25|26|28|34|3D|3F|40|42|53|54|55)|^57014$/;

/** What the server says of itself at any time. */
const UNASKED: ReadonlySet<string> = new Set(['notice', 'notification', 'parameterStatus']);

class Session implements PostgresConnection {
  readonly address: PostgresAddress;
  pid = 0;
  warnings = 0;
  isGone = false;
  readonly #client: Client;
  readonly #deadlineMs: number;
  /** Of this session alone; its questions are numbered. */
  readonly #nonce: string;
  #asked = 0;
  readonly #prepared = new Set<string>();
  /** The one whose answer arrives. */
  #open: Question | undefined;
  #last: Promise<undefined> | undefined;

  constructor(client: Client, address: PostgresAddress, deadlineMs: number, nonce: string) {
    this.#client = client;
    this.address = address;
    this.#deadlineMs = deadlineMs;
    this.#nonce = nonce;
    client.on('notice', () => this.warnings++);
    // Without a listener a cut of an idle connection would end the process.
    client.on('error', (error) => {
      this.#ended(error);
    });
    client.on('end', () => {
      this.#ended(ended());
    });
  }

  #ended(error: unknown): void {
    this.isGone = true;
    this.#open?.handleError(error);
  }

  async open(): Promise<void> {
    try {
      await this.#inTime(this.#connect(), this.#deadlineMs);
      const [row] = await this.query(
        "SELECT pg_backend_pid() AS pid, coalesce(current_setting('mayfly.session', true), '') AS session",
      );
      if (row?.['session'] !== this.#nonce) throw pooler();
      this.pid = Number(row['pid']);
    } catch (error) {
      this.destroy();
      const fault = this.#faultOf(error);
      // PgBouncer refuses what it does not pass on. The server has the same code for bytes that it does not understand.
      if (fault.sqlState === '08P01' && fault.message.includes('startup parameter')) throw pooler();
      throw fault.code === 'UNKNOWN' && fault.hint === undefined ? unreachable(fault) : fault;
    }
  }

  async #connect(): Promise<void> {
    const { connection } = this.#client as unknown as {
      readonly connection: EventEmitter & { readonly stream: Socket };
    };
    connection.once('sslconnect', () => {
      endOnFaults(connection.stream);
    });
    const connected = this.#client.connect();
    if (this.address.sslmode === 'disable') endOnFaults(connection.stream);
    await connected;
    connection.on('message', (message: Message) => {
      this.#heard(message);
    });
  }

  #heard(message: Message): void {
    if (UNASKED.has(message.name)) return;
    const question = this.#open;
    const belongs = question?.take(message) === true;
    if (question?.isOver === true) this.#open = undefined;
    if (!belongs) this.destroy();
  }

  async query(
    text: string,
    values: readonly unknown[] = [],
    name?: string,
    deadlineMs = this.#deadlineMs,
  ): Promise<readonly Row[]> {
    return this.#ask('statement', text, { values, name, deadlineMs });
  }

  async script(text: string): Promise<readonly Row[]> {
    return this.#ask('script', text);
  }

  async alone(text: string): Promise<void> {
    await this.#ask('alone', text);
    // The answer to this has a tag: it shows that the one before was no other one's.
    await this.query('SELECT 1');
  }

  /** One after the other: the deadline of each begins when it is sent. */
  async #ask(
    form: Form,
    text: string,
    { values = [], name, deadlineMs = this.#deadlineMs }: AskOptions = {},
  ): Promise<readonly Row[]> {
    const before = this.#last;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#last = promise;
    await before;
    try {
      const tag = `${this.#nonce} ${this.#asked++}`;
      const reading = { prepared: this.#prepared, keepsTags: this.pid !== 0, parserOf };
      return await this.#answer(new Question({ form, text, values, name, tag }, reading), deadlineMs);
    } finally {
      resolve(undefined);
    }
  }

  async #answer(question: Question, deadlineMs: number): Promise<readonly Row[]> {
    try {
      if (this.isGone) throw ended();
      this.#stream?.ref?.();
      this.#open = question;
      this.#client.query(question);
      return await this.#inTime(question.answer, deadlineMs);
    } catch (error) {
      const fault = this.#faultOf(error);
      if (fault.code === 'UNKNOWN') this.destroy();
      throw fault;
    } finally {
      // A session that nobody asks does not keep a command from its end.
      this.#stream?.unref?.();
    }
  }

  /** A question that is late is never waited for again, and its connection is useless: the answer to another one could be its. */
  async #inTime<T>(work: Promise<T>, deadlineMs: number): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new PostgresFault('UNKNOWN', `${this.#name} did not answer within ${deadlineMs / 1000} s`));
      }, deadlineMs);
    });
    work.catch(() => undefined);
    try {
      return await Promise.race([work, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Its socket. */
  get #stream(): Partial<Socket> | undefined {
    const { connection } = this.#client as unknown as { readonly connection?: { readonly stream?: Socket } };
    return connection?.stream;
  }

  get #name(): string {
    return `PostgreSQL at ${this.address.host}:${this.address.port}`;
  }

  #faultOf(error: unknown): PostgresFault {
    if (error instanceof PostgresFault) return error;
    const said = error instanceof Stray || error instanceof Refusal ? error.cause : error;
    const { code, severity } = (said ?? {}) as { readonly code?: unknown; readonly severity?: unknown };
    const sqlState = typeof severity === 'string' && typeof code === 'string' ? code : undefined;
    const isRefusal = error instanceof Refusal && sqlState !== undefined && REFUSALS.test(sqlState);
    // Before there is a session, there is nothing that could have been done.
    const isRefusedLogin = sqlState !== undefined && this.pid === 0;
    return new PostgresFault(
      isRefusal || isRefusedLogin ? 'REFUSED' : 'UNKNOWN',
      `${this.#name}: ${messageOf(error)}`,
      { metadata: sqlState === undefined ? {} : { sqlState }, cause: error },
    );
  }

  async close(): Promise<void> {
    if (this.isGone) return;
    this.isGone = true;
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([
      this.#client.end().catch(() => undefined),
      new Promise((resolve) => (timer = setTimeout(resolve, 1_000))),
    ]);
    clearTimeout(timer);
    this.destroy();
  }

  destroy(): void {
    this.isGone = true;
    this.#stream?.destroy?.();
  }
}

interface AskOptions {
  readonly values?: readonly unknown[];
  readonly name?: string | undefined;
  readonly deadlineMs?: number;
}

/** Has bytes that are no messages end the connection: what the client library throws while it reads them would end the process. */
function endOnFaults(stream: Socket): void {
  for (const listener of stream.listeners('data')) {
    stream.off('data', listener as (bytes: Buffer) => void);
    stream.on('data', (bytes) => {
      try {
        (listener as (bytes: Buffer) => void)(bytes);
      } catch (error) {
        stream.destroy(error as Error);
      }
    });
  }
}

const ended = (): PostgresFault => new PostgresFault('UNKNOWN', 'the connection to the database has ended');

const unreachable = ({ code, message, metadata, cause }: PostgresFault): PostgresFault =>
  new PostgresFault(code, message, {
    hint: 'Look whether the database runs and can be reached from here, and whether mayfly.log.store has its host and port. Nothing was changed there.',
    metadata,
    cause,
  });

const pooler = (): PostgresFault =>
  new PostgresFault('REFUSED', 'there is a pooler between this service and PostgreSQL', {
    hint: 'It hands what belongs to one session to another. Name the address of the server itself.',
    metadata: { pooler: 'yes' },
  });
