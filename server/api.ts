/**
 * The public listener: one table of Fulcio's calls, the log's read side beside it, and the order in which a request
 * meets them. The signing routes are looked up by their exact path before anything else runs; all the rest goes
 * through Express.
 */
import express, { type NextFunction, type Request, type RequestHandler, type Response } from 'express';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { answerPreflight, isPreflight } from './cross-origin.ts';
import { Exchange, type ExchangeContext, type Reply } from './exchange.ts';
import { problemOf } from './problem.ts';
import type { RequestLog } from './request-log.ts';
import type { AcceptHost } from './service-values.ts';
import { TransportError } from './transport-error.ts';

/** A call whose answer needs nothing of the request. */
export interface FixedCall {
  readonly path: string;
  readonly reply: () => Reply | Promise<Reply>;
  /** Whether HEAD is answered too. Fulcio's own calls refuse it. */
  readonly allowsHead: boolean;
}

/** What the public listener serves. */
export interface ApiParts {
  readonly context: ExchangeContext;
  /** Path → handler of the calls that take a POST. */
  readonly signing: ReadonlyMap<string, (exchange: Exchange) => void>;
  readonly calls: readonly FixedCall[];
  /** The log's read side and the path it stands at, and the list of logs. */
  readonly log: { readonly path: string; readonly handler: RequestHandler; readonly list: RequestHandler };
  /** Counts an answer of so many bytes until it is sent; false when there is no room for it. */
  readonly reserve: (response: ServerResponse, bytes: number) => boolean;
  readonly requestLog: RequestLog;
  /** Asked before anything else; without it every name will do. */
  readonly acceptHost?: AcceptHost | undefined;
}

/** The handler of the public listener. */
export function createApi(parts: ApiParts): RequestListener {
  const { context, signing, acceptHost } = parts;
  const app = createExpressApp(parts);
  return (request, response) => {
    takeAbsoluteTarget(request);
    if (acceptHost !== undefined && !acceptHost(request.headers.host)) {
      fail(parts, request, response, hostRefused());
      return;
    }
    // Clients that put a base URL with a slash at its end before the path send two.
    const url = request.url ?? '/';
    if (url.startsWith('//')) request.url = url.replace(/^\/+/, '/');
    if (request.method === 'POST') {
      const handle = signing.get(pathOf(request.url ?? url));
      if (handle !== undefined) {
        handle(new Exchange(request, response, context));
        return;
      }
    }
    // Here for all routes but the hot ones, so that no route can forget to give its connection back.
    const { socket } = request;
    context.working(socket);
    response.once('close', () => {
      context.waiting(socket);
    });
    if (isPreflight(request)) answerPreflight(response);
    else app(request, response);
  };
}

/** A target in absolute form is as good as a path, and its host counts, not the header's (RFC 9112 §3.2.2). */
function takeAbsoluteTarget(request: IncomingMessage): void {
  const [whole, host] = /^https?:\/\/([^/?#]+)/i.exec(request.url ?? '') ?? [];
  if (whole === undefined || host === undefined) return;
  const path = (request.url ?? '').slice(whole.length);
  request.url = path.startsWith('/') ? path : `/${path}`;
  request.headers.host = host;
}

function pathOf(url: string): string {
  const query = url.indexOf('?');
  return query < 0 ? url : url.slice(0, query);
}

/** Says which methods the path has, in the sentence and as `Allow` (RFC 9110 §10.2.1). */
function notAllowed(request: IncomingMessage, response: ServerResponse, allow: string): TransportError {
  response.setHeader('Allow', allow);
  // Node's parser takes only methods that it knows: nothing of a stranger's own goes into the sentence.
  const method = request.method ?? '';
  return new TransportError('METHOD_NOT_ALLOWED', `the path exists, but not for ${method}: use ${allow}`, {
    hint: 'docs/http-api.md lists every path with its method.',
  });
}

const hostRefused = (): TransportError =>
  new TransportError('HOST_REFUSED', 'this service does not answer to that host name', {
    hint: 'Use the address that it printed at its start.',
  });

const notFound = (): TransportError =>
  new TransportError('NOT_FOUND', 'there is nothing at this path', {
    hint: 'Check the base URL that the client was given; docs/http-api.md lists every path.',
  });

function createExpressApp(parts: ApiParts): express.Express {
  const app = express();
  for (const setting of ['x-powered-by', 'etag', 'query parser']) app.set(setting, false);
  for (const setting of ['case sensitive routing', 'strict routing']) app.set(setting, true);
  app.use(parts.log.path, parts.log.handler);
  app.all('/log/', parts.log.list);
  for (const call of parts.calls) app.all(call.path, fixed(parts, call));
  for (const path of parts.signing.keys()) {
    app.all(path, (request, response) => {
      fail(parts, request, response, notAllowed(request, response, 'POST'));
    });
  }
  app.use((request: Request, response: Response) => {
    fail(parts, request, response, notFound());
  });
  app.use((error: unknown, request: Request, response: Response, _next: NextFunction) => {
    fail(parts, request, response, isBadUrl(error) ? notFound() : error);
  });
  return app;
}

function fixed(parts: ApiParts, call: FixedCall): RequestHandler {
  return async (request, response) => {
    const isServed = request.method === 'GET' || (request.method === 'HEAD' && call.allowsHead);
    if (!isServed)
      fail(parts, request, response, notAllowed(request, response, call.allowsHead ? 'GET, HEAD' : 'GET'));
    else sendReply(parts, request, response, await call.reply());
  };
}

/** Bytes up to which an answer may be left unread: what kernels take of it, or nearly. */
const SMALL = 16 * 1024;

/** The configuration of a service with many issuers is long: like an answer of the log, it counts until it is read. */
function sendReply(parts: ApiParts, request: Request, response: Response, reply: Reply): void {
  if (reply.body.length <= SMALL || parts.reserve(response, reply.body.length))
    new Exchange(request, response, parts.context).send(reply);
  else fail(parts, request, response, unread());
}

const unread = (): TransportError =>
  new TransportError('TOO_BUSY', 'the server holds as many answers as it can that were not read yet', {
    hint: 'Try again in a second; read answers as they come.',
  });

/** Express tells a path that is not valid percent-encoding by an error with status 400. */
const isBadUrl = (error: unknown): boolean =>
  error instanceof URIError || (error instanceof Error && 'status' in error && error.status === 400);

/** Only faults of ours are worth a line here: a stranger's wrong path would let strangers fill the log. */
function fail(parts: ApiParts, request: IncomingMessage, response: ServerResponse, error: unknown): void {
  const exchange = new Exchange(request, response, parts.context);
  const problem = problemOf(error, exchange.requestId);
  exchange.send(problem.reply);
  if (problem.reason !== 'INTERNAL') return;
  parts.requestLog.refused({
    requestId: exchange.requestId,
    client: request.socket.remoteAddress ?? '',
    status: problem.status,
    reason: problem.reason,
    sentence: problem.sentence,
    ms: 0,
    cause: error,
  });
}
