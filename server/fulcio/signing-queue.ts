/**
 * Where signing requests of every protocol wait until they begin, and how they are answered.
 *
 * Before its token is verified, a request holds memory alone. Requests of one connection take turns. One has low priority when
 * its body is larger than an honest one, when it came before the one ahead of it was answered, or when the last one of its
 * connection was refused; its body may be dropped until its turn comes. Refusals for want of memory have low priority too:
 * otherwise clients that come back at once would get all the time there is.
 */
import type { Caller, CertainFacts } from '../../ca/decision.ts';
import type { SigningRequest } from '../../ca/signing-request.ts';
import type { AcceptCount } from '../http/accept-priority.ts';
import { Batcher } from '../http/batcher.ts';
import { BodyMemory, SMALL_BODY } from '../http/body-memory.ts';
import { ConnectionTurns } from '../http/connection-turns.ts';
import { LargeBodyQueue } from '../http/large-body-queue.ts';
import { tooBusy, type Body, type BodyLimits } from '../http/request-body.ts';
import { TransportError } from '../http/transport-error.ts';
import type { SigningAnswer, SigningCalls } from './signing-calls.ts';

/** Bytes of request bodies that may be held at once. */
const BODY_MEMORY = 32 * 1024 * 1024;

/** A signing request whose body came, and the one way in which it is answered. */
export interface ReceivedRequest {
  /** What it came on; the same object for every request of a connection, or of a client where a proxy has several on one connection. */
  readonly connection: object;
  readonly caller: Caller;
  /** Whether the protocol lets requests of one connection be answered in any order. */
  readonly isMultiplexed: boolean;
  /** Whether nobody is left to answer. */
  isGone(): boolean;
  /** Reads the body. Throws TransportError. */
  decode(body: Buffer): SigningRequest;
  /** Sends the answer in this turn of the event loop. Never throws. */
  send(answer: SigningAnswer): void;
}

/** The signing requests of a service, whatever they came by: they share memory and batches. */
export class SigningQueue {
  readonly bodies: BodyLimits;
  readonly #calls: SigningCalls;
  /** Requests whose body is complete. */
  readonly #batcher: Batcher;
  readonly #turns = new ConnectionTurns();
  /** Connections whose last request was refused before its token was verified. */
  readonly #distrusted = new WeakSet();
  /** Multiplexed connections on which a token was verified last. */
  readonly #trusted = new WeakSet();

  /** `accepted` returns the number of connections accepted so far. One of `sharers` queues that share the memory of bodies. */
  constructor(calls: SigningCalls, accepted: AcceptCount, sharers = 1) {
    this.#calls = calls;
    this.bodies = { memory: new BodyMemory(BODY_MEMORY / sharers), queue: new LargeBodyQueue(accepted) };
    this.#batcher = new Batcher(accepted);
  }

  /** Whether a request of the connection has its turn, so that another one should not be read first. */
  isCrowded(connection: object): boolean {
    return this.#turns.isTaken(connection);
  }

  /** Answers one request exactly once, or never when its client is gone; never throws. */
  take(request: ReceivedRequest, body: Body | TransportError): void {
    if (!(body instanceof TransportError)) this.#join(request, body);
    else if (body.code === 'TOO_BUSY') {
      this.#batcher.join(() => {
        this.#refuseBusy(request);
      }, 'low');
    } else this.#refuse(request, body);
  }

  /** Lets a request whose body is complete begin when those before it on its connection are answered. Who has shown a good token
   * on a connection that can carry several answers at once does not wait for them: limits by name hold from there on. */
  #join(request: ReceivedRequest, body: Body): void {
    const { connection } = request;
    const isParallel = request.isMultiplexed && this.#trusted.has(connection);
    const isCrowded = !isParallel && this.#turns.isTaken(connection);
    const isLow = body.size > SMALL_BODY || isCrowded || this.#distrusted.has(connection);
    // What is next to be worked on is not dropped for others.
    const kept = isLow ? undefined : body.take();
    const begin = (): void => void this.#begin(request, body, kept, isParallel);
    const join = (): void => {
      this.#batcher.join(begin, isLow ? 'low' : 'normal');
    };
    if (isParallel) join();
    else this.#turns.begin(connection, join);
  }

  async #begin(
    request: ReceivedRequest,
    body: Body,
    kept: Buffer | undefined,
    isParallel: boolean,
  ): Promise<void> {
    try {
      const bytes = kept ?? body.take();
      if (request.isGone()) body.release();
      else if (bytes === undefined) this.#refuseBusy(request);
      else {
        const outcome = await this.#calls.sign(decode(request, body, bytes), request.caller);
        const answer = this.#calls.release(outcome);
        this.#noteTrust(request, answer.decision);
        request.send(answer);
      }
    } catch (error) {
      // To be late is no fault, and often one of ours: trust would be lost when the load is highest.
      if (!(error instanceof TransportError && error.code === 'DEADLINE_EXCEEDED'))
        this.#distrust(request.connection);
      this.#refuse(request, error);
    } finally {
      if (!isParallel) this.#turns.end(request.connection);
    }
  }

  /** With a verified token the client is known, whatever it was refused for then. */
  #noteTrust({ connection, isMultiplexed }: ReceivedRequest, { issuer, principal }: CertainFacts): void {
    if (principal !== undefined) {
      this.#distrusted.delete(connection);
      if (isMultiplexed) this.#trusted.add(connection);
    } else if (issuer === undefined) this.#distrust(connection);
  }

  #distrust(connection: object): void {
    this.#distrusted.add(connection);
    this.#trusted.delete(connection);
  }

  /** Refuses a request whose body was dropped. */
  #refuseBusy(request: ReceivedRequest): void {
    this.#distrust(request.connection);
    this.#refuse(request, tooBusy());
  }

  #refuse(request: ReceivedRequest, error: unknown): void {
    request.send(this.#calls.refuse(request.caller, error));
  }
}

/** Decodes the body and frees it. Throws TransportError. */
function decode(request: ReceivedRequest, body: Body, bytes: Buffer): SigningRequest {
  try {
    return request.decode(bytes);
  } finally {
    body.release();
  }
}
