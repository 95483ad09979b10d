/**
 * The hot route: a signing request in, a certificate or a problem out. It runs straight under the HTTP server, and
 * what is the same in every answer of a CA is prepared once.
 *
 * An untrusted client can send any number of requests. So a request takes one of the places of `max-in-flight` only when
 * its token is verified. Before that it holds memory alone. Requests of one connection take turns. One has low priority when
 * its body is larger than an honest one, when it came before the one ahead of it was answered, or when the last one of its
 * connection was refused; its body may be dropped until its turn comes. Refusals for want of memory have low priority too:
 * otherwise clients that come back at once would get all the time there is.
 */
import type { Socket } from 'node:net';
import type { DecisionTrace } from '../../ca/decision-trace.ts';
import type { Issue, Issued, RequestPlace } from '../../ca/issuance.ts';
import type { SigningRequest } from '../../ca/signing-request.ts';
import type { ConcurrencyLimit } from '../http/concurrency-limit.ts';
import { SMALL_BODY } from '../http/body-memory.ts';
import type { ConnectionTurns } from '../http/connection-turns.ts';
import type { DecisionRecords } from './decision-records.ts';
import type { Exchange, Reply } from '../http/exchange.ts';
import { problemOf } from '../reasons/problem.ts';
import { readBody, tooBusy, type Body, type BodyLimits } from '../http/request-body.ts';
import { TransportError } from '../http/transport-error.ts';
import type { Batcher } from '../http/batcher.ts';

/** What both versions of the route work with. */
export interface SigningParts {
  readonly issue: Issue;
  /** Requests whose token is verified and whose answer is not sent, but for those in `keyChecks`. */
  readonly signing: ConcurrencyLimit;
  /** Requests whose key is looked at, or will be. */
  readonly keyChecks: ConcurrencyLimit;
  readonly bodies: BodyLimits;
  /** Requests whose body is complete. */
  readonly wave: Batcher;
  readonly turns: ConnectionTurns;
  /** Connections whose last request was refused before its token was verified. */
  readonly distrusted: WeakSet<Socket>;
  readonly records: DecisionRecords;
}

/** What differs between v1 and v2. */
export interface SigningVersion {
  readonly decode: (body: Buffer, authorization: string | undefined) => SigningRequest;
  readonly reply: (issued: Issued) => Reply;
}

const busy = (): TransportError =>
  new TransportError('TOO_BUSY', 'the server works on as many requests as it can', {
    hint: 'Try again in a second.',
  });

/** The handler of one signing route. It answers every exchange exactly once and never throws. */
export function createSigningEndpoint(
  parts: SigningParts,
  version: SigningVersion,
): (exchange: Exchange) => void {
  const { bodies, wave, turns } = parts;
  return (exchange) => {
    const { socket } = exchange.request;
    const done = (body: Body | TransportError | undefined): void => {
      // The client went away: nobody is left to answer.
      if (body === undefined) return;
      exchange.complete();
      if (!(body instanceof TransportError)) {
        join(parts, version, exchange, body);
      } else if (body.code === 'TOO_BUSY') {
        wave.join(() => {
          refuseBusy(parts, exchange);
        }, 'low');
      } else refuse(parts, exchange, body);
    };
    readBody(exchange.request, bodies, done, () => turns.isTaken(socket));
  };
}

/** Lets a request whose body is complete begin when those before it on its connection are answered. */
function join(parts: SigningParts, version: SigningVersion, exchange: Exchange, body: Body): void {
  const { wave, turns, distrusted } = parts;
  const { socket } = exchange.request;
  const isLow = body.size > SMALL_BODY || turns.isTaken(socket) || distrusted.has(socket);
  // What is next to be worked on is not dropped for others.
  const kept = isLow ? undefined : body.take();
  const begin = async (): Promise<void> => {
    const bytes = kept ?? body.take();
    if (socket.destroyed) body.release();
    else if (bytes !== undefined) await sign(parts, version, exchange, { bytes, release: body.release });
    else refuseBusy(parts, exchange);
  };
  const end = (): void => {
    turns.end(socket);
  };
  turns.begin(socket, () => {
    wave.join(() => void begin().finally(end), isLow ? 'low' : 'normal');
  });
}

/** A body that is not dropped any more. */
interface KeptBody {
  readonly bytes: Buffer;
  readonly release: () => void;
}

async function sign(
  parts: SigningParts,
  version: SigningVersion,
  exchange: Exchange,
  body: KeptBody,
): Promise<void> {
  const { distrusted, records } = parts;
  const { headers, socket } = exchange.request;
  const trace: DecisionTrace = {};
  const place = new Place(parts, () => {
    distrusted.delete(socket);
  });
  try {
    const issued = await parts.issue(decode(version, body, headers.authorization), trace, place);
    const record = { exchange, issued, trace };
    // Asked in the very turn in which the certificate leaves: a rule that was loaded is a promise.
    issued.confirm();
    const recorded = records.releasing(record);
    if (recorded !== undefined) {
      await recorded;
      issued.confirm();
    }
    exchange.markProven();
    exchange.send(version.reply(issued));
    records.issued(record);
  } catch (error) {
    // With a verified token the client is known, whatever it was refused for then.
    if (trace.issuer === undefined) distrusted.add(socket);
    refuse(parts, exchange, error, trace);
  } finally {
    place.leave();
  }
}

/** At most one place: of those that sign, or of those whose key is looked at. */
class Place implements RequestPlace {
  readonly #signing: ConcurrencyLimit;
  readonly #keyChecks: ConcurrencyLimit;
  readonly #onVerified: () => void;
  #held: ConcurrencyLimit | undefined;

  constructor({ signing, keyChecks }: SigningParts, onVerified: () => void) {
    this.#signing = signing;
    this.#keyChecks = keyChecks;
    this.#onVerified = onVerified;
  }

  admit(): void {
    this.#onVerified();
    this.#enter(this.#signing);
  }

  toKeyCheck(): void {
    this.leave();
    this.#enter(this.#keyChecks);
  }

  /** Refuses nobody: the token may be used up by now, and those who come back are few. */
  fromKeyCheck(): void {
    this.leave();
    this.#signing.enterAgain();
    this.#held = this.#signing;
  }

  leave(): void {
    this.#held?.leave();
    this.#held = undefined;
  }

  #enter(admission: ConcurrencyLimit): void {
    if (!admission.enter()) throw busy();
    this.#held = admission;
  }
}

/** Decodes the body and frees it. */
function decode(
  version: SigningVersion,
  { bytes, release }: KeptBody,
  authorization: string | undefined,
): SigningRequest {
  try {
    return version.decode(bytes, authorization);
  } finally {
    release();
  }
}

/** Refuses a request whose body was dropped. */
function refuseBusy(parts: SigningParts, exchange: Exchange): void {
  parts.distrusted.add(exchange.request.socket);
  refuse(parts, exchange, tooBusy());
}

/** Answers with the problem that `error` is, and keeps it. */
function refuse(
  { records }: SigningParts,
  exchange: Exchange,
  error: unknown,
  trace: DecisionTrace = {},
): void {
  const problem = problemOf(error, exchange.requestId);
  exchange.send(problem.reply);
  records.refused({ exchange, trace, error, problem });
}
