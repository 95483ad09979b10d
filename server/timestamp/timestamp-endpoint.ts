/**
 * Timestamps over HTTP (RFC 3161 §3.4): requests in, tokens out. Nobody shows a token for one, so that all that keeps untrusted
 * clients from the certificates of others is here: a size, memory of its own, a place in a short queue, and a rate for each client.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { MayflyError } from '../../core/errors.ts';
import type { RateLimiter } from '../../policy/rate-limit.ts';
import type { Timestamp, TimestampAuthority } from '../../tsa/timestamp-authority.ts';
import { TimestampError, type TimestampReason } from '../../tsa/timestamp-error.ts';
import { parseTimestampRequest, REQUEST_LIMIT, type TimestampRequest } from '../../tsa/timestamp-request.ts';
import type { FAILURE_BITS } from '../../tsa/token-template.ts';
import { rejectedResponse } from '../../tsa/token-template.ts';
import type { AcceptCount } from '../http/accept-priority.ts';
import { BodyQueue } from '../http/body-queue.ts';
import { clientNetwork, type ClientAddress } from '../http/client-address.ts';
import { Exchange, type ExchangeContext, type Reply } from '../http/exchange.ts';
import { HttpCaller } from '../http/http-caller.ts';
import type { Body } from '../http/request-body.ts';
import { TransportError } from '../http/transport-error.ts';
import { problemOf, problemReply, type Problem } from '../reasons/problem.ts';
import { parseTimestampJson } from './timestamp-json.ts';
import type { TimestampCaller, TimestampRecords } from './timestamp-records.ts';

/** Where timestamps are asked for. @sigstore/sign up to 3.1 puts the path behind whatever URL it is configured with, which may
 * have the path already. */
const PATHS: ReadonlySet<string> = new Set([
  '/api/v1/timestamp',
  '/api/v1/timestamp/',
  '/api/v1/timestamp/api/v1/timestamp',
]);

/** Bytes of bodies that may be held at once. */
const BODY_MEMORY = 4 * 1024 * 1024;

/** Requests whose body is complete and that are not answered. */
export const MAX_TIMESTAMPS_WAITING = 512;

/** Timestamps that begin in one turn of the event loop, beside up to 32 signing requests, of which each costs several times as
 * much; and milliseconds after which no more of them begin, so that a slow key does not keep the rest of the service waiting: an RSA
 * key of 4096 bits takes up to 10 ms for a signature. */
const PER_TURN = { pieces: 16, ms: 3 };

/** What an endpoint works with. */
interface TimestampEndpointOptions {
  readonly authority: TimestampAuthority;
  readonly clientAddress: ClientAddress;
  /** By client; without it nobody is limited. */
  readonly limiter?: RateLimiter | undefined;
  readonly records: TimestampRecords;
  /** Returns the number of connections accepted so far. */
  readonly accepted: AcceptCount;
  /** Whether the service is closing. */
  readonly isClosing: () => boolean;
}

/** Answers the requests for timestamps of one listener. */
export class TimestampEndpoint {
  readonly #options: TimestampEndpointOptions;
  /** Beside the one of signing requests, so that each turn has its share of both. */
  readonly #queue: BodyQueue;
  readonly #context: ExchangeContext;

  constructor(options: TimestampEndpointOptions) {
    this.#options = options;
    // The metrics of Fulcio's API count certificates and what belongs to them.
    this.#context = { answered: () => undefined, isClosing: options.isClosing };
    this.#queue = new BodyQueue(options.accepted, {
      memory: BODY_MEMORY,
      longest: REQUEST_LIMIT,
      waiting: MAX_TIMESTAMPS_WAITING,
      perTurn: PER_TURN,
    });
  }

  /** Whether timestamps are asked for at a path. */
  isAt(path: string): boolean {
    return PATHS.has(path);
  }

  /** Answers one request, a POST, exactly once; never throws. */
  answer(request: IncomingMessage, response: ServerResponse): void {
    const exchange = new Exchange(request, response, this.#context);
    this.#queue.read(exchange, (body) => {
      if (body instanceof TransportError) this.#refuse(exchange, body);
      else if (!this.#queue.join(body, () => this.#begin(exchange, body))) this.#refuse(exchange, busy());
    });
  }

  async #begin(exchange: Exchange, body: Body): Promise<void> {
    try {
      const request = this.#read(exchange, body);
      if (exchange.request.socket.destroyed) return;
      const timestamp = await this.#options.authority.grant(request);
      exchange.send(grantedReply(timestamp));
      this.#options.records.granted(timestamp, request, this.#callerOf(exchange));
    } catch (error) {
      this.#refuse(exchange, error);
    }
  }

  /** Frees the body. Throws TimestampError or TransportError. */
  #read({ request }: Exchange, body: Body): TimestampRequest {
    try {
      this.#takeFromLimit(request);
      const bytes = body.take();
      if (bytes === undefined) throw busy();
      return decode(bytes, request.headers['content-type']);
    } finally {
      body.release();
    }
  }

  #takeFromLimit(request: IncomingMessage): void {
    const { limiter, clientAddress } = this.#options;
    const taken = limiter?.take(clientNetwork(clientAddress(request)));
    if (taken === undefined || taken.ok) return;
    throw new TimestampError('TIMESTAMP_RATE_LIMITED', 'this address asks for more timestamps than one may', {
      hint: `Try again in ${taken.retryAfterSeconds} s.`,
      metadata: { retryAfter: String(taken.retryAfterSeconds) },
    });
  }

  #refuse(exchange: Exchange, error: unknown): void {
    const problem = problemOf(error, exchange.requestId);
    exchange.send(refusedReply(problem, error, exchange.request));
    this.#options.records.refused(problem, error, this.#callerOf(exchange));
  }

  #callerOf(exchange: Exchange): TimestampCaller {
    return new HttpCaller(exchange, this.#options.clientAddress);
  }
}

const DER_QUERY = 'application/timestamp-query';
const DER_REPLY = 'application/timestamp-reply';

/** The type without its parameters. */
const mediaType = (header = ''): string =>
  header === DER_QUERY ? DER_QUERY : header.replace(/;[^]*/, '').trim().toLowerCase();

function decode(bytes: Buffer, contentType: string | undefined): TimestampRequest {
  switch (mediaType(contentType)) {
    case DER_QUERY:
      return parseTimestampRequest(bytes);
    case 'application/json':
      return parseTimestampJson(bytes);
    default:
      throw new TimestampError('TIMESTAMP_CONTENT_TYPE', 'the body is neither a timestamp query nor JSON', {
        hint: `Send Content-Type: ${DER_QUERY}.`,
      });
  }
}

/** 201 as Sigstore's authority answers: its older client takes nothing else. */
const grantedReply = ({ response }: Timestamp): Reply => ({
  status: 201,
  contentType: DER_REPLY,
  body: response,
});

/** Which of RFC 3161's failures a reason is; what is not here has none. */
const FAILURES: Readonly<Partial<Record<TimestampReason, keyof typeof FAILURE_BITS>>> = {
  TIMESTAMP_MALFORMED: 'badDataFormat',
  TIMESTAMP_UNSUPPORTED: 'badRequest',
  TIMESTAMP_ALGORITHM_REFUSED: 'badAlg',
  TIMESTAMP_DIGEST_LENGTH: 'badDataFormat',
  TIMESTAMP_POLICY_REFUSED: 'unacceptedPolicy',
  TIMESTAMP_EXTENSION_REFUSED: 'unacceptedExtension',
  TIMESTAMP_CLOCK: 'timeNotAvailable',
  TIMESTAMP_CERTIFICATE: 'systemFailure',
  TIMESTAMP_KEY: 'systemFailure',
};

/** A rejection of RFC 3161 for who asked in DER, with the status of a failure: clients that look at the status alone, and do not
 * read the answer, must not take it for a token. */
function refusedReply(problem: Problem, error: unknown, { headers }: IncomingMessage): Reply {
  const reply = problemReply(problem);
  const failure = error instanceof MayflyError ? FAILURES[error.code as TimestampReason] : undefined;
  if (failure === undefined || mediaType(headers['content-type']) !== DER_QUERY) return reply;
  const { sentence = problem.message } = problem.info.metadata;
  return { ...reply, contentType: DER_REPLY, body: rejectedResponse(sentence, failure) };
}

const busy = (): TransportError =>
  new TransportError('TOO_BUSY', 'the server works on as many timestamps as it can', {
    hint: 'Try again in a second.',
  });
