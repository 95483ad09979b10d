/**
 * The read side of the log over HTTP: static-CT files (c2sp.org/static-ct-api) and the read calls of RFC 6962 §4,
 * from one store. Answers are bytes or JSON; refusals are one line of text.
 */
import { Router, type Request, type RequestHandler, type Response } from 'express';
import { LogReadError, type LogReadReason } from '../../tlog/log-error.ts';
import type { LogReader } from '../../ct-log/reader.ts';
import { clientNetwork, type ClientAddress } from '../http/client-address.ts';
import type { AccessCheck } from './log-access.ts';
import { DIRECTORY, json, READS, SMALL_READS, TEXT } from './log-reads.ts';
import type { Answer, DescribeLog, Freshness, Read, SmallRead } from './log-reads.ts';
import type { Metrics } from '../operator/metrics.ts';
import type { ReadLimiter } from './read-limiter.ts';
import type { UnsentResponseLimit } from '../http/unsent-response-limit.ts';

/** What the routes work with. */
export interface LogRouteParts {
  readonly reader: LogReader;
  readonly access: AccessCheck;
  readonly clientAddress: ClientAddress;
  /** Whether everybody may read: caches in between may then keep answers, and pages of any origin may read them. */
  readonly isPublic: boolean;
  readonly budget: ReadLimiter;
  /** Sends the answers; the budget ends when an answer is made. */
  readonly unsent: UnsentResponseLimit;
  readonly metrics: Metrics;
  readonly describe: DescribeLog;
  /** The logs of the service. */
  readonly list: () => readonly ListedLog[];
  /** Told of faults that are ours. */
  readonly onFault: (endpoint: string, error: unknown) => void;
}

/** A log as the list of logs tells it. */
export interface ListedLog {
  readonly origin: string;
  /** What stands after `/log/` in its path. */
  readonly name: string;
  /** Where it can be read from outside, no slash at the end. */
  readonly url: string;
}

const MAX_AGE: Readonly<Record<Freshness, string>> = {
  changing: 'no-store',
  brief: 'max-age=60',
  immutable: 'max-age=604800, immutable',
};

const READ_STATUS: Readonly<Record<LogReadReason, number>> = {
  NOT_FOUND: 404,
  BAD_PARAMETER: 400,
  NOT_READY: 503,
};

/** The router that stands at the log's path. */
export function createLogRoutes(parts: LogRouteParts): RequestHandler {
  const router = Router({ caseSensitive: true, strict: true });
  // The router also sees the log's path without a slash at the end as "/".
  router.all(
    '/',
    serveSmall(parts, 'directory', () => DIRECTORY),
  );
  for (const [path, read] of Object.entries(SMALL_READS))
    router.all(path, serveSmall(parts, endpointOf(path), read));
  for (const [path, read] of Object.entries(READS)) router.all(path, serve(parts, endpointOf(path), read));
  router.use((_request: Request, response: Response) => {
    refuse(parts, response, 'unknown', 404, 'this log has nothing at this path');
  });
  return router;
}

/** The handler of the path above all logs: their list, under the same rules as their entries. */
export function createLogList(parts: LogRouteParts): RequestHandler {
  return serveSmall(parts, 'logs', () => json({ logs: parts.list() }, 'brief'));
}

/** `tile`, `issuer`, `get-sth`, …: the name in the metrics. */
const endpointOf = (path: string): string => path.replace(/^\/(?:ct\/v1\/)?/, '').split('/', 1)[0] ?? '';

/** Whether the request may be answered; refuses it otherwise. */
function isAllowed(parts: LogRouteParts, endpoint: string, request: Request, response: Response): boolean {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD');
    refuse(parts, response, endpoint, 405, 'only GET and HEAD are served here');
    return false;
  }
  const refusal = parts.access(request);
  if (refusal === undefined) return true;
  if (refusal.status === 401) response.setHeader('WWW-Authenticate', 'Bearer');
  refuse(parts, response, endpoint, refusal.status, refusal.sentence);
  return false;
}

function serveSmall(parts: LogRouteParts, endpoint: string, read: SmallRead): RequestHandler {
  return (request, response) => {
    if (!isAllowed(parts, endpoint, request, response)) return;
    try {
      const answer = read(parts.reader, parts.describe);
      const [body = Buffer.alloc(0)] = bytesOf(answer);
      writeHead(parts, response, answer, body.length);
      response.end(body);
      parts.metrics.logRead(endpoint, 200);
    } catch (error) {
      explain(parts, response, endpoint, error);
    }
  };
}

function serve(parts: LogRouteParts, endpoint: string, read: Read): RequestHandler {
  return async (request, response) => {
    if (!isAllowed(parts, endpoint, request, response)) return;
    const client = clientNetwork(parts.clientAddress(request));
    try {
      // No client is left when the connection closed while the read waited for its turn.
      const answer = await parts.budget.run(client, async () =>
        request.socket.destroyed ? undefined : read(parts.reader, request),
      );
      if (request.socket.destroyed) return;
      if (answer === undefined) tooBusy(parts, response, endpoint);
      else send(parts, response, { endpoint, client, answer });
    } catch (error) {
      explain(parts, response, endpoint, error);
    }
  };
}

function send(
  parts: LogRouteParts,
  response: Response,
  { endpoint, client, answer }: { endpoint: string; client: string; answer: Answer },
): void {
  const bytes = bytesOf(answer);
  const length = bytes.reduce((sum, part) => sum + part.length, 0);
  if (response.req.method === 'HEAD') {
    writeHead(parts, response, answer, length);
    response.end();
  } else if (parts.unsent.hasRoom(client, length)) {
    writeHead(parts, response, answer, length);
    parts.unsent.send(response, client, bytes);
  } else {
    tooBusy(parts, response, endpoint);
    return;
  }
  parts.metrics.logRead(endpoint, 200);
}

function bytesOf({ body }: Answer): readonly Uint8Array[] {
  if (typeof body === 'string') return [Buffer.from(body)];
  return body instanceof Uint8Array ? [body] : body;
}

function writeHead(parts: LogRouteParts, response: Response, answer: Answer, length: number): void {
  const scope = answer.freshness === 'changing' ? '' : parts.isPublic ? 'public, ' : 'private, ';
  if (parts.isPublic) response.setHeader('Access-Control-Allow-Origin', '*');
  response.writeHead(200, {
    'Content-Type': answer.contentType,
    'Content-Length': length,
    'Cache-Control': scope + MAX_AGE[answer.freshness],
    'X-Content-Type-Options': 'nosniff',
  });
}

/** Refusals are never cached: what is missing today may be there tomorrow. A client that is gone is told nothing, and nothing
 * is counted. */
function refuse(
  parts: LogRouteParts,
  response: Response,
  endpoint: string,
  status: number,
  text: string,
): void {
  if (response.req.socket.destroyed) return;
  if (parts.isPublic) response.setHeader('Access-Control-Allow-Origin', '*');
  const body = Buffer.from(`${text}\n`);
  response.writeHead(status, {
    'Content-Type': TEXT,
    'Content-Length': body.length,
    'Cache-Control': 'no-store',
  });
  response.end(body);
  parts.metrics.logRead(endpoint, status);
}

function tooBusy(parts: LogRouteParts, response: Response, endpoint: string): void {
  response.setHeader('Retry-After', '1');
  refuse(parts, response, endpoint, 503, 'too many reads at once; try again in a second');
}

function explain(parts: LogRouteParts, response: Response, endpoint: string, error: unknown): void {
  if (error instanceof LogReadError) {
    if (error.code === 'NOT_READY') response.setHeader('Retry-After', '2');
    refuse(parts, response, endpoint, READ_STATUS[error.code], error.message);
    return;
  }
  refuse(parts, response, endpoint, 500, 'the log could not read this');
  parts.onFault(endpoint, error);
}
