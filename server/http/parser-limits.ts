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
import { KeptHeads } from './kept-heads.ts';
import { MAX_HEAD } from './request-limits.ts';

/** Headers that the parser delivers in one call; a request with fewer is delivered without such a call. */
const HEADERS_PER_CALL = 32;

/** Headers of one request, trailers included. A request that came through several proxies has some forty. */
export const MAX_HEADERS = 6 * HEADERS_PER_CALL;

/** Bytes that a parser may keep of heads and still be used for another connection. The runtime has up to a thousand waiting. */
const MAX_KEPT = 4096;

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

/** Bytes that the parser holds of heads and trailers: of those that are not complete, and what it keeps of others. They may
 * include up to 64 KiB that were read together with an incomplete one and belong to earlier requests. At most
 * {@link MAX_HELD_HEADS}; undefined where the parser does not report it. */
export const heldHeads = (socket: Socket): number | undefined =>
  connections.get(socket)?.heldHeads ?? reporters.get(socket)?.();

/** Of one connection: one that is not complete, one that was just delivered, and what the parser kept before. */
export const MAX_HELD_HEADS = 3 * MAX_HEAD;

/** Has another parser report the bytes that it holds of a head that is not complete. */
export function reportHeldHeads(socket: Socket, report: () => number): void {
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
  /** Takes its connection off the list that is looked through for slow requests. */
  readonly remove?: () => void;
  /** Ends its reading of the connection. */
  readonly unconsume?: () => void;
  /** Frees its memory. It must not run meanwhile, nor be used afterwards. */
  readonly close?: () => void;
  /** Called for each head. Returns 0 to go on, 2 to stop parsing behind this message. */
  onIncoming?: ((request: IncomingMessage, keepAlive: boolean) => number) | null;
  /** Callbacks, by numbers that the parser's class names. One that is not a function is skipped at no cost. */
  [callback: number]: unknown;
}

type WithParser = Socket & { parser?: Parser | null };
/** With `upgrade`, the runtime takes the parser back behind the request. */
type WithUpgrade = IncomingMessage & { upgrade?: boolean };
type CallbackName = 'kOnMessageBegin' | 'kOnHeaders' | 'kOnBody';
type Callback = (this: Parser, ...args: unknown[]) => unknown;

const STOP = 2;
const connections = new WeakMap<Socket, Connection>();

/** Parsers whose headers are counted. The runtime uses a parser for one connection after the other. */
const countingParsers = new WeakSet<Parser>();
const keptHeads = new WeakMap<Parser, KeptHeads>();

class Connection {
  #headerCalls = 0;
  /** Bytes read at the last event of the parser, and before the read in which that was. */
  #read = 0;
  #readBefore = 0;
  #isHeadPending = false;
  #reportsBegins = false;
  /** A request of which the body comes in chunks, until it is complete and answered. */
  #inChunks: IncomingMessage | undefined;
  readonly #socket: Socket;
  readonly #parser: Parser | undefined;
  readonly #kept: KeptHeads;

  constructor(socket: Socket) {
    this.#socket = socket;
    const { parser } = socket as WithParser;
    this.#kept = parser ? keptBy(parser) : new KeptHeads();
    if (parser === undefined || parser === null) return;
    this.#parser = parser;
    this.#countRequests(parser);
    countHeaders(parser);
    this.#reportsBegins = reportBegins(parser);
    if (!this.#reportsBegins) return;
    // Before the runtime takes the parser back.
    socket.prependOnceListener('close', () => {
      if (!this.#ownsParser) return;
      this.#kept.noteAbandoned(this.#incomplete);
      if (this.#kept.bytes > MAX_KEPT) freeParser(socket, parser);
    });
  }

  /** Whether the runtime has not taken the parser back. It may belong to another connection then. */
  get #ownsParser(): boolean {
    return this.#parser !== undefined && (this.#socket as WithParser).parser === this.#parser;
  }

  get heldHeads(): number | undefined {
    if (this.#parser !== undefined && !this.#ownsParser) return 0;
    return this.#reportsBegins ? this.#incomplete + this.#kept.bytes : undefined;
  }

  /** Bytes of a head that is not complete, or of a body in chunks, behind which trailers may come. */
  get #incomplete(): number {
    const isOpen = this.#isHeadPending || this.#inChunks?.complete === false;
    return isOpen ? Math.min(this.#socket.bytesRead - this.#readBefore, MAX_HEAD) : 0;
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
  countHeaderCall(rawHeaders: readonly string[]): void {
    this.#kept.noteHeaders(rawHeaders);
    if (++this.#headerCalls * HEADERS_PER_CALL < MAX_HEADERS) return;
    if (accountOf(this.#socket)?.unanswered === 0) this.#socket.write(TOO_MANY_HEADERS);
    this.#socket.destroySoon();
    this.stopParser();
  }

  /** Takes the expensive callbacks away from the parser until this connection is closed. */
  stopParser(): void {
    const parser = this.#parser;
    if (parser === undefined || !this.#ownsParser) return;
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

  #noteChunks(request: IncomingMessage): void {
    if (request.headers['transfer-encoding'] === undefined) return;
    this.#inChunks = request;
    request.once('close', () => {
      if (this.#inChunks === request) this.#inChunks = undefined;
    });
  }

  takeNoMore(): void {
    if (this.#parser !== undefined && this.#ownsParser) this.#parser.onIncoming = stopAt;
  }

  #countRequests(parser: Parser): void {
    const deliver = parser.onIncoming;
    if (typeof deliver !== 'function') return;
    parser.onIncoming = (request, keepAlive) => {
      this.#headerCalls = 0;
      this.#kept.note(request.url ?? '', request.rawHeaders, this.#read === this.#socket.bytesRead);
      this.noteHead(false);
      this.#noteChunks(request);
      const isFull = this.#kept.bytes > MAX_HEAD;
      if (isFull) this.takeNoMore();
      const isTunnel = request.method === 'CONNECT';
      if (!isTunnel && (accountOf(this.#socket)?.unanswered ?? 0) < MAX_UNANSWERED)
        return deliver(request, keepAlive && !isFull);
      abortConnection(this.#socket);
      return stopAt(request);
    };
  }
}

/** Parses nothing behind this request, and keeps the parser with its connection until that is closed. The runtime would take it back at
 * once from one that asks for a tunnel or for another protocol, and give it to the next with whatever it keeps. */
function stopAt(request: IncomingMessage): number {
  (request as WithUpgrade).upgrade = false;
  return STOP;
}

function keptBy(parser: Parser): KeptHeads {
  const known = keptHeads.get(parser) ?? new KeptHeads();
  keptHeads.set(parser, known);
  return known;
}

/** Frees the parser of a closed connection, as the runtime does with those for which its list has no room. */
function freeParser(socket: Socket, parser: Parser): void {
  if ([parser.remove, parser.unconsume, parser.close].some((call) => typeof call !== 'function')) return;
  (socket as WithParser).parser = null;
  parser.unconsume?.();
  parser.remove?.();
  setImmediate(() => parser.close?.());
}

function countHeaders(parser: Parser): void {
  if (countingParsers.has(parser)) return;
  countingParsers.add(parser);
  const [number, own] = callbackOf(parser, 'kOnHeaders') ?? [];
  if (number === undefined || own === undefined) return;
  parser[number] = function (this: Parser, ...args: unknown[]): unknown {
    const { socket } = this;
    const [rawHeaders] = args as [readonly string[]];
    if (socket !== undefined && socket !== null) connections.get(socket)?.countHeaderCall(rawHeaders);
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
