/**
 * One question to PostgreSQL, and its answer, as messages of version 3 of the protocol. There the order alone says which answer belongs to which question: bytes that arrive twice would make
 * each later answer that of the question before. So a statement that returns the question's own tag goes along with each question, and an answer is taken only where it has that tag and exactly the messages that belong to
 * such a question, with as many rows as the server says. All else is an answer to something else, or to nothing: see {@link Stray}.
 */
import type { Connection, Submittable } from 'pg';
import { messageOf } from '../core/errors.ts';

/** One row of an answer. */
export type Row = Readonly<Record<string, unknown>>;

/**
 * How a question is put.
 *
 * - `statement`: one statement, with values, behind its tag: so a refusal of the server is known to be one of this statement. Where it has a name it is prepared once.
 * - `script`: several statements without values, before their tag. A refusal has no tag then, and says nothing of what was done.
 * - `alone`: one that the server takes in no company, such as VACUUM. It has no tag; the next question has.
 */
export type Form = 'statement' | 'script' | 'alone';

/** What is asked. */
export interface Asked {
  readonly form: Form;
  readonly text: string;
  readonly values: readonly unknown[];
  readonly name: string | undefined;
  /** Another one for each question of a session. */
  readonly tag: string;
}

/** What a session keeps for its questions. */
export interface Reading {
  /** Statements that the server has prepared. */
  readonly prepared: Set<string>;
  /** Whether the statement of tags may be prepared: not before it is known that there is one server for the whole session. */
  readonly keepsTags: boolean;
  /** Of values, by the number of their type. */
  readonly parserOf: (oid: number) => (text: string) => unknown;
}

/** A message of the server, as the client library reads it. */
export interface Message {
  readonly name: string;
  /** Of a description its columns, of a row its values. */
  readonly fields?: readonly unknown[];
  /** What was done, such as `SELECT 1`. */
  readonly text?: string;
  /** Of an error, in the language of the server: it says nothing to a program. */
  readonly severity?: string;
}

/** What arrived is not the answer to the question: the session is out of step, and cannot be used any more. */
export class Stray extends Error {}

/** The server refused the statement that was asked, and its session goes on. The cause is what it said. */
export class Refusal extends Error {}

/** Name and text of the statement that returns a tag. */
const TAG_NAME = 'tag';
const TAG_TEXT = 'SELECT $1::text';

interface Column {
  readonly name: string;
  readonly dataTypeID: number;
}

/** What one statement of a question was answered with. */
interface Result {
  readonly columns: readonly Column[] | undefined;
  readonly rows: readonly (readonly (string | null)[])[];
  readonly done: string;
}

type Steps<T> = Generator<undefined, T, Message>;

/** Handed to the client library, which sends it when its turn has come; its session hands it the messages that arrive then. */
export class Question implements Submittable {
  readonly #asked: Asked;
  readonly #reading: Reading;
  readonly #steps: Steps<readonly Row[]>;
  readonly #settled = Promise.withResolvers<readonly Row[]>();
  #refusal: Refusal | undefined;
  #isTagged = false;
  /** Whether the answer has ended. */
  isOver = false;

  constructor(asked: Asked, reading: Reading) {
    this.#asked = asked;
    this.#reading = reading;
    this.#steps = asked.form === 'statement' ? this.#statement() : this.#several();
    this.#steps.next();
    this.#settled.promise.catch(() => undefined);
  }

  /** The rows, of several statements those of the last one. Rejects with {@link Refusal} once that is known to be about this question; with {@link Stray}, whose cause is what
   * the server said; and with what ended the connection. */
  get answer(): Promise<readonly Row[]> {
    return this.#settled.promise;
  }

  submit(connection: Connection): void {
    const { form, text, values, name = '', tag } = this.#asked;
    if (form !== 'statement') {
      connection.query(form === 'alone' ? text : `${text}\n; SELECT '${tag}'`);
      return;
    }
    connection.stream.cork();
    try {
      this.#send(connection, this.#tagName, TAG_TEXT, [tag]);
      this.#send(connection, name, text, values);
      connection.sync();
    } finally {
      connection.stream.uncork();
    }
  }

  #send(connection: Connection, statement: string, text: string, values: readonly unknown[]): void {
    if (!this.#reading.prepared.has(statement)) connection.parse({ name: statement, text, types: [] }, true);
    connection.bind({ portal: '', statement, values: values.map((value) => sent(value as Value)) }, true);
    connection.describe({ type: 'P', name: '' }, true);
    connection.execute({ portal: '' }, true);
  }

  get #tagName(): string {
    return this.#reading.keepsTags ? TAG_NAME : '';
  }

  /** Takes the next message. Returns whether it belongs there. */
  take(message: Message): boolean {
    try {
      if (message.name === 'error') this.#refused(message);
      else if (this.#refusal === undefined) this.#goOn(message);
      else {
        expected(message, 'readyForQuery');
        this.#end(this.#refusal);
      }
      return true;
    } catch (error) {
      this.#end(error);
      return false;
    }
  }

  #goOn(message: Message): void {
    const { done, value } = this.#steps.next(message);
    if (done !== true) return;
    this.isOver = true;
    this.#settled.resolve(value);
  }

  /** What follows an error distinguishes a refusal from the end of the session: only after a refusal the server is ready for the next question. Its severity is in the language of the server; without one
   * it is no error of the server, but bytes that the client library does not know. */
  #refused(error: Message): void {
    const isRefusal = error.severity !== undefined && this.#isTagged && this.#refusal === undefined;
    if (!isRefusal) throw new Stray(messageOf(error), { cause: error });
    this.#refusal = new Refusal(messageOf(error), { cause: error });
  }

  #end(error: unknown): void {
    this.isOver = true;
    this.#settled.reject(error);
  }

  /** Of the client library: the connection ended, or the server refused something, which {@link take} has seen. What it said last is why it ended the connection. */
  handleError(error: unknown): void {
    const refusal = this.#refusal;
    if (refusal === undefined) this.#settled.reject(error);
    else if (error !== refusal.cause)
      this.#settled.reject(new Stray(refusal.message, { cause: refusal.cause }));
  }

  // The library hands each message on, too, which was taken then.
  handleRowDescription(): void {}
  handleDataRow(): void {}
  handleCommandComplete(): void {}
  handleEmptyQuery(): void {}
  handlePortalSuspended(): void {}
  handleCopyInResponse(): void {}
  handleCopyData(): void {}
  handleReadyForQuery(): void {}

  *#statement(): Steps<readonly Row[]> {
    const { name = '', tag } = this.#asked;
    const tagged = yield* this.#result(this.#tagName);
    if (!isTag(tagged, tag)) throw stray();
    this.#isTagged = true;
    const result = yield* this.#result(name);
    expected(yield, 'readyForQuery');
    return this.#rowsOf(result);
  }

  /** Of a statement that was sent with its values. */
  *#result(statement: string): Steps<Result> {
    const { prepared } = this.#reading;
    if (!prepared.has(statement)) {
      expected(yield, 'parseComplete');
      if (statement !== '') prepared.add(statement);
    }
    expected(yield, 'bindComplete');
    const described = yield;
    if (described.name !== 'noData') return yield* describedResult(described);
    return { columns: undefined, rows: [], done: expected(yield, 'commandComplete').text ?? '' };
  }

  /** Of a text of statements. */
  *#several(): Steps<readonly Row[]> {
    const { form, text, tag } = this.#asked;
    const results: Result[] = [];
    for (let message = yield; message.name !== 'readyForQuery'; message = yield)
      results.push(
        message.name === 'commandComplete'
          ? { columns: undefined, rows: [], done: message.text ?? '' }
          : yield* describedResult(message),
      );
    const last = results.pop();
    if (form === 'alone') {
      if (last === undefined || results.length > 0 || !text.startsWith(last.done)) throw stray();
      return [];
    }
    const result = results.pop();
    if (last === undefined || result === undefined || !isTag(last, tag)) throw stray();
    return this.#rowsOf(result);
  }

  #rowsOf({ columns = [], rows }: Result): readonly Row[] {
    const parsers = columns.map(({ dataTypeID }) => this.#reading.parserOf(dataTypeID));
    return rows.map((row) =>
      Object.fromEntries(
        columns.map(({ name }, i) => {
          const text = row[i];
          return [name, text == null ? null : parsers[i]?.(text)];
        }),
      ),
    );
  }
}

/** The rest of a result with columns, from their description on. */
function* describedResult(description: Message): Steps<Result> {
  const columns = expected(description, 'rowDescription').fields as readonly Column[];
  const rows: (readonly (string | null)[])[] = [];
  let message = yield;
  for (; message.name === 'dataRow'; message = yield) {
    const row = message.fields as readonly (string | null)[];
    if (row.length !== columns.length) throw stray();
    rows.push(row);
  }
  const done = expected(message, 'commandComplete').text ?? '';
  const count = / (\d+)$/.exec(done)?.[1];
  if (count !== undefined && Number(count) !== rows.length) throw stray();
  return { columns, rows, done };
}

function expected(message: Message, name: string): Message {
  if (message.name !== name) throw stray();
  return message;
}

const isTag = ({ rows }: Result, tag: string): boolean =>
  rows.length === 1 && rows[0]?.length === 1 && rows[0][0] === tag;

const stray = (): Stray => new Stray('the answer is not that to what was asked');

type Scalar = string | number | boolean;
type Value = Scalar | Uint8Array | readonly Scalar[] | null | undefined;

/** A value as the server reads it: bytes as they are, all else as text. */
function sent(value: Value): Buffer | string | null {
  if (value === null || value === undefined) return null;
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  if (typeof value === 'object') return `{${value.map(element).join(',')}}`;
  return String(value);
}

const element = (value: Scalar): string =>
  typeof value === 'string' ? `"${value.replaceAll(/["\\]/g, String.raw`\$&`)}"` : String(value);
