/**
 * The hot route: a signing request in, a certificate or a problem out. It runs straight under the HTTP server, and
 * what is the same in every answer of a CA is prepared once.
 */
import type { Issued } from '../ca/issuance.ts';
import type { SigningRequest } from '../ca/signing-request.ts';
import type { Admission } from './admission.ts';
import type { ClientAddress } from './client-address.ts';
import type { Exchange, Reply } from './exchange.ts';
import type { Metrics } from './metrics.ts';
import { IssuerFault } from '../oidc/issuer-fault.ts';
import { TokenError } from '../oidc/token-error.ts';
import { problemOf } from './problem.ts';
import { readBody } from './request-body.ts';
import type { RequestLog } from './request-log.ts';
import { TransportError } from './transport-error.ts';

/** What both versions of the route work with. */
export interface SigningParts {
  readonly issue: (request: SigningRequest) => Promise<Issued>;
  /** Requests being worked on. A body still on its way is not one: whoever sends slowly takes no place. */
  readonly signing: Admission;
  /** Bytes of bodies on their way. */
  readonly memory: Admission;
  readonly metrics: Metrics;
  readonly requestLog: RequestLog;
  readonly clientAddress: ClientAddress;
}

/** What differs between v1 and v2. */
export interface SigningVersion {
  readonly decode: (body: Buffer, authorization: string | undefined) => SigningRequest;
  readonly reply: (issued: Issued) => Reply;
}

const busy = (): TransportError =>
  new TransportError('TOO_BUSY', 'the server works on as many requests as it can', {
    hint: 'Try again in a second.',
  });

/** The handler of one signing route. It answers every exchange exactly once and never throws. */
export function createSigningEndpoint(
  parts: SigningParts,
  version: SigningVersion,
): (exchange: Exchange) => void {
  const { signing } = parts;
  return (exchange) => {
    readBody(exchange.request, parts.memory, (body) => {
      // The client went away: nobody is left to answer.
      if (body === undefined) return;
      exchange.complete();
      if (!(body instanceof Buffer)) refuse(parts, exchange, body);
      else if (!signing.enter()) refuse(parts, exchange, busy());
      else void sign(parts, version, exchange, body);
    });
  };
}

async function sign(
  parts: SigningParts,
  version: SigningVersion,
  exchange: Exchange,
  body: Buffer,
): Promise<void> {
  try {
    const issued = await parts.issue(version.decode(body, exchange.request.headers.authorization));
    exchange.send(version.reply(issued));
    record(parts, exchange, issued);
  } catch (error) {
    refuse(parts, exchange, error);
  } finally {
    parts.signing.leave();
  }
}

function record(parts: SigningParts, exchange: Exchange, issued: Issued): void {
  parts.metrics.issued(issued.committed.treeSize);
  parts.requestLog.issued({
    requestId: exchange.requestId,
    client: parts.clientAddress(exchange.request),
    issuer: issued.principal.issuer,
    principal: issued.principal.san.value,
    serial: issued.serialHex,
    leafIndex: issued.committed.index,
    ms: Math.round(exchange.ms * 10) / 10,
  });
}

/** Faults of issuers that a line has told. An issuer that is down is tried once in a while, and until then every token
 * of it fails with the one fault of that try: strangers must not fill the log with it. */
const told = new WeakSet<IssuerFault>();

function isToldAlready(error: unknown): boolean {
  const fault = error instanceof TokenError ? error.cause : undefined;
  if (!(fault instanceof IssuerFault)) return false;
  if (told.has(fault)) return true;
  told.add(fault);
  return false;
}

/** Answers with the problem that `error` is, and counts and logs it. */
function refuse(parts: SigningParts, exchange: Exchange, error: unknown): void {
  const problem = problemOf(error, exchange.requestId);
  exchange.send(problem.reply);
  parts.metrics.refused(problem.reason);
  parts.requestLog.refused({
    requestId: exchange.requestId,
    client: parts.clientAddress(exchange.request),
    status: problem.status,
    reason: problem.reason,
    sentence: problem.sentence,
    ms: Math.round(exchange.ms * 10) / 10,
    // What lies under a caller's fault may quote the caller; what lies under ours is needed to mend it.
    ...(isToldAlready(error) ? { isRepeated: true } : { cause: problem.status >= 500 ? error : undefined }),
  });
}
