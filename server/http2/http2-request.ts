/** One request over HTTP/2, from when its head came until its stream ends. */
import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import type { RequestAccount } from '../http/connection-account.ts';
import type { Pausable } from '../http/large-body-queue.ts';
import { REQUEST_TIMEOUT, SILENCE_TIMEOUT } from '../http/request-limits.ts';
import { ClientShare } from './client-share.ts';

/** The connection of a request, as the request sees it. */
export interface RequestConnection extends Pausable {
  readonly socket: Socket;
  /** Called with what the work for a request threw, which is a fault of the service. */
  readonly onFault: (error: unknown) => void;
  /** A certificate was issued on it. */
  markProven(): void;
}

/** A request over HTTP/2 whose head came. */
export class Http2Request {
  readonly stream: ServerHttp2Stream;
  readonly headers: IncomingHttpHeaders;
  readonly connection: RequestConnection;
  /** Whose turn and trust it is, where requests take turns: the connection, or the client's share of it. */
  readonly client: object;
  readonly #account: RequestAccount | undefined;
  #expiresAt = performance.now() + REQUEST_TIMEOUT;
  #onExpired: () => void;

  constructor(
    connection: RequestConnection,
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

/** Catches what the listeners of a stream throw. The runtime calls them from its parser, where nothing else would, and one request would
 * end the process. */
export function contain(request: Http2Request): void {
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
