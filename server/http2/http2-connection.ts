/** One connection that speaks HTTP/2: its session behind the meter, its requests, and how it ends. */
import {
  constants,
  performServerHandshake,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Socket } from 'node:net';
import { LRUCache } from 'lru-cache';
import { clientNetwork, type ClientAddress } from '../http/client-address.ts';
import { accountOf, headBytes, RequestAccount, type ConnectionAccount } from '../http/connection-account.ts';
import { reportHeldHeads } from '../http/parser-limits.ts';
import { REQUEST_TIMEOUT, SILENCE_TIMEOUT } from '../http/request-limits.ts';
import { ClientShare } from './client-share.ts';
import { FrameMeter, type FloodReason } from './frame-meter.ts';
import { contain, Http2Request, type RequestConnection } from './http2-request.ts';
import { MeteredSocket } from './metered-socket.ts';
import { MAX_STREAMS, OPTIONS, PROXIED_OPTIONS } from './session-options.ts';

/** Bytes that the runtime needs for a stream beside what a request over HTTP/1 needs. */
const STREAM_OBJECTS = 4096;

/** Clients of one proxy that are distinguished; who was not seen for longest is forgotten. */
const MAX_SHARES = 1024;

/** Milliseconds in which a client may notice that its connection ends: until then it may begin requests. */
const NOTICE = 1_000;

/** Milliseconds in which a client that is cut off may read why. */
const LINGER = 1_000;

/** Of a notice that the connection ends (RFC 9113 §6.8): no stream is refused yet. */
const ANY_STREAM = 2 ** 31 - 1;

/** Takes each request whose head came. */
export type OnRequest = (request: Http2Request) => void;
/** Takes what the work for a request threw, which is a fault of the service. */
export type OnFault = (error: unknown) => void;

/** Distinguishes clients that share the connection of a proxy. */
export interface ProxiedClients {
  readonly isProxy: (socket: Socket) => boolean;
  readonly clientAddress: ClientAddress;
  /** Called with the address of a peer that says whose requests it passes on, and is not trusted to: all of them are of one client. May be called with each. */
  readonly onUntrustedProxy?: ((address: string) => void) | undefined;
}

/** One connection. */
export class Http2Connection implements RequestConnection {
  readonly socket: Socket;
  readonly onFault: OnFault;
  readonly #meter: FrameMeter;
  readonly #metered: MeteredSocket;
  readonly #session: ServerHttp2Session;
  readonly #account: ConnectionAccount | undefined;
  readonly #requests = new Set<Http2Request>();
  /** By the network of a client; undefined where all are of one client. */
  readonly #shares: LRUCache<string, ClientShare> | undefined;
  readonly #clientAddress: ClientAddress | undefined;
  readonly #onUntrustedProxy: ProxiedClients['onUntrustedProxy'];
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
    this.#onUntrustedProxy = clients?.onUntrustedProxy;
    this.#shares = isProxied ? new LRUCache({ max: MAX_SHARES }) : undefined;
    this.#meter = new FrameMeter(undefined, isProxied);
    this.socket = socket;
    this.onFault = onFault;
    this.#account = accountOf(socket);
    this.#metered = new MeteredSocket(socket, this.#meter, (reason) => {
      this.#cutOff(reason);
    });
    reportHeldHeads(socket, () => this.#meter.headBytes);
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
    if (this.#shares === undefined) {
      if (headers['x-forwarded-for'] !== undefined) this.#onUntrustedProxy?.(this.socket.remoteAddress ?? '');
      return undefined;
    }
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
