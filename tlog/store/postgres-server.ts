import { join } from 'node:path';
import { utf8, utf8Text } from '../../core/bytes.ts';
import { writeDurably } from '../../storage/durable-file.ts';
import type { PostgresConnection } from '../../storage/postgres.ts';
import { LogError } from '../core/log-error.ts';
import { readLogFile } from '../core/log-file.ts';
import type { LogSession, ServerIdentity } from './postgres-session.ts';

/** Name inside a log's directory. */
export const SERVER_FILE = 'database.json';

const NOTE = `INSERT INTO log_server (log_id, system, timeline, synchronous) VALUES ($1, $2, $3, $4)
 ON CONFLICT (log_id) DO UPDATE SET system = excluded.system, timeline = excluded.timeline, synchronous = excluded.synchronous`;

/**
 * Which server a log was written on, so that another one in its place is noticed. It is noted twice: in `database.json` of the log's directory, which is what this machine knows, and in the database itself, for machines that are
 * added. A promoted standby, or a restored backup, has another timeline than what it says of itself. Where commits waited for a standby, nothing can be missing on one that was promoted later. Otherwise
 * commits of the last seconds can be, of which other replicas may have given certificates away: then nothing is signed until an operator has looked.
 *
 * What the database says is of before the promotion, and may lack that commits had ceased to wait. So a machine that knows nothing itself believes it only when the server is the very one that it names; and one that knows more goes on with the very
 * next promotion alone. It cannot be known here whether another machine wrote on after commits had ceased to wait, while this one was away: operators start the machine first that wrote last.
 */
export class KnownServer {
  readonly #directory: string;
  readonly #place: string;
  readonly #logId: Uint8Array;
  #known: ServerIdentity | undefined;
  #noted: ServerIdentity | undefined;

  constructor(directory: string, place: string, logId: Uint8Array) {
    this.#directory = directory;
    this.#place = place;
    this.#logId = logId;
  }

  /** Throws {@link LogError} `LOG_ROLLED_BACK` when the server of the session is another one, and may lack commits. */
  async require({ server, connection }: LogSession): Promise<void> {
    this.#known ??= await this.#read();
    this.#noted = await this.#readNoted(connection);
    const [known, noted] = [this.#known, this.#noted];
    if (known !== undefined && !mayFollow(known, server)) throw this.#another(known, server, 'than before');
    if (noted === undefined || isSame(noted, server)) return;
    if (known === undefined || !mayFollow(noted, server) || !isNext(noted, server))
      throw this.#another(noted, server, 'than the one on which it says that the log was written');
  }

  #another(known: ServerIdentity, server: ServerIdentity, than: string): LogError {
    return new LogError(
      'LOG_ROLLED_BACK',
      `${this.#place} is another server ${than}: ${describe(known)} then, ${describe(server)} now`,
      {
        hint:
          'A standby was promoted for which commits did not wait, a backup was put back, or a former server answers: the last commits may be missing. Nothing is signed. ' +
          'docs/scaling.md, "When the database was replaced", says how to find out and to go on.',
      },
    );
  }

  /** Notes the server for a log that is made or received there, in the transaction of that. Rejects with PostgresFault. */
  static async noteMade({ server, connection }: LogSession, logId: Uint8Array): Promise<void> {
    await connection.query(NOTE, valuesOf(logId, server));
  }

  /** Remembers the server of the session from now on, for this machine and for those that are added. Rejects with PostgresFault, and a FileFault. */
  async keep({ server, connection }: LogSession): Promise<void> {
    if (!isAllSame(this.#noted, server)) {
      await connection.query(NOTE, valuesOf(this.#logId, server));
      this.#noted = server;
    }
    if (isAllSame(this.#known, server)) return;
    await writeDurably(
      join(this.#directory, SERVER_FILE),
      utf8(`${JSON.stringify({ version: 1, ...server })}\n`),
      0o644,
    );
    this.#known = server;
  }

  async #readNoted(connection: PostgresConnection): Promise<ServerIdentity | undefined> {
    const [row] = await connection.query(
      'SELECT system, timeline, synchronous FROM log_server WHERE log_id = $1',
      [this.#logId],
    );
    if (row === undefined) return undefined;
    const text = (name: string): string | undefined => {
      const value = row[name];
      return typeof value === 'string' ? value : undefined;
    };
    return { system: text('system'), timeline: text('timeline'), isSynchronous: row['synchronous'] === true };
  }

  async #read(): Promise<ServerIdentity | undefined> {
    const bytes = await readLogFile(this.#directory, SERVER_FILE);
    if (bytes === undefined) return undefined;
    try {
      const { system, timeline, isSynchronous } = JSON.parse(utf8Text(bytes)) as Partial<ServerIdentity>;
      if (isText(system) && isText(timeline))
        return { system, timeline, isSynchronous: isSynchronous === true };
    } catch {
      // As below.
    }
    throw new LogError('LOG_CORRUPT', `${join(this.#directory, SERVER_FILE)} is damaged`, {
      hint: 'It says on which server the log was written. docs/scaling.md, "When the database was replaced", says how it is made anew.',
    });
  }
}

const valuesOf = (
  logId: Uint8Array,
  {
    system = null,
    timeline = null,
    isSynchronous,
  }: { readonly [K in keyof ServerIdentity]: ServerIdentity[K] | null },
): readonly (Uint8Array | string | boolean | null)[] => [logId, system, timeline, isSynchronous];

const isText = (value: unknown): value is string | undefined =>
  value === undefined || (typeof value === 'string' && /^[0-9A-F]{1,20}$/.test(value));

const isSame = (a: ServerIdentity, b: ServerIdentity): boolean =>
  a.system === b.system && a.timeline === b.timeline;

const isAllSame = (a: ServerIdentity | undefined, b: ServerIdentity): boolean =>
  a !== undefined && isSame(a, b) && a.isSynchronous === b.isSynchronous;

/** Whether `server` has all that was committed on the known one. */
const mayFollow = (known: ServerIdentity, server: ServerIdentity): boolean =>
  isSame(known, server) || (known.isSynchronous && isPromoted(known, server));

/** Whether `server` is that of the promotion after the noted one. Who wrote on a server in between noted that one, and what says nothing of it may lack what was written there. */
const isNext = (noted: ServerIdentity, server: ServerIdentity): boolean =>
  numberOf(server) === numberOf(noted) + 1;

/** Timelines are hexadecimal numbers that grow, by one with each promotion. */
const numberOf = ({ timeline = '' }: ServerIdentity): number => Number.parseInt(timeline, 16);

/** Whether `server` was a standby of the known one, or of its successors. */
const isPromoted = (known: ServerIdentity, server: ServerIdentity): boolean =>
  known.system === server.system && numberOf(server) > numberOf(known);

const describe = ({ system = 'unknown', timeline = 'unknown' }: ServerIdentity): string =>
  `system ${system}, timeline ${timeline.replace(/^0+/, '')}`;
