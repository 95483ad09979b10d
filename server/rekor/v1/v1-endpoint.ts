/** Rekor's first API over HTTP. Answers, refusals and headers are those of its server, to the byte, because its clients are everywhere and look at all of them. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { MAX_V1_REQUEST } from '../../../rekor/entries/v1-proposal.ts';
import type { AcceptCount } from '../../http/accept-priority.ts';
import { BodyQueue } from '../../http/body-queue.ts';
import { clientNetwork, type ClientAddress } from '../../http/client-address.ts';
import { workUntilEnded } from '../../http/connection-account.ts';
import { Exchange, type ExchangeContext, type Reply } from '../../http/exchange.ts';
import { HttpCaller } from '../../http/http-caller.ts';
import { tooBusy, type Body } from '../../http/request-body.ts';
import { TransportError } from '../../http/transport-error.ts';
import type { UnsentResponseLimit } from '../../http/unsent-response-limit.ts';
import type { AccessCheck } from '../../log/log-access.ts';
import { costOfBytes, type ReadLimiter } from '../../log/read-limiter.ts';
import type { RateLimiter } from '../../../policy/rate-limit.ts';
import type { EntryAddition } from '../entry-additions.ts';
import { entryId, entryJson } from './entry-json.ts';
import { acceptedOf } from './media-types.ts';
import { frameworkReply, handlerReply, JSON_TYPE, uncached } from './stock-reply.ts';
import {
  BUSY,
  duplicate,
  limited,
  misdirected,
  notAcceptable,
  PONG,
  refusalOf,
  wrongMediaType,
} from './v1-refusals.ts';
import type { ReadCharge, V1Reads } from './v1-reads.ts';
import { isV1Path, v1Route, type V1Call, type V1Route } from './v1-routes.ts';

/** Logs entries. */
export interface V1Additions {
  /** Takes what a client proposes to log, as the bytes of its request, which may not change before this resolves. Rejects with EntryError, and as the log does; each
   * rejection is recorded. `mayRead`: whether the client may read what others logged. */
  readonly add: (bytes: Buffer, caller: HttpCaller, mayRead: boolean) => Promise<EntryAddition>;
  /** Records a request that was refused before it could be read. */
  readonly refuse: (error: unknown, caller: HttpCaller) => void;
}

/** What an endpoint works with. */
export interface V1EndpointOptions {
  readonly reads: V1Reads;
  readonly additions: V1Additions;
  /** Whether what the log has is refused, as Rekor does, and not answered with the entry that it has. */
  readonly refusesDuplicates: boolean;
  /** Returns the number of connections accepted so far. */
  readonly accepted: AcceptCount;
  readonly clientAddress: ClientAddress;
  /** Who may read: entries hold names. */
  readonly access: AccessCheck;
  readonly limiter: ReadLimiter;
  /** How much each client reads; undefined: nobody is limited. */
  readonly readLimit: RateLimiter | undefined;
  readonly unsent: UnsentResponseLimit;
  readonly context: ExchangeContext;
  /** Called with each answer. `template` is one of a closed set of paths. */
  readonly onAnswer: (template: string, method: string, status: number, seconds: number) => void;
  /** Called with each failure that is the service's own. */
  readonly onFault: (endpoint: string, error: unknown) => void;
}

const PEM_TYPE = 'application/x-pem-file';

/** Bytes up to which an answer may be left unread: what kernels take of it, or nearly. */
const SMALL = 16 * 1024;

/** Calls that show nothing of what others logged. */
const OPEN_CALLS: ReadonlySet<V1Call> = new Set(['create', 'publicKey', 'ping']);

/** Reads that count against the limit of their client: all but that of the head, which is in memory. */
const LIMITED_CALLS: ReadonlySet<V1Call> = new Set(['byIndex', 'byId', 'retrieve', 'proof', 'search']);

/** Bytes of a body. Rekor has no limit; envelopes around bills of materials have some mebibytes, in requests to log and to find them. */
export const V1_BODY_LIMIT = MAX_V1_REQUEST;

/** Bytes of a search, which is a few values. */
const SEARCH_LIMIT = 1024 * 1024;

/** Bytes of bodies that may be held at once. */
const BODY_MEMORY = 64 * 1024 * 1024;

/** Requests to log an entry whose body is complete and that are not answered. */
export const MAX_V1_WAITING = 512;

/** Of these, how many begin in one turn of the event loop, and milliseconds after which no more of them begin: each is a few checks of signatures. */
const PER_TURN = { pieces: 16, ms: 3 };

/** Answers the requests of one listener. */
export class V1Endpoint {
  readonly #options: V1EndpointOptions;
  readonly #queue: BodyQueue;

  constructor(options: V1EndpointOptions) {
    this.#options = options;
    this.#queue = new BodyQueue(options.accepted, {
      memory: BODY_MEMORY,
      longest: V1_BODY_LIMIT,
      waiting: MAX_V1_WAITING,
      perTurn: PER_TURN,
    });
  }

  /** Whether a path is of this API. */
  isAt(path: string): boolean {
    return isV1Path(path);
  }

  /** Answers one request exactly once; never throws. */
  answer(request: IncomingMessage, response: ServerResponse, path: string): void {
    const exchange = new Exchange(request, response, this.#options.context);
    const route = v1Route(path);
    const call = route?.methods[request.method as 'GET'];
    if (route === undefined || call === undefined) {
      workUntilEnded(response);
      this.#send(exchange, route, misdirected(request, route, path));
    } else if (request.method === 'POST') {
      this.#receive(exchange, route, call);
    } else {
      workUntilEnded(response);
      void this.#perform(exchange, route, () => this.#get(exchange, route, call));
    }
  }

  #receive(exchange: Exchange, route: V1Route, call: V1Call): void {
    const taken = (body: Body | TransportError): void => {
      if (body instanceof TransportError) this.#turnAway(exchange, route, call, body);
      else if (call !== 'create') void this.#perform(exchange, route, () => this.#ask(exchange, call, body));
      else if (!this.#queue.join(body, () => this.#create(exchange, route, body)))
        this.#turnAway(exchange, route, call, tooBusy());
    };
    this.#queue.read(exchange, taken, call === 'search' ? SEARCH_LIMIT : V1_BODY_LIMIT);
  }

  /** Refuses what nobody has read. */
  #turnAway(exchange: Exchange, route: V1Route, call: V1Call, error: TransportError): void {
    if (call === 'create') this.#options.additions.refuse(error, this.#callerOf(exchange));
    this.#refuse(exchange, route, error);
  }

  async #create(exchange: Exchange, route: V1Route, body: Body): Promise<void> {
    try {
      const bytes = body.take();
      if (bytes === undefined) this.#turnAway(exchange, route, 'create', tooBusy());
      // Nothing is logged for a client that does not wait for the answer.
      else if (!exchange.request.socket.destroyed)
        await this.#perform(exchange, route, () => this.#add(exchange, bytes));
    } finally {
      body.release();
    }
  }

  async #perform(exchange: Exchange, route: V1Route, make: () => Promise<Reply | undefined>): Promise<void> {
    try {
      const reply = await make();
      if (exchange.request.socket.destroyed) return;
      this.#send(exchange, route, reply ?? BUSY);
    } catch (error) {
      this.#refuse(exchange, route, error);
    }
  }

  async #get({ request }: Exchange, route: V1Route, call: V1Call): Promise<Reply | undefined> {
    if (call === 'ping') return PONG;
    const offers = call === 'publicKey' ? ([PEM_TYPE, JSON_TYPE] as const) : ([JSON_TYPE] as const);
    const offer = acceptedOf(request.headers.accept, offers);
    if (offer === undefined) return notAcceptable(offers);
    const { reads } = this.#options;
    const url = request.url ?? '';
    if (call === 'publicKey') return reads.publicKey(url, offer === JSON_TYPE);
    return this.#read(request, call, () => {
      if (call === 'byIndex') return reads.entryByIndex(url);
      if (call === 'proof') return reads.consistencyProof(url);
      return call === 'log' ? reads.log() : reads.entryById(route.id);
    });
  }

  async #ask(exchange: Exchange, call: V1Call, body: Body): Promise<Reply | undefined> {
    const { request } = exchange;
    try {
      const bytes = body.take();
      if (bytes === undefined) return undefined;
      const { reads } = this.#options;
      return (
        wrongMediaType(request, bytes) ??
        (call === 'search'
          ? await this.#read(
              request,
              call,
              (charge) => reads.search(bytes, charge),
              () => reads.searchable(bytes),
            )
          : await this.#read(request, call, (charge) => {
              charge(costOfBytes(bytes.length));
              return reads.retrieve(bytes, charge);
            }))
      );
    } finally {
      body.release();
    }
  }

  async #add(exchange: Exchange, bytes: Buffer): Promise<Reply> {
    const { additions, access, refusesDuplicates } = this.#options;
    const wrongType = wrongMediaType(exchange.request, bytes);
    if (wrongType !== undefined) return wrongType;
    const mayRead = access(exchange.request) === undefined;
    const added = await additions.add(bytes, this.#callerOf(exchange), mayRead);
    const id = entryId(added.entry);
    const location = ['Location', `/api/v1/log/entries/${id}`];
    if (!added.isNew && refusesDuplicates) return duplicate(id, location);
    return handlerReply(await entryJson(added.log, added), 201, ['Etag', id, ...location]);
  }

  #callerOf(exchange: Exchange): HttpCaller {
    return new HttpCaller(exchange, this.#options.clientAddress);
  }

  /** Undefined where too many read already. What `before` waits for takes no place from other reads. */
  async #read(
    request: IncomingMessage,
    call: V1Call,
    read: (charge: ReadCharge) => Promise<Reply>,
    before?: () => Promise<void>,
  ): Promise<Reply | undefined> {
    const { access, limiter, readLimit, clientAddress } = this.#options;
    const refusal = OPEN_CALLS.has(call) ? undefined : access(request);
    if (refusal !== undefined) {
      const { status, sentence } = refusal;
      return frameworkReply(status, sentence, status === 401 ? ['WWW-Authenticate', 'Bearer'] : []);
    }
    const client = clientNetwork(clientAddress(request));
    const taken = LIMITED_CALLS.has(call) ? readLimit?.take(client) : undefined;
    if (taken?.ok === false) return limited(taken.retryAfterSeconds);
    const charge: ReadCharge = (entries) => {
      if (taken !== undefined) readLimit?.charge(taken, entries);
    };
    await before?.();
    const reply = await limiter.run(client, () => read(charge));
    charge(costOfBytes(reply?.body.length ?? 0));
    return reply;
  }

  #refuse(exchange: Exchange, route: V1Route, error: unknown): void {
    const { reply, isOurs } = refusalOf(error, exchange.requestId);
    if (isOurs) this.#options.onFault(route.template, error);
    this.#send(exchange, route, reply);
  }

  #send(exchange: Exchange, route: V1Route | undefined, reply: Reply): void {
    const { unsent, clientAddress, onAnswer } = this.#options;
    const { request, response } = exchange;
    const isSmall = reply.body.length <= SMALL;
    const client = (): string => clientNetwork(clientAddress(request));
    const sent = isSmall || unsent.reserve(response, client(), reply.body.length) ? reply : BUSY;
    exchange.send(
      request.method === 'GET' && route !== undefined && route.template !== '/ping' ? uncached(sent) : sent,
    );
    onAnswer(route?.template ?? 'unknown', request.method ?? '', sent.status, exchange.ms / 1000);
  }
}
