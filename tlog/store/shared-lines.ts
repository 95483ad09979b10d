/**
 * Lines that several services append to one table, each in a chain of its own: a row is a batch of lines, with its number in the chain of its
 * writer, and a hash over the row before it. No writer waits for another one. A row is one statement, which changes nothing where the
 * chain has that number already. When its answer is lost, a row that is found afterwards says nothing: it may be seen before a standby has it. Then the same lines
 * go into a row behind it, whose own commit covers both.
 */
import { concat, equalBytes, toHex, utf8 } from '../../core/bytes.ts';
import {
  PostgresFault,
  type PostgresConnection,
  type PostgresPlace,
  type Row,
} from '../../storage/postgres.ts';
import { LogError } from '../core/log-error.ts';
import { sha256 } from '../core/sha256.ts';
import { IS_SYNCHRONOUS, naming, openSession, SAFE_SETTINGS, type LogSession } from './postgres-session.ts';

/** Milliseconds for one question. */
const DEADLINE_MS = 3_000;

/** Milliseconds for a question of those who read all. */
const READ_DEADLINE_MS = 60_000;

/** Rows that are read at once, and characters of theirs after which no other one is. */
const PAGE_ROWS = 1_000;
const PAGE_BYTES = 4 * 1024 * 1024;

/** A batch as it is stored. */
export interface StoredLines {
  /** Of the row: in each chain they rise, and over all chains they are the order in which rows were begun. */
  readonly id: number;
  readonly writer: string;
  /** In the chain of the writer: the first is 1. */
  readonly number: number;
  /** When the database took it, milliseconds since the epoch. */
  readonly at: number;
  readonly lines: readonly string[];
  /** Of the row before it in its chain, 32 bytes; zeros for the first. */
  readonly previous: Uint8Array;
  /** 32 bytes. */
  readonly hash: Uint8Array;
  /** Whether the row says of itself what its lines are. */
  readonly isRight: boolean;
}

interface ChainEnd {
  readonly number: number;
  readonly hash: Uint8Array;
}

const NOTHING: ChainEnd = { number: 0, hash: new Uint8Array(32) };

/** SHA-256 over the hash of the row before, the lengths that keep the parts apart, the writer's name and the lines. */
const hashOf = (previous: Uint8Array, writer: string, number: number, text: string): Uint8Array =>
  sha256(concat([previous, utf8(`${writer.length} ${number} ${text.length}\n${writer}\n${text}`)]));

const APPEND = `INSERT INTO audit_batch (writer, number, n, lines, previous, hash)
  SELECT $1, $2, $3, $4, $5, $6 WHERE ${SAFE_SETTINGS} AND (${IS_SYNCHRONOUS} OR NOT $7)
  ON CONFLICT DO NOTHING RETURNING number`;

/** One writer's end of the table. */
export class SharedLines {
  readonly #place: PostgresPlace;
  readonly #writer: string;
  #session: LogSession | undefined;
  #end: ChainEnd | undefined;

  constructor(place: PostgresPlace, writer: string) {
    this.#place = place;
    this.#writer = writer;
  }

  /** Resolves when all of the lines, which have no newline, are committed, and a standby that commits wait for has them. Rejects with {@link LogError}: they may be there all the same. Where an answer was lost they may be there twice.
   * Never called twice at the same time. */
  append(lines: readonly string[]): Promise<void> {
    const text = `${lines.join('\n')}\n`;
    return naming(this.#place, async () => {
      try {
        await this.#append(lines.length, text);
      } catch (error) {
        if (!(error instanceof PostgresFault && error.code === 'UNKNOWN')) throw error;
        await this.#append(lines.length, text);
      }
    });
  }

  async #append(count: number, text: string): Promise<void> {
    const { connection, server } = await this.#opened();
    for (;;) {
      const { number: last, hash: previous } = (this.#end ??= await this.#readEnd(connection));
      const number = last + 1;
      const hash = hashOf(previous, this.#writer, number, text);
      const before = connection.warnings;
      const rows = await connection.query(
        APPEND,
        [this.#writer, number, count, text, previous, hash, server.isSynchronous],
        'append-lines',
      );
      if (connection.warnings !== before) throw notReplicated();
      if (rows.length === 1) {
        this.#end = { number, hash };
        return;
      }
      const found = await this.#readEnd(connection);
      if (found.number < number) throw await this.#whyNot(connection);
      this.#end = found;
    }
  }

  async #readEnd(connection: PostgresConnection): Promise<ChainEnd> {
    const [row] = await connection.query(
      'SELECT number, hash FROM audit_batch WHERE writer = $1 ORDER BY number DESC LIMIT 1',
      [this.#writer],
    );
    return row === undefined ? NOTHING : { number: Number(row['number']), hash: bytesOf(row['hash']) };
  }

  /** Nothing was changed, and no other row is in the way. */
  async #whyNot(connection: PostgresConnection): Promise<LogError> {
    const [row] = await connection.query(`SELECT ${SAFE_SETTINGS} AS safe`);
    if (row?.['safe'] !== true) return unsafe();
    // The next session is one with a server that does not wait.
    connection.destroy();
    return new LogError('LOG_STORAGE', 'the database does not wait for a standby any more');
  }

  async #opened(): Promise<LogSession> {
    if (this.#session?.connection.isGone === false) return this.#session;
    return (this.#session = await openSession(this.#place, 'mayfly audit', DEADLINE_MS));
  }

  async close(): Promise<void> {
    await this.#session?.connection.close();
  }
}

const notReplicated = (): LogError =>
  new LogError(
    'LOG_STORAGE',
    'lines of the audit were not replicated: somebody ended the wait for the standby',
  );

const unsafe = (): LogError =>
  new LogError('LOG_UNSUITABLE_STORAGE', 'the database does not keep commits safe any more', {
    hint: 'fsync and full_page_writes must be on, synchronous_commit on or remote_apply.',
  });

const bytesOf = (value: unknown): Uint8Array =>
  value instanceof Uint8Array ? Uint8Array.from(value) : new Uint8Array();

/** Which batches are read. */
export interface ReadOptions {
  /** Those that the database took at this time or later, milliseconds since the epoch. */
  readonly since?: number | undefined;
  /** The newest first. */
  readonly isBackwards?: boolean | undefined;
}

/** Each chain as far as it is there now, in one statement. A row that others already see has all of its chain before it; over the chains rows become visible in another order than that of their ids. */
const ENDS = `WITH RECURSIVE w AS (SELECT min(writer) AS writer FROM audit_batch
  UNION ALL SELECT (SELECT min(writer) FROM audit_batch WHERE writer > w.writer) FROM w WHERE w.writer IS NOT NULL)
SELECT w.writer, (SELECT max(number) FROM audit_batch b WHERE b.writer = w.writer) AS number, (SELECT max(id) FROM audit_batch) AS id
  FROM w WHERE w.writer IS NOT NULL`;

/** Ids and times of rows differ by the moment between the two. */
const FIRST = `SELECT id FROM audit_batch
 WHERE made >= to_timestamp($1::double precision / 1000) - interval '1 minute' ORDER BY made LIMIT 1`;

/** One row at least. */
const page = (compared: '>' | '<', order: 'ASC' | 'DESC'): string => `SELECT * FROM (
  SELECT *, sum(octet_length(lines)) OVER (ORDER BY id ${order}) - octet_length(lines) AS before FROM (
    SELECT id, writer, number, n, lines, previous, hash, floor(extract(epoch FROM made) * 1000)::bigint AS at
      FROM audit_batch WHERE id ${compared} $1 AND id <= $2 ORDER BY id ${order} LIMIT ${PAGE_ROWS}) AS found) AS summed
 WHERE before < ${PAGE_BYTES} ORDER BY id ${order}`;

/** The batches of all writers at `place`, in the order of their ids: of each chain those that are there when it begins, without a gap. Rejects with {@link LogError}. */
export async function* readLines(
  place: PostgresPlace,
  { since, isBackwards = false }: ReadOptions = {},
): AsyncGenerator<StoredLines> {
  const connection = await naming(
    place,
    async () => (await openSession(place, 'mayfly audit reader', READ_DEADLINE_MS)).connection,
  );
  const ask = (sql: string, values: readonly unknown[]): Promise<readonly Row[]> =>
    naming(place, () => connection.query(sql, values));
  try {
    const chains = await ask(ENDS, []);
    const ends = new Map(chains.map(({ writer, number }) => [String(writer), Number(number)]));
    const last = Number(chains[0]?.['id'] ?? 0);
    const [first] = since === undefined ? [{ id: 1 }] : await ask(FIRST, [since]);
    if (first === undefined) return;
    const sql = isBackwards ? page('<', 'DESC') : page('>', 'ASC');
    for (let at = isBackwards ? last + 1 : Number(first['id']) - 1; ;) {
      const rows = await ask(sql, [at, last]);
      for (const stored of rows.map(storedOf))
        if (stored.number <= (ends.get(stored.writer) ?? 0) && stored.at >= (since ?? 0)) yield stored;
      const edge = rows.at(-1);
      if (edge === undefined) return;
      at = Number(edge['id']);
    }
  } finally {
    await connection.close();
  }
}

function storedOf(row: Row): StoredLines {
  const [writer, number, text] = [String(row['writer']), Number(row['number']), String(row['lines'])];
  const [previous, hash] = [bytesOf(row['previous']), bytesOf(row['hash'])];
  const lines = text.split('\n').slice(0, -1);
  return {
    id: Number(row['id']),
    writer,
    number,
    at: Number(row['at']),
    lines,
    previous,
    hash,
    isRight: equalBytes(hash, hashOf(previous, writer, number, text)) && lines.length === Number(row['n']),
  };
}

/** The chain of one writer, as far as it is there. */
export interface CheckedChain {
  readonly writer: string;
  /** Numbers of its first and its last row: the first is above 1 where older ones were removed. */
  readonly first: number;
  readonly last: number;
  readonly lines: number;
  /** Of the last row, hexadecimal. */
  readonly hash: string;
  /** What is wrong with it, a sentence each. */
  readonly faults: readonly string[];
}

/** Reads all of them and holds each to itself. Rejects with {@link LogError}. */
export async function checkLines(place: PostgresPlace): Promise<readonly CheckedChain[]> {
  const chains = new Map<
    string,
    Omit<CheckedChain, 'hash' | 'faults'> & { hash: Uint8Array; faults: string[] }
  >();
  for await (const { writer, number, lines, previous, hash, isRight } of readLines(place)) {
    const before = chains.get(writer);
    const faults = before?.faults ?? [];
    if (!isRight) faults.push(`row ${number} is not what was written`);
    if (before !== undefined && number !== before.last + 1)
      faults.push(`row ${number} follows row ${before.last}`);
    else if (before !== undefined && !equalBytes(previous, before.hash))
      faults.push(`row ${number} does not follow the row ${before.last} that is there`);
    if (before === undefined && number === 1 && !equalBytes(previous, NOTHING.hash))
      faults.push('row 1 follows another one');
    chains.set(writer, {
      writer,
      first: before?.first ?? number,
      last: number,
      lines: (before?.lines ?? 0) + lines.length,
      hash,
      faults,
    });
  }
  return [...chains.values()].map((chain) => ({ ...chain, hash: toHex(chain.hash) }));
}
