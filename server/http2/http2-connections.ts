/**
 * Connections that speak HTTP/2, with their limits. They are in the same accounts as those of HTTP/1, so that one guard closes
 * the idle ones and one drain ends them all.
 */
import {
  constants,
  performServerHandshake,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type ServerOptions,
  type Settings,
} from 'node:http2';
import type { Socket } from 'node:net';
import { LRUCache } from 'lru-cache';
import { clientNetwork, type ClientAddress } from '../http/client-address.ts';
import type { Pausable } from '../http/large-body-queue.ts';
import { ClientShare } from './client-share.ts';
import { accountOf, headBytes, RequestAccount, type ConnectionAccount } from '../http/connection-account.ts';
import { reportIncompleteHead } from '../http/parser-limits.ts';
import { FrameMeter, LIMITS, type FloodReason } from './frame-meter.ts';
import { MeteredSocket } from './metered-socket.ts';

/** Requests of one connection under way, and those whose answer is not read, as over HTTP/1; and of one on which a certificate was issued. A
 * client queues what is beyond. */
export const MAX_STREAMS = { unproven: 8, proven: 32, proxied: 128 } as const;

/** Bytes of the headers of one request, when they are uncompressed, with 32 for each (RFC 9113 §6.5.2): a token of 32 KiB may be among
 * them. */
const MAX_HEADER_BYTES = 48 * 1024;

/** Headers of one request. A call has ten, and some more behind proxies. */
const MAX_HEADERS = 64;

/** Bytes that the runtime needs for a stream beside what a request over HTTP/1 needs. */
const STREAM_OBJECTS = 4096;

const SETTINGS: Settings = {
  maxConcurrentStreams: MAX_STREAMS.unproven,
  maxHeaderListSize: MAX_HEADER_BYTES,
  enablePush: false,
};

const OPTIONS: ServerOptions = {
  settings: SETTINGS,
  maxHeaderListPairs: MAX_HEADERS,
  // In megabytes, what one session may hold of heads and answers that are not sent.
  maxSessionMemory: 4,
  maxSessionInvalidFrames: 32,
  maxSessionRejectedStreams: 32,
  // Beneath the meter, for what a client has the runtime reset.
  streamResetBurst: 100,
  streamResetRate: 10,
};

/** For the connection of a trusted proxy: what one client has refused or takes back says nothing about the others. */
const PROXIED_OPTIONS: ServerOptions = {
  ...OPTIONS,
  settings: { ...SETTINGS, maxConcurrentStreams: MAX_STREAMS.proxied },
  maxSessionMemory: 16,
  maxSessionRejectedStreams: 1_000_000,
  streamResetBurst: LIMITS.proxied.capacity,
  streamResetRate: LIMITS.proxied.perSecond,
};

/** Clients of one proxy that are distinguished; who was not seen for longest is forgotten. */
const MAX_SHARES = 1024;

/** Connections of a service that speak HTTP/2, of all its listeners. A session holds some 50 KB beside its TLS. */
const MAX_SESSIONS = 1024;

/** Milliseconds that a client may take for a request, its body included, and for the preface of a connection. */
export const REQUEST_TIMEOUT = 10_000;

/** Milliseconds that a client may take nothing of its answers. */
const SILENCE_TIMEOUT = 60_000;

/** Milliseconds between two looks at the connections. */
const CHECK_INTERVAL = 1_000;

/** Milliseconds in which a client may notice that its connection ends: until then it may begin requests. */
const NOTICE = 1_000;

/** Milliseconds in which a client that is cut off may read why. */
const LINGER = 1_000;

/** Of a notice that the connection ends (RFC 9113 §6.8): no stream is refused yet. */
const ANY_STREAM = 2 ** 31 - 1;

/** A request over HTTP/2 whose head came. */
export class Http2Request {
  readonly stream: ServerHttp2Stream;
  readonly headers: IncomingHttpHeaders;
  readonly connection: Http2Connection;
  /** Whose turn and trust it is, where requests take turns: the connection, or the client's share of it. */
  readonly client: object;
  readonly #account: RequestAccount | undefined;
  #expiresAt = performance.now() + REQUEST_TIMEOUT;
  #onExpired: () => void;

  constructor(
    connection: Http2Connection,
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    account: RequestAccount | undefined,
    client: object = connection,
  ) {
    this.connection = connection;
    this.stream = stream;
    this.headers = headers;
    this.client = client;
    this.#account = account;
    this.#onExpired = this.#takeBack;
  }

  readonly #takeBack = (): void => {
    this.stream.close(constants.NGHTTP2_CANCEL);
  };

  /** Calls back once if the request is not complete at a time of `performance.now()`, in place of taking it back after ten seconds. */
  expectBy(time: number, onExpired: () => void): void {
    this.#expiresAt = time;
    this.#onExpired = onExpired;
  }

  /** Ends the wait for what is to come if its time is over. */
  check(now: number): void {
    if (now < this.#expiresAt) return;
    this.#expiresAt = Infinity;
    this.attempt(this.#onExpired);
  }

  /** Does a piece of work for the request. When it throws, that is reported and the stream ends, and nothing else. */
  attempt(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.connection.onFault(error);
      this.stream.destroy(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** What is paused when its body has to wait: the whole connection, or its stream alone where others share the connection. */
  get reading(): Pausable {
    return this.client === this.connection ? this.connection : this.stream;
  }

  /** A certificate was issued for it. */
  markProven(): void {
    this.connection.markProven();
    if (this.client instanceof ClientShare) this.client.prove();
  }

  /** Whether nobody is left to answer. */
  get isGone(): boolean {
    return this.stream.destroyed || this.stream.closed;
  }

  /** All that belongs to the request came, and the service works for it. */
  complete(): void {
    this.#expiresAt = Infinity;
    this.#account?.complete();
  }

  /** Its answer is made, of so many bytes; it is taken back if its client has not read it after a minute, whatever else it reads. */
  made(bytes: number): void {
    this.expectBy(performance.now() + SILENCE_TIMEOUT, this.#takeBack);
    this.#account?.made(bytes);
  }

  /** The stream ended. */
  close(): void {
    this.#expiresAt = Infinity;
    this.#account?.close();
  }
}

type OnRequest = (request: Http2Request) => void;
type OnFault = (error: unknown) => void;

/** Distinguishes clients that share the connection of a proxy. */
export interface ProxiedClients {
  readonly isProxy: (socket: Socket) => boolean;
  readonly clientAddress: ClientAddress;
}

/** One connection. */
export class Http2Connection {
  readonly socket: Socket;
  /** Called with what the work for a request threw, which is a fault of the service. */
  readonly onFault: OnFault;
  readonly #meter: FrameMeter;
  readonly #metered: MeteredSocket;
  readonly #session: ServerHttp2Session;
  readonly #account: ConnectionAccount | undefined;
  readonly #requests = new Set<Http2Request>();
  /** By the network of a client; undefined where all are of one client. */
  readonly #shares: LRUCache<string, ClientShare> | undefined;
  readonly #clientAddress: ClientAddress | undefined;
  /** When it last had a request, and when its client last took something. */
  #idleSince = performance.now();
  #written = 0;
  #isEnding = false;
  #writtenAt = performance.now();

  constructor(
    socket: Socket,
    onRequest: OnRequest,
    onFault: OnFault = () => undefined,
    clients?: ProxiedClients,
  ) {
    const isProxied = clients?.isProxy(socket) === true;
    this.#clientAddress = clients?.clientAddress;
    this.#shares = isProxied ? new LRUCache({ max: MAX_SHARES }) : undefined;
    this.#meter = new FrameMeter(undefined, isProxied);
    this.socket = socket;
    this.onFault = onFault;
    this.#account = accountOf(socket);
    this.#metered = new MeteredSocket(socket, this.#meter, (reason) => {
      this.#cutOff(reason);
    });
    reportIncompleteHead(socket, () => this.#meter.headBytes);
    this.#metered.on('error', () => undefined);
    this.#session = performServerHandshake(this.#metered, isProxied ? PROXIED_OPTIONS : OPTIONS);
    // The connection is gone then, and with it everything that would wait for it.
    this.#session.on('error', () => undefined);
    this.#session.on('stream', (stream, headers, _flags, rawHeaders) => {
      const request = this.#open(stream, headers, rawHeaders);
      const reason = this.#meter.head(rawHeaders.length / 2);
      if (reason !== undefined) this.#metered.cutOff(reason);
      // The client may have taken it back in the same segment: the runtime reports a head only after it has parsed all that came with it.
      if (request.isGone) return;
      request.attempt(() => {
        onRequest(request);
      });
    });
  }

  /** Delays the reading of what comes on it. */
  pause(): void {
    this.#metered.hold();
  }

  /** Ends the delay. */
  resume(): void {
    this.#metered.go();
  }

  /** A certificate was issued on it. */
  markProven(): void {
    if (this.#account === undefined || this.#account.isProven) return;
    this.#account.isProven = true;
    this.#meter.prove();
    if (!this.#session.destroyed && this.#shares === undefined)
      this.#session.settings({ maxConcurrentStreams: MAX_STREAMS.proven });
  }

  /** Whether an answer is being made. */
  get isWorking(): boolean {
    return (this.#account?.requests.making ?? 0) > 0;
  }

  /** Whether a certificate was issued on it. */
  get isProven(): boolean {
    return this.#account?.isProven === true;
  }

  /** Announces the end to the client, and closes when what is under way is answered. */
  end(): void {
    const session = this.#session;
    const close = (): void => {
      if (!session.closed && !session.destroyed) session.close();
    };
    if (this.#isEnding || session.closed || session.destroyed) return;
    this.#isEnding = true;
    session.goaway(constants.NGHTTP2_NO_ERROR, ANY_STREAM);
    // Its answer to a ping comes behind all that it sent before it knew.
    session.ping(close);
    setTimeout(close, NOTICE).unref();
  }

  /** Ends what takes too long. */
  check(now: number, idleMs: number): void {
    const { headSince, isBegun } = this.#meter;
    if (headSince !== undefined && now - headSince >= REQUEST_TIMEOUT) this.socket.destroy();
    if (this.#requests.size > 0) {
      if (this.isWorking || this.socket.bytesWritten !== this.#written) {
        this.#written = this.socket.bytesWritten;
        this.#writtenAt = now;
      } else if (now - this.#writtenAt >= SILENCE_TIMEOUT) this.socket.destroy();
      // Last, because to take back writes something too.
      for (const request of this.#requests) request.check(now);
      return;
    }
    this.#writtenAt = now;
    if (now - this.#idleSince >= (isBegun ? idleMs : REQUEST_TIMEOUT)) {
      if (isBegun) this.end();
      else this.socket.destroy();
    }
  }

  #open(
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    rawHeaders: readonly string[],
  ): Http2Request {
    const bytes = STREAM_OBJECTS + headBytes(rawHeaders);
    const account = this.#account && new RequestAccount(this.#account, bytes);
    const share = this.#shareOf(headers);
    const request = new Http2Request(this, stream, headers, account, share);
    this.#requests.add(request);
    contain(request);
    stream.on('error', () => undefined);
    stream.once('close', () => {
      request.close();
      this.#requests.delete(request);
      this.#idleSince = performance.now();
      // One that was taken back costs what it cost.
      const isAnswered = stream.headersSent && stream.rstCode === constants.NGHTTP2_NO_ERROR;
      if (isAnswered) this.#meter.answered();
      if (isBegun) share?.end(isAnswered);
    });
    const isBegun = share?.begin(rawHeaders.length / 2) !== false;
    // Not begun, so that it may be tried again.
    if (!isBegun) stream.close(constants.NGHTTP2_REFUSED_STREAM);
    return request;
  }

  /** The share of the client of a request; undefined where the connection has one client. */
  #shareOf(headers: IncomingHttpHeaders): ClientShare | undefined {
    if (this.#shares === undefined) return undefined;
    const network = clientNetwork(this.#clientAddress?.({ socket: this.socket, headers }) ?? '');
    const known = this.#shares.get(network);
    if (known !== undefined) return known;
    const share = new ClientShare();
    this.#shares.set(network, share);
    return share;
  }

  #cutOff(reason: FloodReason): void {
    if (reason === 'preface') {
      this.socket.destroy();
      return;
    }
    // gRPC's clients ping less often from then on when they read these words.
    const words = reason === 'pings' ? 'too_many_pings' : `too many ${reason}`;
    if (!this.#session.destroyed) {
      this.#session.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM, 0, Buffer.from(words));
      this.#session.destroy(new Error(words), constants.NGHTTP2_ENHANCE_YOUR_CALM);
    }
    const timer = setTimeout(() => this.socket.destroy(), LINGER);
    this.socket.once('close', () => {
      clearTimeout(timer);
    });
  }
}

/** Catches what the listeners of a stream throw. The runtime calls them from its parser, where nothing else would, and one request would
 * end the process. */
function contain(request: Http2Request): void {
  const { stream } = request;
  const emit = stream.emit.bind(stream) as (...args: unknown[]) => boolean;
  stream.emit = (...args: unknown[]): boolean => {
    let isHeard = true;
    request.attempt(() => {
      isHeard = emit(...args);
    });
    return isHeard;
  };
}

/** The connections of a service that speak HTTP/2, of whatever listener. */
export class Http2Connections {
  readonly #open = new Set<Http2Connection>();
  readonly #idleMs: number;
  readonly #onRequest: OnRequest;
  readonly #onFault: OnFault | undefined;
  readonly #clients: ProxiedClients | undefined;
  readonly #maxSessions: number;
  #checks: NodeJS.Timeout | undefined;

  /** `onRequest` is called for each head, and `onFault` with what it or a listener of a stream throws; an idle connection is kept for
   * `idleMs` milliseconds. */
  constructor(
    idleMs: number,
    onRequest: OnRequest,
    maxSessions = MAX_SESSIONS,
    onFault?: OnFault,
    clients?: ProxiedClients,
  ) {
    this.#maxSessions = maxSessions;
    this.#onFault = onFault;
    this.#clients = clients;
    this.#idleMs = idleMs;
    this.#onRequest = onRequest;
  }

  /** Open connections. */
  get size(): number {
    return this.#open.size;
  }

  /** Speaks HTTP/2 on a connection, which has its account already. */
  readonly serve = (socket: Socket): void => {
    if (socket.destroyed) return;
    this.#attempt(socket, () => {
      this.#add(socket);
    });
  };

  #add(socket: Socket): void {
    // First, so that what is over the limit costs nothing.
    if (this.#open.size >= this.#maxSessions) {
      const closed = this.#toClose();
      if (closed === undefined) {
        socket.destroy();
        return;
      }
      closed.socket.destroy();
      this.#open.delete(closed);
    }
    const connection = new Http2Connection(socket, this.#onRequest, this.#onFault, this.#clients);
    this.#open.add(connection);
    this.#checks ??= setInterval(this.#check, CHECK_INTERVAL).unref();
    socket.once('close', () => {
      this.#open.delete(connection);
      if (this.#open.size > 0) return;
      clearInterval(this.#checks);
      this.#checks = undefined;
    });
  }

  /** Announces the end to every client. */
  end(): void {
    for (const connection of this.#open) connection.end();
  }

  /** The oldest for which no answer is being made, of those without a certificate if there are any. */
  #toClose(): Http2Connection | undefined {
    let proven: Http2Connection | undefined;
    for (const one of this.#open) {
      if (one.isWorking) continue;
      if (!one.isProven) return one;
      proven ??= one;
    }
    return proven;
  }

  /** Does a piece of work for one connection, which alone ends when it throws. */
  #attempt(socket: Socket, work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#onFault?.(error);
      socket.destroy();
    }
  }

  readonly #check = (): void => {
    const now = performance.now();
    for (const connection of this.#open)
      this.#attempt(connection.socket, () => {
        connection.check(now, this.#idleMs);
      });
  };
}
