/**
 * The hot route: a signing request in, a certificate or a problem out. It runs straight under the HTTP server, and
 * what is the same in every answer of a CA is prepared once.
 */
import type { DecisionTrace } from '../ca/decision-trace.ts';
import type { Issue, Issued } from '../ca/issuance.ts';
import type { SigningRequest } from '../ca/signing-request.ts';
import type { Admission } from './admission.ts';
import type { DecisionRecords } from './decision-records.ts';
import type { Exchange, Reply } from './exchange.ts';
import { problemOf } from './problem.ts';
import { readBody } from './request-body.ts';
import { TransportError } from './transport-error.ts';
import { Wave } from './wave.ts';

/** What both versions of the route work with. */
export interface SigningParts {
  readonly issue: Issue;
  /** Requests being worked on. A body still on its way is not one: whoever sends slowly takes no place. */
  readonly signing: Admission;
  /** Bytes of bodies on their way. */
  readonly memory: Admission;
  readonly records: DecisionRecords;
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
  const wave = new Wave();
  return (exchange) => {
    readBody(exchange.request, parts.memory, (body) => {
      // The client went away: nobody is left to answer.
      if (body === undefined) return;
      exchange.complete();
      if (!(body instanceof Buffer)) refuse(parts, exchange, body);
      else if (!signing.enter()) refuse(parts, exchange, busy());
      else {
        wave.join(() => {
          void sign(parts, version, exchange, body);
        });
      }
    });
  };
}

async function sign(
  parts: SigningParts,
  version: SigningVersion,
  exchange: Exchange,
  body: Buffer,
): Promise<void> {
  const trace: DecisionTrace = {};
  try {
    const issued = await parts.issue(version.decode(body, exchange.request.headers.authorization), trace);
    const record = { exchange, issued, trace };
    // Asked in the very turn in which the certificate leaves: a rule that was loaded is a promise.
    issued.confirm();
    const recorded = parts.records.releasing(record);
    if (recorded !== undefined) {
      await recorded;
      issued.confirm();
    }
    exchange.send(version.reply(issued));
    parts.records.issued(record);
  } catch (error) {
    refuse(parts, exchange, error, trace);
  } finally {
    parts.signing.leave();
  }
}

/** Answers with the problem that `error` is, and keeps it. */
function refuse(
  { records }: SigningParts,
  exchange: Exchange,
  error: unknown,
  trace: DecisionTrace = {},
): void {
  const problem = problemOf(error, exchange.requestId);
  exchange.send(problem.reply);
  records.refused({ exchange, trace, error, problem });
}
