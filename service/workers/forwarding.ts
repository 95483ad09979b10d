/**
 * Requests that the main thread answers, as the thread sees them that has the client's connection: it reads the body, within
 * bounds of its own, and sends what the main thread makes, piece by piece as the client takes it.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { AcceptCount } from '../../server/http/accept-priority.ts';
import { BodyMemory } from '../../server/http/body-memory.ts';
import { accountOf, requestAccountOf, workUntilEnded } from '../../server/http/connection-account.ts';
import { LargeBodyQueue } from '../../server/http/large-body-queue.ts';
import { readBody, tooBusy, type Body, type BodyLimits } from '../../server/http/request-body.ts';
import { TransportError } from '../../server/http/transport-error.ts';
import type { AnswerPart, WorkerReport } from './messages.ts';
import { SentErrors } from './sent-error.ts';
import { ownBytes } from './turn-channel.ts';

/** Bytes of bodies that are held at once, of all threads, until they are answered. Each thread has its part, and never less than
 * it needs for the longest body: that counts for the half that large ones have. */
const BODY_MEMORY = 64 * 1024 * 1024;

/** Bytes up to which an answer is in the account of its connection. What is larger, the main thread counts until it is sent. */
const SMALL = 16 * 1024;

/** Methods whose bodies are read. */
const WITH_BODY: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH']);

interface ForwardingOptions {
  readonly report: (message: WorkerReport) => void;
  readonly accepted: AcceptCount;
  readonly sharers: number;
  readonly longestBody: number;
}

/** A connection that the main thread knows. */
interface ClientConnection {
  readonly number: number;
  readonly socket: Socket;
  /** Its requests in {@link Waiting}. A response behind another one never learns that the connection closed; this does. */
  readonly requests: Set<number>;
}

/** A request that is not answered. */
interface Waiting {
  readonly response: ServerResponse;
  readonly connection: ClientConnection;
  readonly body: Body | undefined;
  /** Whether the main thread wants to know when the answer was sent, or nobody is left to get it. */
  isFollowed: boolean;
}

/** The forwarded requests of one thread. */
export class Forwarding {
  readonly #report: ForwardingOptions['report'];
  readonly #bodies: BodyLimits;
  readonly #errors = new SentErrors();
  readonly #waiting = new Map<number, Waiting>();
  readonly #connections = new Map<number, ClientConnection>();
  readonly #known = new WeakMap<Socket, ClientConnection>();
  #lastRequest = 0;
  #lastConnection = 0;

  constructor({ report, accepted, sharers, longestBody }: ForwardingOptions) {
    this.#report = report;
    this.#bodies = {
      memory: new BodyMemory(Math.max(BODY_MEMORY / sharers, 2 * longestBody)),
      queue: new LargeBodyQueue(accepted),
      longest: longestBody,
    };
  }

  /** Has the main thread answer a request, which asked for `url`. */
  forward(request: IncomingMessage, response: ServerResponse, url: string): void {
    if (!WITH_BODY.has(request.method ?? '')) {
      this.#send(request, response, url, undefined);
      return;
    }
    readBody(request, this.#bodies, (body) => {
      // The client went away: nobody is left to answer.
      if (body !== undefined) this.#send(request, response, url, body);
    });
  }

  /** Passes a part of an answer on to the client. */
  pass(part: AnswerPart): void {
    const waiting = this.#waiting.get(part.id);
    if (waiting === undefined) return;
    const { response, body } = waiting;
    // The main thread has read it; when the answer is taken is up to the client.
    body?.release();
    switch (part.type) {
      case 'head':
        // Pieces follow, as its client takes them: from here on it is waited for, and not the service.
        requestAccountOf(response)?.made(0);
        response.writeHead(part.status, this.#headersOf(response, part.headers));
        break;
      case 'piece':
        response.write(part.bytes, (error) => {
          if (error instanceof Error) return;
          accountOf(response.req.socket)?.noteRead();
          this.#report({ type: 'written', id: part.id });
        });
        break;
      case 'last':
        waiting.isFollowed = part.isFollowed;
        if (part.head !== undefined)
          response.writeHead(part.head.status, this.#headersOf(response, part.head.headers));
        if ((part.bytes?.length ?? 0) > SMALL) requestAccountOf(response)?.made(0);
        response.end(part.bytes);
    }
  }

  /** Closes a connection: the main thread needs what it holds. */
  disconnect(connection: number): void {
    this.#connections.get(connection)?.socket.destroy();
  }

  #send(
    request: IncomingMessage,
    response: ServerResponse,
    url: string,
    body: Body | TransportError | undefined,
  ): void {
    const { socket, method = '', headers } = request;
    if (socket.destroyed) {
      if (body !== undefined && !(body instanceof TransportError)) body.release();
      return;
    }
    workUntilEnded(response);
    const id = ++this.#lastRequest;
    const held = body instanceof TransportError ? undefined : body;
    const bytes = held?.take();
    const connection = this.#connectionOf(socket);
    connection.requests.add(id);
    this.#waiting.set(id, { response, connection, body: held, isFollowed: true });
    response.once('close', () => {
      this.#done(id);
    });
    this.#report({
      type: 'request',
      id,
      connection: connection.number,
      remoteAddress: socket.remoteAddress,
      remotePort: socket.remotePort,
      method,
      url,
      headers,
      body: bytes && ownBytes(bytes),
      fault: this.#faultOf(body, bytes),
    });
  }

  #faultOf(body: Body | TransportError | undefined, bytes: Buffer | undefined) {
    if (body instanceof TransportError) return this.#errors.sent(body);
    return body !== undefined && bytes === undefined ? this.#errors.sent(tooBusy()) : undefined;
  }

  #done(id: number): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    const { response, connection, body, isFollowed } = waiting;
    this.#waiting.delete(id);
    connection.requests.delete(id);
    body?.release();
    if (isFollowed) this.#report({ type: 'done', id, isSent: response.writableFinished });
  }

  #connectionOf(socket: Socket): ClientConnection {
    const known = this.#known.get(socket);
    if (known !== undefined) return known;
    const number = ++this.#lastConnection;
    const connection = { number, socket, requests: new Set<number>() };
    this.#known.set(socket, connection);
    this.#connections.set(number, connection);
    socket.once('close', () => {
      for (const id of [...connection.requests]) this.#done(id);
      this.#connections.delete(number);
      this.#report({ type: 'disconnected', connection: number });
    });
    return connection;
  }

  /** The main thread does not see the other requests of the connection, whose answers would be lost. */
  #headersOf(response: ServerResponse, headers: readonly string[]): string[] {
    const others = (accountOf(response.req.socket)?.unanswered ?? 1) - 1;
    if (others === 0) return [...headers];
    const kept: string[] = [];
    for (let i = 0; i + 1 < headers.length; i += 2) {
      const [name = '', value = ''] = headers.slice(i, i + 2);
      if (name.toLowerCase() !== 'connection') kept.push(name, value);
    }
    return kept;
  }
}
