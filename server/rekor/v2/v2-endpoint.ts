/** Rekor's second API over HTTP: one call that logs an entry, and the files of the log (c2sp.org/tlog-tiles), which Rekor leaves to another web server. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { toHex } from '../../../core/bytes.ts';
import type { ArtifactLog } from '../../../rekor/artifact-log.ts';
import { EntryError } from '../../../rekor/entries/entry-error.ts';
import { LogReadError } from '../../../tlog/core/log-error.ts';
import { sha256 } from '../../../tlog/core/sha256.ts';
import type { AcceptCount } from '../../http/accept-priority.ts';
import { BodyQueue } from '../../http/body-queue.ts';
import { clientNetwork, type ClientAddress } from '../../http/client-address.ts';
import { workUntilEnded } from '../../http/connection-account.ts';
import { Exchange, type ExchangeContext, type Reply } from '../../http/exchange.ts';
import { HttpCaller } from '../../http/http-caller.ts';
import type { Body } from '../../http/request-body.ts';
import { TransportError } from '../../http/transport-error.ts';
import type { UnsentResponseLimit } from '../../http/unsent-response-limit.ts';
import type { AccessCheck } from '../../log/log-access.ts';
import type { ReadLimiter } from '../../log/read-limiter.ts';
import { problemOf, problemReply } from '../../reasons/problem.ts';
import type { EntryAdditions } from '../entry-additions.ts';
import { addedReply, duplicateEntry, redactedReply, refusedReply } from './v2-replies.ts';
import { levelFault, v2Call, type V2Read } from './v2-routes.ts';

type ReadableLog = Pick<ArtifactLog, 'identity' | 'checkpoint' | 'tile' | 'redactions'>;

/** What an endpoint works with. */
export interface V2EndpointOptions {
  readonly log: ReadableLog;
  /** It and those before it, by their names. */
  readonly logs: ReadonlyMap<string, ReadableLog>;
  readonly additions: Pick<EntryAdditions, 'add' | 'refuse'>;
  /** Whether what the log has is refused, as Rekor does, and not answered with the entry that it has. */
  readonly refusesDuplicates: boolean;
  /** Returns the number of connections accepted so far. */
  readonly accepted: AcceptCount;
  readonly clientAddress: ClientAddress;
  /** Who may read: entries hold names. */
  readonly access: AccessCheck;
  /** Whether everybody may read, so that caches in between may keep answers. */
  readonly isPublic: boolean;
  readonly limiter: ReadLimiter;
  readonly unsent: UnsentResponseLimit;
  readonly context: ExchangeContext;
  /** Called with each answer; `size` is the length of the request's body as its head says it, 0 where it does not. */
  readonly onAnswer: (method: string, status: number, seconds: number, size: number) => void;
  /** Called with each failed read that is the service's own fault. */
  readonly onFault: (endpoint: string, error: unknown) => void;
}

/** Bytes of a body. Rekor takes four times as many, but an entry never needs them: only an envelope, of which we log the digest, is larger than a few kilobytes. */
export const V2_BODY_LIMIT = 1024 * 1024;

/** Bytes of bodies that may be held at once. */
const BODY_MEMORY = 16 * 1024 * 1024;

/** Requests whose body is complete and that are not answered. */
export const MAX_V2_WAITING = 512;

/** Bodies that begin in one turn of the event loop, and milliseconds after which no more of them begin: each is a check of a signature. */
const PER_TURN = { pieces: 16, ms: 3 };

/** Bytes of a body beyond which it begins after all others: reading it takes longer than checking a signature. */
const LARGE = 64 * 1024;

/** Bytes up to which an answer may be left unread: what kernels take of it, or nearly. */
const SMALL = 16 * 1024;

/** Answers the requests of one listener. */
export class V2Endpoint {
  readonly #options: V2EndpointOptions;
  readonly #queue: BodyQueue;
  /** Of each log: a list of up to ten thousand entries, and how many they were. */
  readonly #redacted = new Map<ReadableLog, { readonly count: number; readonly reply: Reply }>();

  constructor(options: V2EndpointOptions) {
    this.#options = options;
    this.#queue = new BodyQueue(options.accepted, {
      memory: BODY_MEMORY,
      longest: V2_BODY_LIMIT,
      waiting: MAX_V2_WAITING,
      perTurn: PER_TURN,
    });
  }

  /** Whether a path is of this API. */
  isAt(path: string): boolean {
    return v2Call(path) !== undefined;
  }

  /** Answers one request for such a path exactly once; never throws. */
  answer(request: IncomingMessage, response: ServerResponse, path: string): void {
    const exchange = new Exchange(request, response, this.#options.context);
    const found = v2Call(path);
    const { method = '' } = request;
    if (found?.call === 'create' && method === 'POST') this.#receive(exchange);
    else {
      workUntilEnded(response);
      const isRead =
        found !== undefined && found.call !== 'create' && (method === 'GET' || method === 'HEAD');
      if (isRead) void this.#read(exchange, found);
      else this.#refuse(exchange, notAllowed(exchange, found?.call === 'create' ? 'POST' : 'GET, HEAD'));
    }
  }

  #receive(exchange: Exchange): void {
    this.#queue.read(exchange, (body) => {
      if (body instanceof TransportError) {
        this.#turnAway(exchange, body);
        return;
      }
      const priority = body.size > LARGE ? 'low' : 'normal';
      const isQueued = this.#queue.join(body, () => this.#create(exchange, body), priority);
      if (!isQueued) this.#turnAway(exchange, busy());
    });
  }

  async #create(exchange: Exchange, body: Body): Promise<void> {
    const { additions, access, refusesDuplicates } = this.#options;
    try {
      const bytes = takeFrom(body);
      if (bytes === undefined) {
        this.#turnAway(exchange, busy());
        return;
      }
      if (exchange.request.socket.destroyed) return;
      const mayRead = access(exchange.request) === undefined;
      const added = await additions.add(bytes, this.#callerOf(exchange), mayRead);
      if (refusesDuplicates && !added.isNew) throw duplicateEntry(added);
      this.#send(exchange, addedReply(added));
    } catch (error) {
      this.#refuse(exchange, error);
    }
  }

  /** Before its turn: it has not been recorded. */
  #turnAway(exchange: Exchange, error: TransportError): void {
    this.#options.additions.refuse(error, this.#callerOf(exchange));
    this.#refuse(exchange, error);
  }

  async #read(exchange: Exchange, found: V2Read): Promise<void> {
    const { access, limiter, clientAddress, onFault } = this.#options;
    const { request } = exchange;
    const refusal = access(request);
    if (refusal !== undefined) {
      this.#send(exchange, textReply(refusal.status, refusal.sentence));
      return;
    }
    try {
      const log = this.#logOf(found);
      const reply =
        found.call === 'tile'
          ? await limiter.run(clientNetwork(clientAddress(request)), () => this.#tile(log, found, request))
          : found.call === 'redacted'
            ? this.#redactedIn(log)
            : checkpointOf(log);
      if (request.socket.destroyed) return;
      if (reply === undefined) this.#refuse(exchange, busy());
      else this.#send(exchange, reply);
    } catch (error) {
      const isOurs = !(error instanceof LogReadError || error instanceof EntryError);
      if (isOurs) onFault(found.call, error);
      this.#refuse(exchange, error instanceof LogReadError ? readFault(error) : error);
    }
  }

  /** The log in use, where none is named. Throws LogReadError `NOT_FOUND`. */
  #logOf({ log: name }: V2Read): ReadableLog {
    const { log, logs } = this.#options;
    const named = name === undefined ? log : logs.get(name);
    if (named === undefined) throw new LogReadError('NOT_FOUND', 'there is no log with that name');
    return named;
  }

  #redactedIn(log: ReadableLog): Reply {
    const { size: count } = log.redactions.entries;
    const known = this.#redacted.get(log);
    if (known?.count === count) return known.reply;
    const reply = redactedReply(log);
    this.#redacted.set(log, { count, reply });
    return reply;
  }

  /** What has no name of a log in its path is of another log when another one is in use, and a redaction changes a bundle: of these, caches ask each time whether they are the same. */
  async #tile(
    log: ReadableLog,
    { path, log: name }: V2Read & { readonly call: 'tile' },
    { headers: asked }: IncomingMessage,
  ): Promise<Reply> {
    const fault = levelFault(path);
    if (fault !== undefined) throw badLevel(fault);
    const body = await log.tile(path);
    const keeper = this.#options.isPublic ? 'public' : 'private';
    const contentType = 'application/octet-stream';
    const isForGood = name !== undefined && !path.startsWith('tile/entries/');
    if (isForGood) {
      const headers = ['Cache-Control', `${keeper}, max-age=604800, immutable`];
      return { status: 200, contentType, body, headers };
    }
    const etag = `"${toHex(sha256(body))}"`;
    const headers = ['Cache-Control', `${keeper}, no-cache`, 'ETag', etag];
    // The body of a 304 is not sent.
    return { status: asked['if-none-match'] === etag ? 304 : 200, contentType, body, headers };
  }

  #callerOf(exchange: Exchange): HttpCaller {
    return new HttpCaller(exchange, this.#options.clientAddress);
  }

  #refuse(exchange: Exchange, error: unknown): void {
    this.#send(exchange, refusedReply(problemOf(error, exchange.requestId), error));
  }

  #send(exchange: Exchange, reply: Reply): void {
    const { unsent, clientAddress, onAnswer } = this.#options;
    const { request, response } = exchange;
    const client = (): string => clientNetwork(clientAddress(request));
    const isSent = reply.body.length <= SMALL || unsent.reserve(response, client(), reply.body.length);
    const sent = isSent ? reply : problemReply(problemOf(busy(), exchange.requestId));
    exchange.send(sent);
    const size = Number(request.headers['content-length'] ?? 0);
    onAnswer(request.method ?? '', sent.status, exchange.ms / 1000, size);
  }
}

const checkpointOf = (log: ReadableLog): Reply => ({
  ...textReply(200, ''),
  body: log.checkpoint(),
  headers: ['Cache-Control', 'no-store'],
});

/** The bytes outlive the body, whose memory is freed here. */
function takeFrom(body: Body): Buffer | undefined {
  try {
    const bytes = body.take();
    return bytes && Buffer.from(bytes);
  } finally {
    body.release();
  }
}

const textReply = (status: number, sentence: string): Reply => ({
  status,
  contentType: 'text/plain; charset=utf-8',
  body: `${sentence}\n`,
  ...(status === 401 ? { headers: ['WWW-Authenticate', 'Bearer'] } : {}),
});

const busy = (): TransportError =>
  new TransportError('TOO_BUSY', 'the server works on as many requests as it can', {
    hint: 'Try again in a second.',
  });

function notAllowed({ request, response }: Exchange, allow: string): TransportError {
  response.setHeader('Allow', allow);
  return new TransportError(
    'METHOD_NOT_ALLOWED',
    `the path exists, but not for ${request.method ?? ''}: use ${allow}`,
  );
}

const badLevel = (message: string): EntryError =>
  new EntryError('ENTRY_MALFORMED', 'the level of the tile is not a number', {
    stock: { status: 400, code: 3, message, by: 'handler' },
  });

function readFault({ code, message }: LogReadError): EntryError | TransportError {
  if (code === 'NOT_FOUND') return new TransportError('NOT_FOUND', message);
  if (code === 'NOT_READY') return busy();
  return new EntryError('ENTRY_MALFORMED', message, {
    stock: { status: 400, code: 3, message, by: 'handler' },
  });
}
