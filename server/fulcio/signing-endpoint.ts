/**
 * The signing call over HTTP: bodies in, answers out. It runs straight under the HTTP server.
 *
 * Before its token is verified, a request holds memory alone. Requests of one connection take turns. One has low priority when
 * its body is larger than an honest one, when it came before the one ahead of it was answered, or when the last one of its
 * connection was refused; its body may be dropped until its turn comes. Refusals for want of memory have low priority too:
 * otherwise clients that come back at once would get all the time there is.
 */
import type { Socket } from 'node:net';
import type { Caller, CertainFacts } from '../../ca/decision.ts';
import type { SigningRequest } from '../../ca/signing-request.ts';
import type { AcceptCount } from '../http/accept-priority.ts';
import { Batcher } from '../http/batcher.ts';
import { BodyMemory, SMALL_BODY } from '../http/body-memory.ts';
import type { ClientAddress } from '../http/client-address.ts';
import { ConnectionTurns } from '../http/connection-turns.ts';
import type { Exchange } from '../http/exchange.ts';
import { HttpCaller } from '../http/http-caller.ts';
import { LargeBodyQueue } from '../http/large-body-queue.ts';
import { readBody, tooBusy, type Body, type BodyLimits } from '../http/request-body.ts';
import { TransportError } from '../http/transport-error.ts';
import { problemReply } from '../reasons/problem.ts';
import type { SigningAnswer, SigningCalls } from './signing-calls.ts';
import type { SigningVersion } from './signing-versions.ts';

/** Bytes of request bodies that may be held at once. */
const BODY_MEMORY = 32 * 1024 * 1024;

/** What an endpoint works with. */
interface SigningEndpointOptions {
  readonly calls: SigningCalls;
  readonly versions: readonly SigningVersion[];
  readonly clientAddress: ClientAddress;
  /** Returns the number of connections accepted so far. */
  readonly accepted: AcceptCount;
}

/** Answers the signing requests of one listener. */
export class SigningEndpoint {
  readonly #calls: SigningCalls;
  readonly #versions: ReadonlyMap<string, SigningVersion>;
  readonly #clientAddress: ClientAddress;
  readonly #bodies: BodyLimits;
  /** Requests whose body is complete. */
  readonly #batcher: Batcher;
  readonly #turns = new ConnectionTurns();
  /** Connections whose last request was refused before its token was verified. */
  readonly #distrusted = new WeakSet<Socket>();

  constructor({ calls, versions, clientAddress, accepted }: SigningEndpointOptions) {
    this.#calls = calls;
    this.#versions = new Map(versions.map((version) => [version.path, version]));
    this.#clientAddress = clientAddress;
    this.#bodies = { memory: new BodyMemory(BODY_MEMORY), queue: new LargeBodyQueue(accepted) };
    this.#batcher = new Batcher(accepted);
  }

  /** The version that is served at a path. */
  versionAt(path: string): SigningVersion | undefined {
    return this.#versions.get(path);
  }

  /** Answers one request, a POST, exactly once; never throws. */
  answer(exchange: Exchange, version: SigningVersion): void {
    const { socket } = exchange.request;
    const done = (body: Body | TransportError | undefined): void => {
      // The client went away: nobody is left to answer.
      if (body === undefined) return;
      exchange.complete();
      if (!(body instanceof TransportError)) this.#join(exchange, version, body);
      else if (body.code === 'TOO_BUSY') {
        this.#batcher.join(() => {
          this.#refuseBusy(exchange);
        }, 'low');
      } else this.#refuse(exchange, body);
    };
    readBody(exchange.request, this.#bodies, done, () => this.#turns.isTaken(socket));
  }

  /** Lets a request whose body is complete begin when those before it on its connection are answered. */
  #join(exchange: Exchange, version: SigningVersion, body: Body): void {
    const { socket } = exchange.request;
    const isLow = body.size > SMALL_BODY || this.#turns.isTaken(socket) || this.#distrusted.has(socket);
    // What is next to be worked on is not dropped for others.
    const kept = isLow ? undefined : body.take();
    const begin = (): void => void this.#begin(exchange, version, body, kept);
    this.#turns.begin(socket, () => {
      this.#batcher.join(begin, isLow ? 'low' : 'normal');
    });
  }

  async #begin(
    exchange: Exchange,
    version: SigningVersion,
    body: Body,
    kept: Buffer | undefined,
  ): Promise<void> {
    const { socket } = exchange.request;
    try {
      const bytes = kept ?? body.take();
      if (socket.destroyed) body.release();
      else if (bytes === undefined) this.#refuseBusy(exchange);
      else {
        const request = decode(exchange, version, body, bytes);
        const outcome = await this.#calls.sign(request, this.#callerOf(exchange));
        this.#send(exchange, version, this.#calls.release(outcome));
      }
    } catch (error) {
      this.#distrusted.add(socket);
      this.#refuse(exchange, error);
    } finally {
      this.#turns.end(socket);
    }
  }

  #send(exchange: Exchange, version: SigningVersion, { decision, problem }: SigningAnswer): void {
    this.#noteTrust(exchange.request.socket, decision);
    if (problem === undefined) {
      exchange.markProven();
      exchange.send(version.reply(decision.certificate));
    } else exchange.send(problemReply(problem));
  }

  /** With a verified token the client is known, whatever it was refused for then. */
  #noteTrust(socket: Socket, { issuer, principal }: CertainFacts): void {
    if (principal !== undefined) this.#distrusted.delete(socket);
    else if (issuer === undefined) this.#distrusted.add(socket);
  }

  /** Refuses a request whose body was dropped. */
  #refuseBusy(exchange: Exchange): void {
    this.#distrusted.add(exchange.request.socket);
    this.#refuse(exchange, tooBusy());
  }

  #refuse(exchange: Exchange, error: unknown): void {
    const { problem } = this.#calls.refuse(this.#callerOf(exchange), error);
    exchange.send(problemReply(problem));
  }

  #callerOf(exchange: Exchange): Caller {
    return new HttpCaller(exchange, this.#clientAddress);
  }
}

/** Decodes the body and frees it. Throws TransportError. */
function decode(exchange: Exchange, version: SigningVersion, body: Body, bytes: Buffer): SigningRequest {
  try {
    return version.decode(bytes, exchange.request.headers.authorization);
  } finally {
    body.release();
  }
}
