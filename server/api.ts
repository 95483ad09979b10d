/**
 * The public listener: one table of Fulcio's calls, the log's read side beside it, and the order in which a request
 * meets them. Every path is looked up in a table; only the log's read side, whose paths have parts, goes through Express.
 */
import express, { type NextFunction, type Request, type Response } from 'express';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { RefusalLog } from './operator/refusal-log.ts';
import { logUnforeseen } from './operator/refused-line.ts';
import type { ServiceLog } from './operator/service-log.ts';
import type { FixedCall } from './fulcio/fixed-calls.ts';
import type { SigningEndpoint } from './fulcio/signing-endpoint.ts';
import type { TimestampEndpoint } from './timestamp/timestamp-endpoint.ts';
import { workUntilEnded } from './http/connection-account.ts';
import { answerPreflight, isPreflight } from './http/cross-origin.ts';
import { clientNetwork, type ClientAddress } from './http/client-address.ts';
import { Exchange, type ExchangeContext, type Reply } from './http/exchange.ts';
import { HttpCaller } from './http/http-caller.ts';
import type { AcceptHost } from './http/http-listener.ts';
import { LOG_LIST_PATH, type LogRoutes } from './log/log-routes.ts';
import { TRUST_PATH, TrustReplies, type TrustFiles } from './trust/trust-files.ts';
import { TUF_PATH, tufReply, type TufFiles } from './trust/tuf-files.ts';
import { problemOf, problemReply } from './reasons/problem.ts';
import { TransportError } from './http/transport-error.ts';
import type { UnsentResponseLimit } from './http/unsent-response-limit.ts';

/** What the public listener serves. */
export interface ApiOptions {
  readonly context: ExchangeContext;
  /** The calls that take a POST. */
  readonly signing: SigningEndpoint;
  /** Without it there are no timestamps. */
  readonly timestamps?: TimestampEndpoint | undefined;
  /** Searches, and the APIs of logs of artifacts. */
  readonly endpoints?: readonly ApiEndpoint[] | undefined;
  readonly calls: readonly FixedCall[];
  readonly log: LogRoutes;
  /** What verifiers are given. */
  readonly trust: TrustFiles;
  /** The TUF repository; without it there is nothing at its path. */
  readonly tuf?: TufFiles | undefined;
  /** Counts large answers until they are sent. */
  readonly unsent: UnsentResponseLimit;
  readonly clientAddress: ClientAddress;
  readonly serviceLog: ServiceLog;
  readonly refusalLog: RefusalLog;
  /** Asked before anything else; without it every name will do. */
  readonly acceptHost?: AcceptHost | undefined;
}

/** An API that has paths of its own, and answers everything at them but preflights. */
export interface ApiEndpoint {
  /** Whether a path is of this API. */
  isAt(path: string): boolean;
  /** Answers one request exactly once; never throws. Counts as work for the connection until it is answered. */
  answer(request: IncomingMessage, response: ServerResponse, path: string): void;
}

/** The handler of the public listener. What is not in a table costs a look into it and no more: only the log's read side
 * goes through Express. */
export function createApi(options: ApiOptions): RequestListener {
  const { context, signing, timestamps, endpoints = [], acceptHost } = options;
  const calls = new Map(options.calls.map((call) => [call.path, call]));
  const reads = createReads(options);
  const trust = new TrustReplies(options.trust);
  const isRead = (path: string): boolean => LOG_PATH.test(path);
  const route = (path: string, request: IncomingMessage, response: ServerResponse): void => {
    const call = calls.get(path);
    if (isPreflight(request)) answerPreflight(response);
    else if (call !== undefined) void answerCall(options, call, request, response);
    else if (isRead(path)) reads(request, response);
    else if (path.startsWith(TRUST_PATH)) void answerTrust(options, trust, path, request, response);
    else if (path.startsWith(TUF_PATH)) void answerTuf(options, path, request, response);
    else if (signing.versionAt(path) !== undefined || timestamps?.isAt(path) === true)
      fail(options, request, response, notAllowed(request, response, 'POST'));
    else fail(options, request, response, notFound());
  };
  return (request, response) => {
    // Cut off for what it sent: nobody reads an answer.
    if (request.socket.destroyed) return;
    takeAbsoluteTarget(request);
    if (acceptHost !== undefined && !acceptHost(request.headers.host)) {
      fail(options, request, response, hostRefused());
      return;
    }
    const path = readPath(request);
    const version = signing.versionAt(path);
    if (version !== undefined && request.method === 'POST') {
      signing.answer(new Exchange(request, response, context), version);
      return;
    }
    if (request.method === 'POST' && timestamps?.isAt(path) === true) {
      timestamps.answer(request, response);
      return;
    }
    const endpoint = isPreflight(request) ? undefined : endpoints.find((one) => one.isAt(path));
    if (endpoint !== undefined) {
      endpoint.answer(request, response, path);
      return;
    }
    // Here for all routes but the hot ones, so that no route can forget to give its connection back.
    workUntilEnded(response);
    route(path, request, response);
  };
}

/** The list of all logs, one of them, and what is below it. */
const LOG_PATH = /^\/log\/(?:[a-z0-9][a-z0-9._-]{0,63}(?:\/|$)|$)/;

/** A target in absolute form is as good as a path, and its host counts, not the header's (RFC 9112 §3.2.2). */
function takeAbsoluteTarget(request: IncomingMessage): void {
  const [whole, host] = /^https?:\/\/([^/?#]+)/i.exec(request.url ?? '') ?? [];
  if (whole === undefined || host === undefined) return;
  const path = (request.url ?? '').slice(whole.length);
  request.url = path.startsWith('/') ? path : `/${path}`;
  request.headers.host = host;
}

/** Clients that put a base URL with a slash at its end before the path send two. */
function readPath(request: IncomingMessage): string {
  const url = request.url ?? '/';
  if (url.startsWith('//')) request.url = url.replace(/^\/+/, '/');
  return pathOf(request.url ?? url);
}

/** The path that a request asks for, as {@link createApi} reads it. Its `url` is the plain target then. */
export function readTarget(request: IncomingMessage): string {
  takeAbsoluteTarget(request);
  return readPath(request);
}

function pathOf(url: string): string {
  const query = url.indexOf('?');
  return query < 0 ? url : url.slice(0, query);
}

/** Says which methods the path has, in the sentence and as `Allow` (RFC 9110 §10.2.1). */
function notAllowed(request: IncomingMessage, response: ServerResponse, allow: string): TransportError {
  response.setHeader('Allow', allow);
  // Node's parser takes only methods that it knows: no text of an untrusted client goes into the sentence.
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

function createReads(options: ApiOptions): express.Express {
  const app = express();
  for (const setting of ['x-powered-by', 'etag', 'query parser']) app.set(setting, false);
  for (const setting of ['case sensitive routing', 'strict routing']) app.set(setting, true);
  app.all('/log/', options.log.list);
  app.all(LOG_LIST_PATH, options.log.logList);
  app.use('/log/:name', options.log.handler);
  app.use((request: Request, response: Response) => {
    fail(options, request, response, notFound());
  });
  app.use((error: unknown, request: Request, response: Response, _next: NextFunction) => {
    fail(options, request, response, isBadUrl(error) ? notFound() : error);
  });
  return app;
}

async function answerCall(
  options: ApiOptions,
  call: FixedCall,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const isServed = request.method === 'GET' || (request.method === 'HEAD' && call.allowsHead);
  if (!isServed) {
    fail(options, request, response, notAllowed(request, response, call.allowsHead ? 'GET, HEAD' : 'GET'));
    return;
  }
  try {
    sendReply(options, request, response, await call.reply());
  } catch (error) {
    fail(options, request, response, error);
  }
}

async function answerTrust(
  options: ApiOptions,
  trust: TrustReplies,
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    const reply = await trust.replyTo(path, request);
    const isServed = request.method === 'GET' || request.method === 'HEAD';
    if (reply === undefined) fail(options, request, response, notFound());
    else if (isServed) sendReply(options, request, response, reply);
    else fail(options, request, response, notAllowed(request, response, 'GET, HEAD'));
  } catch (error) {
    fail(options, request, response, error);
  }
}

async function answerTuf(
  options: ApiOptions,
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const isServed = request.method === 'GET' || request.method === 'HEAD';
  if (!isServed) {
    fail(options, request, response, notAllowed(request, response, 'GET, HEAD'));
    return;
  }
  const reply = options.tuf && (await tufReply(options.tuf, path));
  if (reply === undefined) fail(options, request, response, notFound());
  else sendReply(options, request, response, reply);
}

/** Bytes up to which an answer may be left unread: what kernels take of it, or nearly. */
const SMALL = 16 * 1024;

/** The configuration of a service with many issuers is long: like an answer of the log, it counts until it is read. */
function sendReply(
  options: ApiOptions,
  request: IncomingMessage,
  response: ServerResponse,
  reply: Reply,
): void {
  const client = (): string => clientNetwork(options.clientAddress(request));
  if (reply.body.length <= SMALL || options.unsent.reserve(response, client(), reply.body.length))
    new Exchange(request, response, options.context).send(reply);
  else fail(options, request, response, unread());
}

const unread = (): TransportError =>
  new TransportError('TOO_BUSY', 'the server holds as many answers as it can that were not read yet', {
    hint: 'Try again in a second; read answers as they come.',
  });

/** Express reports a path that is not valid percent-encoding by an error with status 400. */
const isBadUrl = (error: unknown): boolean =>
  error instanceof URIError || (error instanceof Error && 'status' in error && error.status === 400);

function fail(options: ApiOptions, request: IncomingMessage, response: ServerResponse, error: unknown): void {
  const exchange = new Exchange(request, response, options.context);
  const problem = problemOf(error, exchange.requestId);
  exchange.send(problemReply(problem));
  logUnforeseen(problem, new HttpCaller(exchange, options.clientAddress), error, options);
}
