/**
 * Submission to the log by other CAs (RFC 6962 §4.1, §4.2): a chain in, an SCT out. Nobody shows a token, so that all that keeps untrusted callers from the
 * log and from the certificates of others is here: the roots, sizes, memory of its own, a rate for each client, and a number that is under way at
 * once, far below what the log takes from its own CA.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { ConcurrencyLimit } from '../../core/concurrency-limit.ts';
import { fromBase64, toBase64, toHex, utf8Text } from '../../core/bytes.ts';
import { FormatError } from '../../core/errors.ts';
import { parseStrictJson } from '../../core/strict-json.ts';
import { encodeDigitallySigned } from '../../ct-log/format/digitally-signed.ts';
import { parseSct } from '../../ct-log/format/sct.ts';
import { SubmissionError } from '../../ct-log/submission/submission-error.ts';
import type { LoggedSubmission, Submissions } from '../../ct-log/submission/submissions.ts';
import {
  MAX_CHAIN,
  type SubmissionKind,
  type SubmittedEntry,
  type SubmittedChains,
} from '../../ct-log/submission/submitted-chain.ts';
import type { AnyLimiter } from '../../policy/rate-limit.ts';
import type { AcceptCount } from '../http/accept-priority.ts';
import { BodyQueue } from '../http/body-queue.ts';
import { clientNetwork, type ClientAddress } from '../http/client-address.ts';
import { Exchange, type ExchangeContext, type Reply } from '../http/exchange.ts';
import { HttpCaller } from '../http/http-caller.ts';
import type { Body } from '../http/request-body.ts';
import { TransportError } from '../http/transport-error.ts';
import { LogError } from '../../tlog/core/log-error.ts';
import { OwedLines } from '../operator/owed-lines.ts';
import { problemOf, type Problem } from '../reasons/problem.ts';
import type { AccessCheck } from './log-access.ts';
import { TEXT } from './log-reads.ts';
import type { SubmissionRecords } from './submission-records.ts';

/** Bytes of one body, and of all that are held at once. */
export const SUBMISSION_LIMIT = 128 * 1024;
const BODY_MEMORY = 4 * 1024 * 1024;

/** Requests whose body is complete and that are not answered. */
export const MAX_SUBMISSIONS_WAITING = 256;

/** What begins in one turn of the event loop, beside up to 32 signing requests: each checks a signature or two. */
const PER_TURN = { pieces: 4, ms: 2 };

const JSON_LIMITS = { length: SUBMISSION_LIMIT, depth: 2, parts: 2 * MAX_CHAIN };

/** What an endpoint works with. */
interface SubmissionEndpointOptions {
  /** Where the log is served, no slash at the end. */
  readonly logPath: string;
  readonly chains: Pick<SubmittedChains, 'read'>;
  readonly submissions: Pick<Submissions, 'add' | 'isShared'>;
  readonly access: AccessCheck;
  readonly clientAddress: ClientAddress;
  /** By client; without it nobody is limited. */
  readonly limiter: AnyLimiter | undefined;
  /** Submissions that wait for the log at once. */
  readonly maxInFlight: number;
  readonly records: SubmissionRecords;
  /** Returns the number of connections accepted so far. */
  readonly accepted: AcceptCount;
  /** Whether the service is closing. */
  readonly isClosing: () => boolean;
}

/** Answers the submissions of one listener. */
export class SubmissionEndpoint {
  readonly #options: SubmissionEndpointOptions;
  readonly #kinds: ReadonlyMap<string, SubmissionKind>;
  readonly #queue: BodyQueue;
  readonly #underWay: ConcurrencyLimit;
  readonly #context: ExchangeContext;
  /** Identity of an entry → when it is added and recorded, or neither. */
  readonly #adding = new Map<string, Promise<void>>();
  /** By the identity of the entry. */
  readonly #lines: OwedLines;

  constructor(options: SubmissionEndpointOptions) {
    this.#options = options;
    this.#lines = new OwedLines(options.records.isFailClosed);
    this.#kinds = new Map([
      [`${options.logPath}/ct/v1/add-chain`, 'certificate'],
      [`${options.logPath}/ct/v1/add-pre-chain`, 'precertificate'],
    ]);
    this.#underWay = new ConcurrencyLimit(options.maxInFlight);
    // The metrics of Fulcio's API count certificates of this CA and what belongs to them.
    this.#context = { answered: () => undefined, isClosing: options.isClosing };
    this.#queue = new BodyQueue(options.accepted, {
      memory: BODY_MEMORY,
      longest: SUBMISSION_LIMIT,
      waiting: MAX_SUBMISSIONS_WAITING,
      perTurn: PER_TURN,
    });
  }

  /** Whether a path is one of the two calls. */
  isAt(path: string): boolean {
    return this.#kinds.has(path);
  }

  /** Answers one request exactly once; never throws. */
  answer(request: IncomingMessage, response: ServerResponse, path: string): void {
    const exchange = new Exchange(request, response, this.#context);
    const kind = this.#kinds.get(path) ?? 'certificate';
    const refusal = this.#options.access(request);
    if (refusal !== undefined) {
      exchange.send(accessReply(refusal));
    } else if (request.method === 'POST') {
      this.#queue.read(exchange, (body) => {
        if (body instanceof TransportError) this.#refuse(exchange, body);
        else if (!this.#queue.join(body, () => this.#begin(exchange, body, kind), 'low'))
          this.#refuse(exchange, busy());
      });
    } else {
      exchange.send(NOT_ALLOWED);
    }
  }

  async #begin(exchange: Exchange, body: Body, kind: SubmissionKind): Promise<void> {
    if (!this.#underWay.enter()) {
      body.release();
      this.#refuse(exchange, busy());
      return;
    }
    try {
      await this.#add(exchange, body, kind);
    } catch (error) {
      this.#refuse(exchange, error);
    } finally {
      this.#underWay.leave();
    }
  }

  async #add(exchange: Exchange, body: Body, kind: SubmissionKind): Promise<void> {
    const { chains, records } = this.#options;
    const chain = await this.#read(exchange, body);
    if (exchange.request.socket.destroyed) return;
    records.requireRecordable();
    exchange.send(sctReply(await this.#addInTurn(chains.read(kind, chain), this.#callerOf(exchange))));
  }

  /** One after the other for the same entry: who hands in what is under way is answered when that has its line. */
  async #addInTurn(submitted: SubmittedEntry, caller: HttpCaller): Promise<LoggedSubmission> {
    const key = toHex(submitted.identity);
    for (let first = this.#adding.get(key); first !== undefined; first = this.#adding.get(key)) await first;
    const adding = this.#addAndRecord(key, submitted, caller);
    const done = (): void => {
      this.#adding.delete(key);
    };
    this.#adding.set(key, adding.then(done, done));
    return adding;
  }

  /** An entry that is in the log, or may be, without a line gets its line with the next request for it. */
  async #addAndRecord(key: string, submitted: SubmittedEntry, caller: HttpCaller): Promise<LoggedSubmission> {
    const { submissions, records } = this.#options;
    try {
      const logged = await submissions.add(submitted);
      const needsLine = logged.isNew || this.#lines.isOwed(key, submissions);
      await records.logged(submitted, logged, caller, needsLine);
      if (needsLine) this.#lines.written(key, submissions);
      return logged;
    } catch (error) {
      const isWithoutEntry =
        error instanceof SubmissionError || (error instanceof LogError && !error.mayBeLogged);
      if (!isWithoutEntry) this.#lines.owe(key);
      throw error;
    }
  }

  /** Frees the body. Rejects with SubmissionError, PolicyError or TransportError. */
  async #read({ request }: Exchange, body: Body): Promise<readonly Uint8Array[]> {
    try {
      await this.#takeFromLimit(request);
      const bytes = body.take();
      if (bytes === undefined) throw busy();
      return decode(bytes);
    } finally {
      body.release();
    }
  }

  async #takeFromLimit(request: IncomingMessage): Promise<void> {
    const { limiter, clientAddress } = this.#options;
    const taken = await limiter?.take(clientNetwork(clientAddress(request)));
    if (taken === undefined || taken.ok) return;
    throw new SubmissionError(
      'SUBMISSION_RATE_LIMITED',
      'this address hands in more certificates than one may',
      {
        hint: `Try again in ${taken.retryAfterSeconds} s.`,
        metadata: { retryAfter: String(taken.retryAfterSeconds) },
      },
    );
  }

  #refuse(exchange: Exchange, error: unknown): void {
    const problem = problemOf(error, exchange.requestId);
    exchange.send(refusedReply(problem));
    this.#options.records.refused(problem, error, this.#callerOf(exchange));
  }

  #callerOf(exchange: Exchange): HttpCaller {
    return new HttpCaller(exchange, this.#options.clientAddress);
  }
}

/** The certificates of a body, each a copy of its own. Throws {@link SubmissionError}. */
function decode(bytes: Uint8Array): readonly Uint8Array[] {
  try {
    const value = parseStrictJson(utf8Text(bytes), JSON_LIMITS);
    if (typeof value !== 'object' || value === null || !('chain' in value) || Object.keys(value).length !== 1)
      throw new FormatError('MALFORMED', 'the JSON is no object with a chain and nothing else');
    const { chain } = value as { readonly chain: unknown };
    if (!Array.isArray(chain)) throw new FormatError('MALFORMED', 'the chain is no list');
    return chain.map((one: unknown) => {
      if (typeof one !== 'string')
        throw new FormatError('MALFORMED', 'a certificate of the chain is no text');
      return fromBase64(one);
    });
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new SubmissionError('SUBMISSION_MALFORMED', `the body is no submission: ${error.message}`, {
      hint: 'Send {"chain":[…]}: certificates in DER, base64, the certificate first (RFC 6962 §4.1).',
    });
  }
}

/** RFC 6962 §4.1. */
function sctReply({ sct }: LoggedSubmission): Reply {
  const { logId, timestamp, extensions, signature } = parseSct(sct);
  const answer = {
    sct_version: 0,
    id: toBase64(logId),
    timestamp,
    extensions: toBase64(extensions),
    signature: toBase64(encodeDigitallySigned(signature)),
  };
  return { status: 200, contentType: 'application/json', body: JSON.stringify(answer) };
}

/** As the other refusals of a log: text. What is wrong, and in a second line what to do. */
function refusedReply({ status, info: { metadata }, message, retryAfter }: Problem): Reply {
  const { sentence = message, hint } = metadata;
  return {
    status,
    contentType: TEXT,
    body: `${[sentence, hint].filter((line) => line !== undefined).join('\n')}\n`,
    headers: retryAfter === undefined ? undefined : ['Retry-After', retryAfter],
  };
}

const accessReply = ({ status, sentence }: NonNullable<ReturnType<AccessCheck>>): Reply => ({
  status,
  contentType: TEXT,
  body: `${sentence}\n`,
  headers: status === 401 ? ['WWW-Authenticate', 'Bearer'] : undefined,
});

const busy = (): SubmissionError =>
  new SubmissionError('SUBMISSION_BUSY', 'the log works on as many submissions as it takes at once', {
    hint: 'Try again in a second.',
  });

const NOT_ALLOWED: Reply = {
  status: 405,
  contentType: TEXT,
  body: 'certificates are handed in by POST\n',
  headers: ['Allow', 'POST'],
};
