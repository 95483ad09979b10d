/** Searches over HTTP: `GET /api/search/v1`. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { RateLimiter } from '../../policy/rate-limit.ts';
import type { LogSearch } from '../../search/log-search.ts';
import { SearchError } from '../../search/search-error.ts';
import { LogReadError } from '../../tlog/core/log-error.ts';
import { clientNetwork, type ClientAddress } from '../http/client-address.ts';
import { workUntilEnded } from '../http/connection-account.ts';
import { Exchange, type ExchangeContext, type Reply } from '../http/exchange.ts';
import { TransportError } from '../http/transport-error.ts';
import type { UnsentResponseLimit } from '../http/unsent-response-limit.ts';
import type { AccessCheck } from '../log/log-access.ts';
import { costOfBytes, ReadLimiter } from '../log/read-limiter.ts';
import { problemOf, problemReply } from '../reasons/problem.ts';
import { cursorText, searchQueryOf } from './search-query.ts';

/** Where it is served. */
export const SEARCH_PATH = '/api/search/v1';

/** What the endpoint works with. */
interface SearchEndpointOptions {
  readonly search: Pick<LogSearch, 'ready' | 'page'>;
  readonly clientAddress: ClientAddress;
  /** Who may read: entries hold names. */
  readonly access: AccessCheck;
  /** How much each client reads; undefined: nobody is limited. */
  readonly readLimit: RateLimiter | undefined;
  readonly unsent: UnsentResponseLimit;
  readonly context: ExchangeContext;
  /** Called with the status of each answer. */
  readonly onAnswer: (status: number) => void;
  /** Called with each failure that is the service's own. */
  readonly onFault: (endpoint: string, error: unknown) => void;
}

/** Searches that run at once, half of them of one client, and those that wait: places of their own, so that no search keeps another read from its turn. */
export const SEARCH_PLACES = { concurrency: 2, waitingPerClient: 8, waiting: 64 };

/** Bytes up to which an answer may be left unread: what kernels take of it, or nearly. */
const SMALL = 16 * 1024;

/** Answers the requests of one listener. */
export class SearchEndpoint {
  readonly #options: SearchEndpointOptions;
  readonly #limiter = new ReadLimiter(SEARCH_PLACES);

  constructor(options: SearchEndpointOptions) {
    this.#options = options;
  }

  /** Whether a path is of this call. */
  isAt(path: string): boolean {
    return path === SEARCH_PATH;
  }

  /** Answers one request exactly once; never throws. */
  answer(request: IncomingMessage, response: ServerResponse): void {
    const exchange = new Exchange(request, response, this.#options.context);
    workUntilEnded(response);
    if (request.method === 'GET') void this.#search(exchange);
    else {
      response.setHeader('Allow', 'GET');
      this.#refuse(exchange, notAllowed());
    }
  }

  async #search(exchange: Exchange): Promise<void> {
    const { search, access, readLimit, clientAddress } = this.#options;
    const { request } = exchange;
    const refusal = access(request);
    if (refusal !== undefined) {
      this.#send(exchange, textReply(refusal.status, refusal.sentence));
      return;
    }
    const client = clientNetwork(clientAddress(request));
    const taken = readLimit?.take(client);
    if (taken?.ok === false) {
      this.#refuse(exchange, limited(taken.retryAfterSeconds));
      return;
    }
    try {
      const query = searchQueryOf(request.url ?? '');
      // What waits for an index takes no place.
      await search.ready(query);
      const page = await this.#limiter.run(client, async () =>
        request.socket.destroyed ? undefined : search.page(query),
      );
      // Also where the client has hung up meanwhile.
      if (taken !== undefined && page !== undefined) readLimit?.charge(taken, page.cost);
      if (request.socket.destroyed) return;
      if (page === undefined) throw busy();
      const { entries, next, searched, unsearched } = page;
      const answer = { entries, next: next === undefined ? null : cursorText(next), searched, unsearched };
      const body = JSON.stringify(answer);
      if (taken !== undefined) readLimit?.charge(taken, costOfBytes(body.length));
      this.#send(exchange, { ...JSON_REPLY, body });
    } catch (error) {
      this.#refuse(exchange, error instanceof LogReadError ? notReady(error) : error);
    }
  }

  #refuse(exchange: Exchange, error: unknown): void {
    const problem = problemOf(error, exchange.requestId);
    if (problem.reason === 'INTERNAL') this.#options.onFault('search', error);
    this.#send(exchange, problemReply(problem));
  }

  #send(exchange: Exchange, reply: Reply): void {
    const { unsent, clientAddress, onAnswer } = this.#options;
    const { request, response } = exchange;
    const client = (): string => clientNetwork(clientAddress(request));
    const isSent = reply.body.length <= SMALL || unsent.reserve(response, client(), reply.body.length);
    const sent = isSent ? reply : problemReply(problemOf(busy(), exchange.requestId));
    exchange.send(sent);
    onAnswer(sent.status);
  }
}

/** What is asked again may have other hits. */
const JSON_REPLY = {
  status: 200,
  contentType: 'application/json',
  headers: ['Cache-Control', 'no-store', 'X-Content-Type-Options', 'nosniff'],
} as const;

const textReply = (status: number, sentence: string): Reply => ({
  status,
  contentType: 'text/plain; charset=utf-8',
  body: `${sentence}\n`,
  ...(status === 401 ? { headers: ['WWW-Authenticate', 'Bearer'] } : {}),
});

const notReady = ({ message, hint = '' }: LogReadError): SearchError =>
  new SearchError('SEARCH_NOT_READY', message, { hint });

const limited = (seconds: number): SearchError =>
  new SearchError('SEARCH_RATE_LIMITED', 'this address searches and reads more than one may', {
    hint: `Try again in ${seconds} s.`,
    metadata: { retryAfter: String(seconds) },
  });

const notAllowed = (): TransportError =>
  new TransportError('METHOD_NOT_ALLOWED', 'the path exists for GET alone', {
    hint: 'docs/http-api.md lists every path with its method.',
  });

const busy = (): TransportError =>
  new TransportError('TOO_BUSY', 'the server works on as many searches as it can', {
    hint: 'Try again in a second.',
  });
