/**
 * Bytes of answers that are made but not sent: a client that does not read leaves them in memory.
 *
 * Answers go out in pieces, so that it shows whether a connection takes anything. When memory is short, a connection that
 * holds an answer and takes nothing is closed first, and then one of the client that holds most: a reader that reads is
 * served beside any number that do not.
 */
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** How much may be held. */
export interface UnsentLimits {
  /** Bytes of all clients together. */
  readonly total: number;
  /** Bytes of one client. */
  readonly perClient: number;
  /** Bytes of small answers on one connection; they count for no client. */
  readonly smallPerConnection: number;
  /** Milliseconds after which a connection that takes nothing may be closed for the sake of others. */
  readonly stallMs: number;
}

/** Bytes handed to a connection at once. It is given more when it has taken these. */
const PIECE = 64 * 1024;

/** An answer that is not sent yet. */
export interface HeldAnswer {
  readonly socket: Socket;
  readonly client: string;
  readonly bytes: number;
  /** Milliseconds of the clock, when its connection last took something of it. */
  tookAt: number;
}

/** What waits on one connection. An answer behind another one never learns that the connection closed; this does. */
interface Connection {
  readonly answers: Set<HeldAnswer>;
  small: number;
}

/** Sends answers and knows what is held of them. */
export class UnsentAnswers {
  readonly #limits: UnsentLimits;
  readonly #clock: () => number;
  /** The one whose connection has taken nothing for longest is the first: a Set keeps the order of adding. */
  readonly #held = new Set<HeldAnswer>();
  readonly #clients = new Map<string, number>();
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
    while (this.#heldBy(client) > 0 && this.#heldBy(client) + bytes > perClient) {
      const stalled = this.#first((answer) => answer.client === client);
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

  /** Counts an answer of so many bytes that somebody else ends at once. Undefined when its connection is gone: nothing is
   * kept for it then, and nothing would say when to give it back. */
  hold(response: ServerResponse, client: string, bytes: number): HeldAnswer | undefined {
    const { socket } = response.req;
    if (socket.destroyed) return undefined;
    const answer = { socket, client, bytes, tookAt: this.#clock() };
    this.#held.add(answer);
    this.#connectionOf(socket).answers.add(answer);
    this.#count(answer, bytes);
    const release = (): void => {
      this.#release(answer);
    };
    response.once('finish', release);
    response.once('close', release);
    return answer;
  }

  /** Ends `response` with a small body, whatever room there is. A connection that leaves too many of them unread is
   * closed. */
  sendSmall(response: ServerResponse, body: Uint8Array): void {
    const { socket } = response.req;
    const connection = this.#connectionOf(socket);
    connection.small += body.length;
    response.once('finish', () => (connection.small -= body.length));
    if (connection.small > this.#limits.smallPerConnection) socket.destroy();
    else response.end(body);
  }

  #write(response: ServerResponse, answer: HeldAnswer, pieces: readonly Uint8Array[], at = 0): void {
    const piece = pieces[at];
    if (piece === undefined || at === pieces.length - 1) {
      response.end(piece);
      return;
    }
    response.write(piece, (error) => {
      if (error instanceof Error) return;
      this.#took(answer);
      this.#write(response, answer, pieces, at + 1);
    });
  }

  #took(answer: HeldAnswer): void {
    if (!this.#held.delete(answer)) return;
    answer.tookAt = this.#clock();
    this.#held.add(answer);
  }

  #release(answer: HeldAnswer): void {
    if (!this.#held.delete(answer)) return;
    this.#connections.get(answer.socket)?.answers.delete(answer);
    this.#count(answer, -answer.bytes);
  }

  #count({ client }: HeldAnswer, bytes: number): void {
    this.#total += bytes;
    const held = this.#heldBy(client) + bytes;
    if (held > 0) this.#clients.set(client, held);
    else this.#clients.delete(client);
  }

  #heldBy(client: string): number {
    return this.#clients.get(client) ?? 0;
  }

  #connectionOf(socket: Socket): Connection {
    const known = this.#connections.get(socket);
    if (known !== undefined) return known;
    const connection: Connection = { answers: new Set(), small: 0 };
    this.#connections.set(socket, connection);
    socket.once('close', () => {
      for (const answer of connection.answers) this.#release(answer);
    });
    return connection;
  }

  /** Which answer makes way for `bytes` more of `client` when memory is full. */
  #loserTo(client: string, bytes: number, now: number): HeldAnswer | undefined {
    const [first] = this.#held;
    if (first !== undefined && this.#isStalled(first, now)) return first;
    const [heaviest, held] = this.#heaviest();
    if (heaviest === client || held <= this.#heldBy(client) + bytes) return undefined;
    return this.#first((answer) => answer.client === heaviest);
  }

  #heaviest(): readonly [client: string, bytes: number] {
    let heaviest: readonly [string, number] = ['', 0];
    for (const entry of this.#clients) if (entry[1] > heaviest[1]) heaviest = entry;
    return heaviest;
  }

  #first(matches: (answer: HeldAnswer) => boolean): HeldAnswer | undefined {
    for (const answer of this.#held) if (matches(answer)) return answer;
    return undefined;
  }

  #isStalled({ tookAt }: HeldAnswer, now: number): boolean {
    return now - tookAt >= this.#limits.stallMs;
  }

  /** Closes the connection of an answer, and with it gives back all that waits there. */
  #drop({ socket }: HeldAnswer): void {
    for (const answer of this.#connectionOf(socket).answers) this.#release(answer);
    socket.destroy();
  }
}

function piecesOf(bytes: Uint8Array): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += PIECE) pieces.push(bytes.subarray(at, at + PIECE));
  return pieces;
}
