/** One request of the public listener and the single way in which it is answered. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { accountOf, requestAccountOf } from './connection-account.ts';
import { crossOriginHeaders } from './cross-origin.ts';
import { randomUUID } from 'node:crypto';

/** The ids of callers that are used. An id is repeated in a header and in the log, where no character of it may have a
 * meaning. */
const ACCEPTED_ID = /^[\w.:~+/=@-]{1,128}$/;

/** The id of a request in its answer, its log line and its error details: the caller's `X-Request-Id` if it is accepted,
 * else a new one. */
export const requestIdOf = (header: string | string[] | undefined): string =>
  typeof header === 'string' && ACCEPTED_ID.test(header) ? header : randomUUID();

/** An answer before it is bytes on a socket. */
export interface Reply {
  readonly status: number;
  /** Empty for an answer without a body. */
  readonly contentType: string;
  readonly body: string | Uint8Array;
  /** Further headers, flat: name, value, name, value, … Without `Cache-Control` among them no cache keeps the answer. */
  readonly headers?: readonly string[] | undefined;
}

/** What all exchanges of one service share. */
export interface ExchangeContext {
  /** Called with each answer, for the metrics. `seconds` is the time since the request's head was read. */
  readonly answered: (status: number, method: string, seconds: number) => void;
  /** Whether the service is closing: connections are then not kept. */
  readonly isClosing: () => boolean;
}

/**
 * `Cache-Control` for an answer that has none of its own: no cache keeps it. Without a word caches keep a 404 and many other answers (RFC 9110
 * §15.1), and then what is there a moment later stays missing for all of their clients. Of the answer to a POST none keeps anything that
 * is not marked for it (RFC 9110 §9.3.3), and Rekor's own answers have no such header there.
 */
const cacheHeaders = ({ method }: IncomingMessage, { headers }: Reply): readonly string[] =>
  method === 'POST' || headers?.includes('Cache-Control') === true ? [] : NOT_KEPT;

const NOT_KEPT = ['Cache-Control', 'no-store'] as const;

/** A request, its response and the id both are known by. */
export class Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly requestId: string;
  readonly #startedAt = performance.now();
  readonly #context: ExchangeContext;

  constructor(request: IncomingMessage, response: ServerResponse, context: ExchangeContext) {
    this.request = request;
    this.response = response;
    this.requestId = requestIdOf(request.headers['x-request-id']);
    this.#context = context;
  }

  /** Milliseconds since the request came in. */
  get ms(): number {
    return performance.now() - this.#startedAt;
  }

  /** The request is complete: its connection is no longer among those that may be closed for others. */
  complete(): void {
    requestAccountOf(this.response)?.complete();
  }

  /** The client gets a certificate: when connections have to be closed, its own is among the last. */
  markProven(): void {
    const account = accountOf(this.request.socket);
    if (account !== undefined) account.isProven = true;
  }

  /** Sends the one answer; a second call does nothing. Text goes out in one write with the head. */
  send(reply: Reply): void {
    const { response, request } = this;
    if (response.headersSent) return;
    const { body } = reply;
    const length = typeof body === 'string' ? Buffer.byteLength(body) : body.length;
    const headers = ['Content-Length', String(length)];
    if (reply.contentType !== '') headers.unshift('Content-Type', reply.contentType);
    headers.push('X-Request-Id', this.requestId, ...crossOriginHeaders(request));
    if (reply.headers !== undefined) headers.push(...reply.headers);
    headers.push(...cacheHeaders(request, reply));
    // Not while other requests of the connection wait for their answers, which would be lost.
    const others = (accountOf(request.socket)?.unanswered ?? 1) - 1;
    if (this.#context.isClosing() && others === 0) headers.push('Connection', 'close');
    response.writeHead(reply.status, headers);
    if (typeof body !== 'string') response.end(body);
    else response.end(body, length === body.length ? 'latin1' : 'utf8');
    requestAccountOf(response)?.made(length);
    this.#context.answered(reply.status, request.method ?? '', this.ms / 1000);
  }
}
