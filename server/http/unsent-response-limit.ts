/**
 * A limit on the bytes of large answers that are made but not sent. They stay in memory while a client does not read. Small
 * answers are in the account of their connection.
 *
 * Answers are written in pieces, which shows whether the client of a connection reads. When the limit is reached, connections
 * are closed whose client reads nothing, and after them those of the client that holds most. So a client that reads is served
 * beside any number of clients that do not.
 */
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Tally } from '../../core/tally.ts';
import { accountOf, requestAccountOf } from './connection-account.ts';

/** How much may be held. */
export interface UnsentLimits {
  /** Bytes of all clients together. */
  readonly total: number;
  /** Bytes of one client. */
  readonly perClient: number;
  /** Milliseconds after which a connection whose client reads nothing may be closed for others. */
  readonly stallMs: number;
}

const MIB = 1024 * 1024;

const DEFAULT_LIMITS: UnsentLimits = { total: 64 * MIB, perClient: 16 * MIB, stallMs: 1_000 };

/** Bytes written to a connection at once. More are written when these have been sent. */
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
  /** Milliseconds of the clock, when its client last read something of any answer, or when it got an answer while it held
   * none. */
  readAt: number;
}

/** Sends answers and knows what is held of them. */
export class UnsentResponseLimit {
  readonly #limits: UnsentLimits;
  readonly #clock: () => number;
  /** Those that hold answers. The one whose client has read nothing for longest is the first: a Set keeps the order of
   * adding. */
  readonly #holders = new Set<Connection>();
  readonly #clients = new Tally<string>();
  readonly #connections = new WeakMap<Socket, Connection>();
  #total = 0;

  /** `clock` counts milliseconds and never goes back. */
  constructor(limits = DEFAULT_LIMITS, clock: () => number = () => performance.now()) {
    this.#limits = limits;
    this.#clock = clock;
  }

  /** Bytes that are held. */
  get total(): number {
    return this.#total;
  }

  /** Whether `bytes` of an answer to `client` are within the limits, if need be after closing connections whose client reads
   * nothing. If not, the answer must not be sent. */
  ensureFree(client: string, bytes: number): boolean {
    const now = this.#clock();
    const { total, perClient } = this.#limits;
    // A single answer is never too large: a tile of the longest certificates has to be readable, too.
    while (this.#clients.of(client) > 0 && this.#clients.of(client) + bytes > perClient) {
      const stalled = this.#longestWaitingOf(client);
      if (stalled === undefined || !this.#isStalled(stalled, now)) return false;
      this.#close(stalled);
    }
    while (this.#total > 0 && this.#total + bytes > total) {
      const other = this.#toCloseFor(client, bytes, now);
      if (other === undefined) return false;
      this.#close(other);
    }
    return true;
  }

  /** Ends `response`, whose head is written, with the body in `chunks`. It counts for `client` until it is sent or its
   * connection is gone. */
  send(response: ServerResponse, client: string, chunks: readonly Uint8Array[]): void {
    const bytes = chunks.reduce((sum, { length }) => sum + length, 0);
    const answer = this.#hold(response, client, bytes);
    if (answer !== undefined) this.#write(response, answer, chunks.flatMap(piecesOf));
  }

  /** Counts an answer to `client` of so many bytes that the caller ends at once, until it is sent. Returns false when it is
   * not within the limits: then it must not be sent. */
  reserve(response: ServerResponse, client: string, bytes: number): boolean {
    if (!this.ensureFree(client, bytes)) return false;
    this.#hold(response, client, bytes);
    return true;
  }

  /** Undefined when the connection is gone: then nothing is held, and no event would release it. */
  #hold(response: ServerResponse, client: string, bytes: number): HeldAnswer | undefined {
    const { socket } = response.req;
    if (socket.destroyed) return undefined;
    requestAccountOf(response)?.made(0);
    const connection = this.#connectionOf(socket);
    const answer = { connection, client, bytes };
    if (connection.answers.size === 0) this.#noteRead(connection);
    connection.answers.add(answer);
    this.#count(answer, bytes);
    response.once('finish', () => {
      if (connection.answers.has(answer)) this.#noteRead(connection);
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
      this.#noteRead(answer.connection);
      accountOf(answer.connection.socket)?.noteRead();
      this.#write(response, answer, pieces, at + 1);
    });
  }

  #noteRead(connection: Connection): void {
    connection.readAt = this.#clock();
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
    const connection: Connection = { socket, answers: new Set(), readAt: 0 };
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
  #toCloseFor(client: string, bytes: number, now: number): Connection | undefined {
    const [first] = this.#holders;
    if (first !== undefined && this.#isStalled(first, now)) return first;
    const [heaviest, held] = this.#heaviest();
    if (heaviest === client || held <= this.#clients.of(client) + bytes) return undefined;
    return this.#longestWaitingOf(heaviest);
  }

  #heaviest(): readonly [client: string, bytes: number] {
    let heaviest: readonly [string, number] = ['', 0];
    for (const held of this.#clients) if (held[1] > heaviest[1]) heaviest = held;
    return heaviest;
  }

  /** Of the connections with an answer to `client`, the one on which nothing was read for longest. */
  #longestWaitingOf(client: string): Connection | undefined {
    for (const connection of this.#holders)
      for (const answer of connection.answers) if (answer.client === client) return connection;
    return undefined;
  }

  #isStalled({ readAt }: Connection, now: number): boolean {
    return now - readAt >= this.#limits.stallMs;
  }

  /** Closes a connection, which releases all answers that it holds. */
  #close(connection: Connection): void {
    this.#releaseAll(connection);
    connection.socket.destroy();
  }
}

function piecesOf(bytes: Uint8Array): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += PIECE) pieces.push(bytes.subarray(at, at + PIECE));
  return pieces;
}
