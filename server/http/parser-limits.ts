/**
 * Limits on what one connection may make the runtime's HTTP parser do.
 *
 * The parser works through all that was read at once, up to 64 KiB, before anything else happens. That can be thousands of
 * requests, headers or chunks, each of which costs objects and calls, and responses stay in memory until the client reads
 * them. No client of this service needs more than a handful. A connection that sends more is closed, and the rest of what
 * was read is discarded.
 */
import type { IncomingMessage, Server } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import type { Socket } from 'node:net';
import { accountOf, MAX_UNANSWERED } from './connection-account.ts';

/** Headers that the parser delivers in one call; a request with fewer is delivered without such a call. */
const HEADERS_PER_CALL = 32;

/** Headers of one request, trailers included. A request that came through several proxies has some forty. */
export const MAX_HEADERS = 6 * HEADERS_PER_CALL;

/** Kept by no cache: what a client sends besides must not become the answer at a path. */
const TOO_MANY_HEADERS =
  'HTTP/1.1 431 Request Header Fields Too Large\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n';

/** Limits every connection of `server`, which keeps accounts, also for requests that the runtime answers by itself without
 * an event. */
export function limitParser(server: Server | TlsServer): void {
  server.on('setSecureContext' in server ? 'secureConnection' : 'connection', (socket: Socket) => {
    connections.set(socket, new Connection(socket));
  });
}

/** Closes a connection and discards what was read from it and is not parsed yet. */
function abortConnection(socket: Socket): void {
  socket.destroy();
  connections.get(socket)?.stopParser();
}

/** Bytes that the parser holds of a head that is not complete. They may include up to 64 KiB that were read together with
 * it and belong to earlier requests. Undefined where the parser does not report it. */
export const incompleteHead = (socket: Socket): number | undefined =>
  connections.get(socket)?.incompleteHead ?? reporters.get(socket)?.();

/** Has another parser report the bytes that it holds of a head that is not complete. */
export function reportIncompleteHead(socket: Socket, report: () => number): void {
  reporters.set(socket, report);
}

const reporters = new WeakMap<Socket, () => number>();

/** Takes no further request from a connection; the one that is being received goes on. */
export function takeNoMore(socket: Socket): void {
  connections.get(socket)?.takeNoMore();
}

/** Milliseconds for which a closing connection is still read. */
const LINGER = 1_000;

/** Parses nothing more of a connection, calls `answer`, and closes the connection when what it wrote is sent. What the client
 * still sends is read and discarded for a second: closing at once would take the answer from it. */
export function closeAnswered(socket: Socket, answer: () => void): void {
  connections.get(socket)?.stopParser();
  answer();
  socket.end();
  const timer = setTimeout(() => {
    socket.destroy();
  }, LINGER);
  socket.once('close', () => {
    clearTimeout(timer);
  });
}

/** The runtime's parser of a connection. It is not part of the documented interface; Node 22, 24 and 26 have it so. Where
 * it differs, only the count of responses limits a connection. */
interface Parser {
  readonly socket?: Socket | null;
  /** Called for each head. Returns 0 to go on, 2 to stop parsing behind this message. */
  onIncoming?: ((request: IncomingMessage, keepAlive: boolean) => number) | null;
  /** Callbacks, by numbers that the parser's class names. One that is not a function is skipped at no cost. */
  [callback: number]: unknown;
}

type CallbackName = 'kOnMessageBegin' | 'kOnHeaders' | 'kOnBody';
type Callback = (this: Parser, ...args: unknown[]) => unknown;

const STOP = 2;
const connections = new WeakMap<Socket, Connection>();

/** Parsers whose headers are counted. The runtime uses a parser for one connection after the other. */
const countingParsers = new WeakSet<Parser>();

class Connection {
  #headerCalls = 0;
  /** Bytes read at the last event of the parser, and before the read in which that was. */
  #read = 0;
  #readBefore = 0;
  #isHeadPending = false;
  #reportsBegins = false;
  readonly #socket: Socket;
  readonly #parser: Parser | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    const { parser } = socket as Socket & { readonly parser?: Parser | null };
    if (parser === undefined || parser === null) return;
    this.#parser = parser;
    this.#countRequests(parser);
    countHeaders(parser);
    this.#reportsBegins = reportBegins(parser);
  }

  get incompleteHead(): number | undefined {
    if (!this.#reportsBegins) return undefined;
    return this.#isHeadPending ? this.#socket.bytesRead - this.#readBefore : 0;
  }

  /** The parser found the first byte of a head, or the end of one. Everything that was read at once is parsed at once, so
   * that a head may begin anywhere in what came since the last event. */
  noteHead(isPending: boolean): void {
    const { bytesRead } = this.#socket;
    if (bytesRead !== this.#read) this.#readBefore = this.#read;
    this.#read = bytesRead;
    this.#isHeadPending = isPending;
  }

  /** The parser delivered {@link HEADERS_PER_CALL} headers of a longer head. */
  countHeaderCall(): void {
    if (++this.#headerCalls * HEADERS_PER_CALL < MAX_HEADERS) return;
    if (accountOf(this.#socket)?.unanswered === 0) this.#socket.write(TOO_MANY_HEADERS);
    this.#socket.destroySoon();
    this.stopParser();
  }

  /** Takes the expensive callbacks away from the parser until this connection is closed. */
  stopParser(): void {
    const parser = this.#parser;
    if (parser === undefined) return;
    this.takeNoMore();
    for (const name of ['kOnHeaders', 'kOnBody'] as const) {
      const [number, own] = callbackOf(parser, name) ?? [];
      if (number === undefined) continue;
      parser[number] = undefined;
      this.#socket.once('close', () => {
        parser[number] = own;
      });
    }
  }

  takeNoMore(): void {
    if (this.#parser !== undefined) this.#parser.onIncoming = () => STOP;
  }

  #countRequests(parser: Parser): void {
    const deliver = parser.onIncoming;
    if (typeof deliver !== 'function') return;
    parser.onIncoming = (request, keepAlive) => {
      this.#headerCalls = 0;
      this.noteHead(false);
      if ((accountOf(this.#socket)?.unanswered ?? 0) < MAX_UNANSWERED) return deliver(request, keepAlive);
      abortConnection(this.#socket);
      return STOP;
    };
  }
}

function countHeaders(parser: Parser): void {
  if (countingParsers.has(parser)) return;
  countingParsers.add(parser);
  const [number, own] = callbackOf(parser, 'kOnHeaders') ?? [];
  if (number === undefined || own === undefined) return;
  parser[number] = function (this: Parser, ...args: unknown[]): unknown {
    const { socket } = this;
    if (socket !== undefined && socket !== null) connections.get(socket)?.countHeaderCall();
    return own.apply(this, args);
  };
}

/** Has the parser report where a head begins; returns whether it does. The runtime calls a function under this number if
 * there is one, has none of its own, and removes it when the connection ends. */
function reportBegins(parser: Parser): boolean {
  const number = numberOf(parser, 'kOnMessageBegin');
  if (number === undefined || typeof parser[number] === 'function') return false;
  parser[number] = noteBegin;
  return true;
}

function noteBegin(this: Parser): void {
  const { socket } = this;
  if (socket !== undefined && socket !== null) connections.get(socket)?.noteHead(true);
}

function numberOf(parser: Parser, name: CallbackName): number | undefined {
  const number = (parser.constructor as Partial<Record<CallbackName, unknown>>)[name];
  return typeof number === 'number' ? number : undefined;
}

function callbackOf(parser: Parser, name: CallbackName): readonly [number, Callback] | undefined {
  const number = numberOf(parser, name);
  const own = number === undefined ? undefined : parser[number];
  return number !== undefined && typeof own === 'function' ? [number, own as Callback] : undefined;
}
