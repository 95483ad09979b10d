/**
 * Bytes of large answers that are made but not sent: a client that does not read leaves them in memory. Small answers are in
 * the account of their connection.
 *
 * Answers go out in pieces, so that it shows whether a connection takes anything. When memory is short, a connection that
 * holds an answer and takes nothing is closed first, and then one of the client that holds most: a reader that reads is
 * served beside any number that do not.
 */
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Tally } from '../../core/tally.ts';
import { accountOf, entryOf } from './connection-account.ts';

/** How much may be held. */
export interface UnsentLimits {
  /** Bytes of all clients together. */
  readonly total: number;
  /** Bytes of one client. */
  readonly perClient: number;
  /** Milliseconds after which a connection that takes nothing may be closed for the sake of others. */
  readonly stallMs: number;
}

/** Bytes handed to a connection at once. It is given more when it has taken these. */
const PIECE = 64 * 1024;

/** An answer that is not sent yet. */
interface HeldAnswer {
  readonly connection: Connection;
  readonly client: string;
  readonly bytes: number;
}

/** What waits on one connection. An answer behind another one never learns that the connection closed; this does. */
interface Connection {
  readonly socket: Socket;
  readonly answers: Set<HeldAnswer>;
  /** Milliseconds of the clock, when it last took something of any answer, or got one while it held none. */
  tookAt: number;
}

/** Sends answers and knows what is held of them. */
export class UnsentResponseLimit {
  readonly #limits: UnsentLimits;
  readonly #clock: () => number;
  /** Those that hold answers. The one that has taken nothing for longest is the first: a Set keeps the order of adding. */
  readonly #holders = new Set<Connection>();
  readonly #clients = new Tally<string>();
  readonly #connections = new WeakMap<Socket, Connection>();
  #total = 0;

  /** `clock` counts milliseconds and never goes back. */
  constructor(limits: UnsentLimits, clock: () => number = () => performance.now()) {
    this.#limits = limits;
    this.#clock = clock;
  }

  /** Bytes that are held. */
  get total(): number {
    return this.#total;
  }

  /** Makes room for `bytes` of an answer to `client`, at the cost of connections that take nothing if need be. Returns
   * false when there is none: then the answer must not be sent. */
  hasRoom(client: string, bytes: number): boolean {
    const now = this.#clock();
    const { total, perClient } = this.#limits;
    // A single answer is never too large: a tile of the longest certificates has to be readable, too.
    while (this.#clients.of(client) > 0 && this.#clients.of(client) + bytes > perClient) {
      const stalled = this.#firstOf(client);
      if (stalled === undefined || !this.#isStalled(stalled, now)) return false;
      this.#drop(stalled);
    }
    while (this.#total > 0 && this.#total + bytes > total) {
      const loser = this.#loserTo(client, bytes, now);
      if (loser === undefined) return false;
      this.#drop(loser);
    }
    return true;
  }

  /** Ends `response`, whose head is written, with the body in `parts`. It counts for `client` until it is sent or its
   * connection is gone. */
  send(response: ServerResponse, client: string, parts: readonly Uint8Array[]): void {
    const bytes = parts.reduce((sum, { length }) => sum + length, 0);
    const answer = this.hold(response, client, bytes);
    if (answer !== undefined) this.#write(response, answer, parts.flatMap(piecesOf));
  }

  /** Counts an answer of so many bytes that somebody else ends at once, and whose making is over. Undefined when its
   * connection is gone: nothing is kept for it then, and nothing would say when to give it back. */
  hold(response: ServerResponse, client: string, bytes: number): HeldAnswer | undefined {
    const { socket } = response.req;
    if (socket.destroyed) return undefined;
    entryOf(response)?.made(0);
    const connection = this.#connectionOf(socket);
    const answer = { connection, client, bytes };
    if (connection.answers.size === 0) this.#took(connection);
    connection.answers.add(answer);
    this.#count(answer, bytes);
    response.once('finish', () => {
      if (connection.answers.has(answer)) this.#took(connection);
      this.#release(answer);
    });
    response.once('close', () => {
      this.#release(answer);
    });
    return answer;
  }

  #write(response: ServerResponse, answer: HeldAnswer, pieces: readonly Uint8Array[], at = 0): void {
    const piece = pieces[at];
    if (piece === undefined || at === pieces.length - 1) {
      response.end(piece);
      return;
    }
    response.write(piece, (error) => {
      if (error instanceof Error) return;
      this.#took(answer.connection);
      accountOf(answer.connection.socket)?.took();
      this.#write(response, answer, pieces, at + 1);
    });
  }

  #took(connection: Connection): void {
    connection.tookAt = this.#clock();
    this.#holders.delete(connection);
    this.#holders.add(connection);
  }

  #release(answer: HeldAnswer): void {
    const { connection } = answer;
    if (!connection.answers.delete(answer)) return;
    if (connection.answers.size === 0) this.#holders.delete(connection);
    this.#count(answer, -answer.bytes);
  }

  #count({ client }: HeldAnswer, bytes: number): void {
    this.#total += bytes;
    this.#clients.add(client, bytes);
  }

  #connectionOf(socket: Socket): Connection {
    const known = this.#connections.get(socket);
    if (known !== undefined) return known;
    const connection: Connection = { socket, answers: new Set(), tookAt: 0 };
    this.#connections.set(socket, connection);
    socket.once('close', () => {
      this.#releaseAll(connection);
    });
    return connection;
  }

  #releaseAll({ answers }: Connection): void {
    for (const answer of answers) this.#release(answer);
  }

  /** Which connection makes way for `bytes` more of `client` when memory is full. */
  #loserTo(client: string, bytes: number, now: number): Connection | undefined {
    const [first] = this.#holders;
    if (first !== undefined && this.#isStalled(first, now)) return first;
    const [heaviest, held] = this.#heaviest();
    if (heaviest === client || held <= this.#clients.of(client) + bytes) return undefined;
    return this.#firstOf(heaviest);
  }

  #heaviest(): readonly [client: string, bytes: number] {
    let heaviest: readonly [string, number] = ['', 0];
    for (const entry of this.#clients) if (entry[1] > heaviest[1]) heaviest = entry;
    return heaviest;
  }

  /** The connection with an answer of `client` that has taken nothing for longest. */
  #firstOf(client: string): Connection | undefined {
    for (const connection of this.#holders)
      for (const answer of connection.answers) if (answer.client === client) return connection;
    return undefined;
  }

  #isStalled({ tookAt }: Connection, now: number): boolean {
    return now - tookAt >= this.#limits.stallMs;
  }

  /** Closes a connection, and with it gives back all that waits there. */
  #drop(connection: Connection): void {
    this.#releaseAll(connection);
    connection.socket.destroy();
  }
}

function piecesOf(bytes: Uint8Array): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += PIECE) pieces.push(bytes.subarray(at, at + PIECE));
  return pieces;
}
