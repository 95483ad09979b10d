/** The signing call over HTTP: bodies in, answers out. It runs straight under the HTTP server. */
import type { Caller } from '../../ca/decision.ts';
import type { SigningRequest } from '../../ca/signing-request.ts';
import type { ClientAddress } from '../http/client-address.ts';
import type { Exchange } from '../http/exchange.ts';
import { HttpCaller } from '../http/http-caller.ts';
import { readBody } from '../http/request-body.ts';
import { problemReply } from '../reasons/problem.ts';
import type { SigningAnswer } from './signing-calls.ts';
import type { ReceivedRequest, SigningQueue } from './signing-queue.ts';
import type { SigningVersion } from './signing-versions.ts';

/** What an endpoint works with. */
interface SigningEndpointOptions {
  readonly queue: SigningQueue;
  readonly versions: readonly SigningVersion[];
  readonly clientAddress: ClientAddress;
}

/** Answers the signing requests of one listener. */
export class SigningEndpoint {
  readonly #queue: SigningQueue;
  readonly #versions: ReadonlyMap<string, SigningVersion>;
  readonly #clientAddress: ClientAddress;

  constructor({ queue, versions, clientAddress }: SigningEndpointOptions) {
    this.#queue = queue;
    this.#versions = new Map(versions.map((version) => [version.path, version]));
    this.#clientAddress = clientAddress;
  }

  /** The version that is served at a path. */
  versionAt(path: string): SigningVersion | undefined {
    return this.#versions.get(path);
  }

  /** Answers one request, a POST, exactly once; never throws. */
  answer(exchange: Exchange, version: SigningVersion): void {
    const { socket } = exchange.request;
    const crowded = (): boolean => this.#queue.isCrowded(socket);
    readBody(
      exchange.request,
      this.#queue.bodies,
      (body) => {
        // The client went away: nobody is left to answer.
        if (body === undefined) return;
        exchange.complete();
        this.#queue.take(new HttpRequest(exchange, version, this.#clientAddress), body);
      },
      crowded,
    );
  }
}

/** One request whose body came. */
class HttpRequest implements ReceivedRequest {
  readonly connection: object;
  readonly caller: Caller;
  readonly isMultiplexed = false;
  readonly #exchange: Exchange;
  readonly #version: SigningVersion;

  constructor(exchange: Exchange, version: SigningVersion, clientAddress: ClientAddress) {
    this.connection = exchange.request.socket;
    this.caller = new HttpCaller(exchange, clientAddress);
    this.#exchange = exchange;
    this.#version = version;
  }

  isGone(): boolean {
    return this.#exchange.request.socket.destroyed;
  }

  decode(body: Buffer): SigningRequest {
    return this.#version.decode(body, this.#exchange.request.headers.authorization);
  }

  send({ decision, problem }: SigningAnswer): void {
    if (problem === undefined) {
      this.#exchange.markProven();
      this.#exchange.send(this.#version.reply(decision.certificate));
    } else this.#exchange.send(problemReply(problem));
  }
}
