/**
 * The read side of the log over HTTP: static-CT files (c2sp.org/static-ct-api) and the read calls of RFC 6962 §4,
 * from one store. Answers are bytes or JSON; refusals are one line of text.
 */
import { Router, type Request, type RequestHandler, type Response } from 'express';
import { VERSION } from '../../core/version.ts';
import { logList, type DescribedLog } from '../../ct-log/format/log-list.ts';
import { LogReadError, type LogReadReason } from '../../tlog/core/log-error.ts';
import { clientNetwork, type ClientAddress } from '../http/client-address.ts';
import { createAccessCheck, type AccessCheck, type LogAccessRule } from './log-access.ts';
import { DIRECTORY, json, MEMORY_READS, STORE_READS, TEXT } from './log-reads.ts';
import type { Answer, DescribeLog, Freshness, StoreRead } from './log-reads.ts';
import type { ListedLog, OtherLogReads, ServedLog } from './other-logs.ts';
import type { ReadLimiter } from './read-limiter.ts';
import type { UnsentResponseLimit } from '../http/unsent-response-limit.ts';

/** What the routes of the logs need. */
interface LogRouteOptions {
  /** The one in use. */
  readonly log: ServedLog;
  readonly otherLogs: OtherLogReads;
  /** Where the service is reached from outside, no slash at the end. */
  readonly baseUrl: () => string;
  /** Whether certificates of this service mean nothing to anybody else: `log.v3.json` says so. */
  readonly isDevelopment: boolean;
  /** Where everybody may read, caches in between may keep answers, and pages of any origin may read them. */
  readonly access: LogAccessRule;
  readonly clientAddress: ClientAddress;
  /** Holds a read from when it begins until its answer is made. */
  readonly limiter: ReadLimiter;
  /** Sends the answers. */
  readonly unsent: UnsentResponseLimit;
  /** Called with every response: `endpoint` is one of a closed set of names. */
  readonly onRead: (endpoint: string, status: number) => void;
  /** Called with every response of a log beside it, by that log's name. */
  readonly onOtherRead: (log: string, status: number) => void;
  /** Called with each failure that is the service's own. */
  readonly onFault: (endpoint: string, error: unknown) => void;
}

/** The read side of the logs. */
export interface LogRoutes {
  /** Where the log in use stands now. */
  readonly path: string;
  /** Serves what is below `/log/NAME` of the logs, in use or not, and leaves every other name to the next handler. */
  readonly handler: RequestHandler<{ name: string }>;
  /** Serves the path above all logs: their list, under the same rules as their entries. */
  readonly list: RequestHandler;
  /** The same list in the form of those that clients of Certificate Transparency read, for {@link LOG_LIST_PATH}. */
  readonly logList: RequestHandler;
}

/** Where the list of logs is that clients of Certificate Transparency read. No log has this name. */
export const LOG_LIST_PATH = '/log/log_list.json';

/** Where the public listener serves the log. */
export const logPath = ({ identity }: Pick<ServedLog, 'identity'>): string => `/log/${identity.name}`;

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

/** The routes of all logs. */
export function createLogRoutes(options: LogRouteOptions): LogRoutes {
  const { log, otherLogs, baseUrl, access, clientAddress } = options;
  const check = createAccessCheck(access, clientAddress);
  const listed = ({ identity, state }: ListedLog): Record<string, unknown> => {
    const { origin, name } = identity;
    return { origin, name, url: `${baseUrl()}${logPath({ identity })}`, state };
  };
  const list = async (): Promise<Answer> => {
    const current: ListedLog = { identity: log.identity, state: 'current' };
    return json({ logs: [current, ...(await otherLogs.list())].map(listed) }, 'brief');
  };
  return {
    path: logPath(log),
    handler: serveLogs(options, check),
    list: new Endpoint(options, check, 'logs').serveFromMemory(list),
    logList: new Endpoint(options, check, 'logs').serveFromMemory(logListOf(options)),
  };
}

/** All logs that can be read, as a log list. What one that has ended says of itself never changes, and is kept. */
function logListOf(options: LogRouteOptions): () => Promise<Answer> {
  const { otherLogs } = options;
  const ended = new Map<string, Record<string, unknown>>();
  const describe = async ({ identity, state }: ListedLog): Promise<readonly DescribedLog[]> => {
    const known = ended.get(identity.name);
    const log = known === undefined ? await otherLogs.open(identity.name).catch(() => undefined) : undefined;
    const description = known ?? log?.reader.logV3Json(describer(options, { identity })());
    if (description === undefined) return [];
    if (state === 'frozen') ended.set(identity.name, description);
    return [{ description, isStaged: state === 'staged' }];
  };
  return async () => {
    const { identity, reader } = options.log;
    const description = reader.logV3Json(describer(options, { identity })());
    const logs: DescribedLog[] = [{ description, isStaged: false }];
    for (const other of await otherLogs.list()) logs.push(...(await describe(other)));
    return json(logList(identity.origin.split('/')[0] ?? '', logs, Date.now()), 'brief');
  };
}

const describer =
  ({ baseUrl, isDevelopment }: LogRouteOptions, log: Pick<ServedLog, 'identity'>): DescribeLog =>
  () => ({
    url: `${baseUrl()}${logPath(log)}`,
    intendedUse: isDevelopment ? 'test' : 'production',
    software: { name: 'mayfly', version: VERSION },
  });

/** What is served of one log. */
function createRouter(options: LogRouteOptions, check: AccessCheck): Router {
  const { log } = options;
  const endpoint = (name: string): Endpoint => new Endpoint(options, check, name);
  const describe = describer(options, log);
  const router = Router({ caseSensitive: true, strict: true });
  // The router also sees the log's path without a slash at the end as "/".
  const directory = endpoint('directory').serveFromMemory(() => DIRECTORY);
  router.all('/', directory);
  for (const [at, read] of Object.entries(MEMORY_READS))
    router.all(
      at,
      endpoint(endpointOf(at)).serveFromMemory(() => read(log.reader, describe)),
    );
  for (const [at, read] of Object.entries(STORE_READS))
    router.all(at, endpoint(endpointOf(at)).serveFromStore(read));
  const unknown = endpoint('unknown');
  router.use((_request: Request, response: Response) => {
    unknown.refuse(response, 404, 'this log has nothing at this path');
  });
  return router;
}

/** The routes of a log are made when it is opened, and are gone with it. Who may not read does not cause that. */
function serveLogs(options: LogRouteOptions, check: AccessCheck): LogRoutes['handler'] {
  const { otherLogs } = options;
  const door = new Endpoint(options, check, 'logs');
  const routers = new WeakMap<ServedLog['reader'], Router>();
  const routerOf = (of: LogRouteOptions): Router => {
    const router = routers.get(of.log.reader) ?? createRouter(of, check);
    routers.set(of.log.reader, router);
    return router;
  };
  return async (request, response, next) => {
    const { name } = request.params;
    const { identity, reader } = options.log;
    if (name === identity.name) {
      // As it is now: another one may be in use later.
      routerOf({ ...options, log: { identity, reader } })(request, response, next);
      return;
    }
    if (check(request) !== undefined) {
      door.isAllowed(request, response);
      return;
    }
    // Only what `open` finds, or finds damaged, is the name of a log; any other is a client's.
    const own = optionsOfOther(options, name);
    try {
      const log = await otherLogs.open(name);
      if (log === undefined) next();
      else routerOf({ ...own, log })(request, response, next);
    } catch (error) {
      new Endpoint(own, check, 'open').explain(response, error);
    }
  };
}

const optionsOfOther = (options: LogRouteOptions, name: string): LogRouteOptions => ({
  ...options,
  onRead: (_, status) => {
    options.onOtherRead(name, status);
  },
  onFault: (endpoint, error) => {
    options.onFault(`${name}/${endpoint}`, error);
  },
});

/** `tile`, `issuer`, `get-sth`, …: the name in the metrics. */
const endpointOf = (path: string): string => path.replace(/^\/(?:ct\/v1\/)?/, '').split('/', 1)[0] ?? '';

/** Responds to the requests for one path. */
class Endpoint {
  readonly #options: LogRouteOptions;
  readonly #isPublic: boolean;
  readonly #check: AccessCheck;
  readonly #name: string;

  constructor(options: LogRouteOptions, check: AccessCheck, name: string) {
    this.#options = options;
    this.#isPublic = options.access.kind === 'public';
    this.#check = check;
    this.#name = name;
  }

  serveFromMemory(read: () => Answer | Promise<Answer>): RequestHandler {
    const { onRead } = this.#options;
    return async (request, response) => {
      if (!this.isAllowed(request, response)) return;
      try {
        const answer = await read();
        if (request.socket.destroyed) return;
        const [body = Buffer.alloc(0)] = bytesOf(answer);
        this.#writeHead(response, answer, body.length);
        response.end(body);
        onRead(this.#name, 200);
      } catch (error) {
        this.explain(response, error);
      }
    };
  }

  serveFromStore(read: StoreRead): RequestHandler {
    const { log, limiter, clientAddress } = this.#options;
    const { reader } = log;
    return async (request, response) => {
      if (!this.isAllowed(request, response)) return;
      const client = clientNetwork(clientAddress(request));
      try {
        // No client is left when the connection closed while the read waited for its turn.
        const answer = await limiter.run(client, async () =>
          request.socket.destroyed ? undefined : read(reader, request),
        );
        if (request.socket.destroyed) return;
        if (answer === undefined) this.#refuseBusy(response);
        else this.#send(response, client, answer);
      } catch (error) {
        this.explain(response, error);
      }
    };
  }

  /** Refusals are never cached: what is missing today may be there tomorrow. When the client is gone, nothing is written
   * and nothing is counted. */
  refuse(response: Response, status: number, text: string): void {
    if (response.req.socket.destroyed) return;
    if (this.#isPublic) response.setHeader('Access-Control-Allow-Origin', '*');
    const body = Buffer.from(`${text}\n`);
    response.writeHead(status, {
      'Content-Type': TEXT,
      'Content-Length': body.length,
      'Cache-Control': 'no-store',
    });
    response.end(body);
    this.#options.onRead(this.#name, status);
  }

  /** Whether the request may be answered; refuses it otherwise. */
  isAllowed(request: Request, response: Response): boolean {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('Allow', 'GET, HEAD');
      this.refuse(response, 405, 'only GET and HEAD are served here');
      return false;
    }
    const refusal = this.#check(request);
    if (refusal === undefined) return true;
    if (refusal.status === 401) response.setHeader('WWW-Authenticate', 'Bearer');
    this.refuse(response, refusal.status, refusal.sentence);
    return false;
  }

  #send(response: Response, client: string, answer: Answer): void {
    const { unsent, onRead } = this.#options;
    const bytes = bytesOf(answer);
    const length = bytes.reduce((sum, part) => sum + part.length, 0);
    if (response.req.method === 'HEAD') {
      this.#writeHead(response, answer, length);
      response.end();
    } else if (unsent.ensureFree(client, length)) {
      this.#writeHead(response, answer, length);
      unsent.send(response, client, bytes);
    } else {
      this.#refuseBusy(response);
      return;
    }
    onRead(this.#name, 200);
  }

  #writeHead(response: Response, answer: Answer, length: number): void {
    const scope = answer.freshness === 'changing' ? '' : this.#isPublic ? 'public, ' : 'private, ';
    if (this.#isPublic) response.setHeader('Access-Control-Allow-Origin', '*');
    response.writeHead(200, {
      'Content-Type': answer.contentType,
      'Content-Length': length,
      'Cache-Control': scope + MAX_AGE[answer.freshness],
      'X-Content-Type-Options': 'nosniff',
    });
  }

  #refuseBusy(response: Response): void {
    response.setHeader('Retry-After', '1');
    this.refuse(response, 503, 'too many reads at once; try again in a second');
  }

  /** Refuses with what is wrong: with the request, or with the log. */
  explain(response: Response, error: unknown): void {
    if (error instanceof LogReadError) {
      if (error.code === 'NOT_READY') response.setHeader('Retry-After', '2');
      this.refuse(response, READ_STATUS[error.code], error.message);
      return;
    }
    this.refuse(response, 500, 'the log could not read this');
    this.#options.onFault(this.#name, error);
  }
}

function bytesOf({ body }: Answer): readonly Uint8Array[] {
  if (typeof body === 'string') return [Buffer.from(body)];
  return body instanceof Uint8Array ? [body] : body;
}
