/**
 * Limits on what one connection may make the runtime's HTTP parser do.
 *
 * The parser works through all that was read at once, up to 64 KiB, before anything else happens. That can be thousands of
 * requests, headers or chunks, each of which costs objects and calls, and responses stay in memory until the client reads
 * them. No client of this service needs more than a handful. A connection that sends more is closed, and the rest of what
 * was read is discarded.
 */
import { ServerResponse, type IncomingMessage, type Server } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import type { Socket } from 'node:net';

/** Requests of one connection whose responses are not sent as a whole. */
export const MAX_UNANSWERED = 8;

/** Headers that the parser delivers in one call; a request with fewer is delivered without such a call. */
const HEADERS_PER_CALL = 32;

/** Headers of one request, trailers included. A request that came through several proxies has some forty. */
export const MAX_HEADERS = 6 * HEADERS_PER_CALL;

const TOO_MANY_HEADERS = 'HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\n\r\n';

/** A response that counts as unanswered until it is sent. For the `ServerResponse` option of a server that
 * {@link limitParser} limits. */
export class CountedResponse<
  Request extends IncomingMessage = IncomingMessage,
> extends ServerResponse<Request> {
  constructor(request: Request, options?: object) {
    // The runtime passes options on to the base class, which the type of its constructor does not mention.
    super(...([request, options] as unknown as [Request]));
    const connection = connections.get(request.socket);
    if (connection === undefined) return;
    connection.unanswered++;
    this.once('close', () => {
      connection.unanswered--;
    });
    // If the parser could not be stopped, this still keeps responses from piling up.
    if (connection.unanswered > MAX_UNANSWERED) request.socket.destroy();
  }
}

/** Limits every connection of `server`, also for requests that the runtime answers by itself without an event. */
export function limitParser(server: Server | TlsServer): void {
  server.on('setSecureContext' in server ? 'secureConnection' : 'connection', (socket: Socket) => {
    connections.set(socket, new Connection(socket));
  });
}

/** Closes a connection and discards what was read from it and is not parsed yet. */
export function abortConnection(socket: Socket): void {
  socket.destroy();
  connections.get(socket)?.stopParser();
}

/** The runtime's parser of a connection. It is not part of the documented interface; Node 22, 24 and 26 have it so. Where
 * it differs, only {@link CountedResponse} limits a connection. */
interface Parser {
  readonly socket?: Socket | null;
  /** Called for each head. Returns 0 to go on, 2 to stop parsing behind this message. */
  onIncoming?: ((request: IncomingMessage, keepAlive: boolean) => number) | null;
  /** Callbacks, by numbers that the parser's class names. One that is not a function is skipped at no cost. */
  [callback: number]: unknown;
}

type CallbackName = 'kOnHeaders' | 'kOnBody';
type Callback = (this: Parser, ...words: unknown[]) => unknown;

const STOP = 2;
const connections = new WeakMap<Socket, Connection>();

/** Parsers whose headers are counted. The runtime uses a parser for one connection after the other. */
const countingParsers = new WeakSet<Parser>();

class Connection {
  unanswered = 0;
  #headerCalls = 0;
  readonly #socket: Socket;
  readonly #parser: Parser | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    const { parser } = socket as Socket & { readonly parser?: Parser | null };
    if (parser === undefined || parser === null) return;
    this.#parser = parser;
    this.#countRequests(parser);
    countHeaders(parser);
  }

  /** The parser delivered {@link HEADERS_PER_CALL} headers of a longer head. */
  countHeaderCall(): void {
    if (++this.#headerCalls * HEADERS_PER_CALL < MAX_HEADERS) return;
    if (this.unanswered === 0) this.#socket.write(TOO_MANY_HEADERS);
    this.#socket.destroySoon();
    this.stopParser();
  }

  /** Takes the expensive callbacks away from the parser until this connection is closed. */
  stopParser(): void {
    const parser = this.#parser;
    if (parser === undefined) return;
    parser.onIncoming = () => STOP;
    for (const name of ['kOnHeaders', 'kOnBody'] as const) {
      const [number, own] = callbackOf(parser, name) ?? [];
      if (number === undefined) continue;
      parser[number] = undefined;
      this.#socket.once('close', () => {
        parser[number] = own;
      });
    }
  }

  #countRequests(parser: Parser): void {
    const deliver = parser.onIncoming;
    if (typeof deliver !== 'function') return;
    parser.onIncoming = (request, keepAlive) => {
      this.#headerCalls = 0;
      if (this.unanswered < MAX_UNANSWERED) return deliver(request, keepAlive);
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
  parser[number] = function (this: Parser, ...words: unknown[]): unknown {
    const { socket } = this;
    if (socket !== undefined && socket !== null) connections.get(socket)?.countHeaderCall();
    return own.apply(this, words);
  };
}

function callbackOf(parser: Parser, name: CallbackName): readonly [number, Callback] | undefined {
  const number = (parser.constructor as Partial<Record<CallbackName, unknown>>)[name];
  const own = typeof number === 'number' ? parser[number] : undefined;
  return typeof number === 'number' && typeof own === 'function' ? [number, own as Callback] : undefined;
}
