/**
 * What a failure looks like on the wire: Fulcio's code, and its message with our sentence behind it, for clients that print
 * nothing else; and a `google.rpc.ErrorInfo` in `details` with the real reason, the sentence and what to do.
 *
 * One row for each reason that any room can raise; a reason without a row does not compile. The rows are in
 * the `*-reasons.ts` beside this file, with what `docs/errors.md` says of them.
 */
import { AuditError } from '../../audit/audit-error.ts';
import type { MayflyError } from '../../core/errors.ts';
import { printable } from '../../core/printable.ts';
import { RequestError } from '../../ca/request-error.ts';
import { LogError } from '../../tlog/core/log-error.ts';
import { TokenError } from '../../oidc/core/token-error.ts';
import { PolicyError } from '../../policy/core/policy-error.ts';
import { TimestampError } from '../../tsa/timestamp-error.ts';
import type { Reply } from '../http/exchange.ts';
import { EntryError } from '../../rekor/entries/entry-error.ts';
import { AUDIT_REASONS } from './audit-reasons.ts';
import { SearchError } from '../../search/search-error.ts';
import { SubmissionError } from '../../ct-log/submission/submission-error.ts';
import { SUBMISSION_REASONS } from './submission-reasons.ts';
import { ENTRY_REASONS } from './entry-reasons.ts';
import { LOG_REASONS } from './log-reasons.ts';
import { POLICY_REASONS } from './policy-reasons.ts';
import { HTTP_STATUS, type ReasonRow, type Wire } from './reason-row.ts';
import { REQUEST_REASONS } from './request-reasons.ts';
import { SignerError } from '../../signers/signer-error.ts';
import { SIGNER_REASONS } from './signer-reasons.ts';
import { SEARCH_REASONS } from './search-reasons.ts';
import { TIMESTAMP_REASONS } from './timestamp-reasons.ts';
import { TOKEN_REASONS } from './token-reasons.ts';
import { TRANSPORT_REASONS } from './transport-reasons.ts';
import { TransportError } from '../http/transport-error.ts';

/** Every reason that an answer can carry. */
export type Reason =
  | keyof typeof TOKEN_REASONS
  | keyof typeof REQUEST_REASONS
  | keyof typeof POLICY_REASONS
  | keyof typeof LOG_REASONS
  | keyof typeof SIGNER_REASONS
  | keyof typeof AUDIT_REASONS
  | keyof typeof TIMESTAMP_REASONS
  | keyof typeof ENTRY_REASONS
  | keyof typeof SEARCH_REASONS
  | keyof typeof SUBMISSION_REASONS
  | keyof typeof TRANSPORT_REASONS;

/** Reasons that belong together, for people. */
export interface ReasonDomain {
  readonly title: string;
  readonly error: new (...args: never[]) => MayflyError;
  readonly rows: Readonly<Record<string, ReasonRow>>;
}

/** Which errors of ours may reach a caller, and the rows of each. */
export const REASON_DOMAINS: readonly ReasonDomain[] = [
  { title: 'The token', error: TokenError, rows: TOKEN_REASONS },
  { title: 'The key, the proof and the certificate', error: RequestError, rows: REQUEST_REASONS },
  { title: 'Rules and limits', error: PolicyError, rows: POLICY_REASONS },
  { title: 'The transparency log', error: LogError, rows: LOG_REASONS },
  { title: 'Keys outside the process', error: SignerError, rows: SIGNER_REASONS },
  { title: 'The audit', error: AuditError, rows: AUDIT_REASONS },
  { title: 'Timestamps', error: TimestampError, rows: TIMESTAMP_REASONS },
  { title: 'Entries of artifact logs', error: EntryError, rows: ENTRY_REASONS },
  { title: 'Searches of the logs', error: SearchError, rows: SEARCH_REASONS },
  { title: 'Submissions of other CAs to the log', error: SubmissionError, rows: SUBMISSION_REASONS },
  { title: 'The request and the server', error: TransportError, rows: TRANSPORT_REASONS },
];

/** Every reason that an answer can carry. */
export const REASONS: readonly string[] = REASON_DOMAINS.flatMap(({ rows }) => Object.keys(rows));

/** A failure, ready to be sent by any protocol and to be written into the log. */
export interface Problem {
  /** Of gRPC, as the JSON over HTTP has it. */
  readonly code: Wire['grpc'];
  /** Over gRPC itself. */
  readonly grpcCode: number;
  /** Of HTTP. */
  readonly status: number;
  readonly reason: Reason;
  /** Fulcio's message to the byte, and behind it, after `: `, the sentence: most clients print nothing else. */
  readonly message: string;
  /** What a client that reads `details` learns beyond the message. */
  readonly info: ErrorInfo;
  /** Seconds after which trying again may help. */
  readonly retryAfter: string | undefined;
  /** Whether it is a fault or a want of the service, and none of its caller. */
  readonly isOurs: boolean;
  /** The sentence that the log may see, and the caller where nothing is hidden. */
  readonly sentence: string;
}

/** A `google.rpc.ErrorInfo`. */
interface ErrorInfo {
  readonly reason: string;
  readonly domain: 'mayfly';
  readonly metadata: Readonly<Record<string, string>>;
}

/** What `error` means to the caller of `requestId`. Anything but our own typed errors becomes INTERNAL, without a
 * word of its text. */
export function problemOf(error: unknown, requestId: string): Problem {
  for (const { error: domain, rows } of REASON_DOMAINS) {
    if (!(error instanceof domain)) continue;
    const found = Object.hasOwn(rows, error.code) ? rows[error.code] : undefined;
    if (found !== undefined) return describe(error, found, requestId);
  }
  const internal = new TransportError('INTERNAL', 'the server failed while it worked on the request', {
    hint: 'Give the operator the request id; the cause is in the log of the server.',
  });
  return describe(internal, TRANSPORT_REASONS.INTERNAL, requestId);
}

/** The answer over HTTP. */
export function problemReply({ code, status, message, info, retryAfter }: Problem): Reply {
  const details = [{ '@type': 'type.googleapis.com/google.rpc.ErrorInfo', ...info }];
  return {
    status,
    contentType: 'application/json',
    body: JSON.stringify({ code, message, details }),
    headers: retryAfter === undefined ? undefined : ['Retry-After', retryAfter],
  };
}

function describe(error: MayflyError, found: Wire, requestId: string): Problem {
  const { sentence, hint } = found.instead ?? { sentence: error.message, hint: error.hint };
  const status = found.status ?? HTTP_STATUS[found.grpc];
  return {
    code: found.grpc,
    grpcCode: found.overGrpc ?? found.grpc,
    status,
    isOurs: status >= 500 && found.isChosenByCaller !== true,
    reason: error.code as Reason,
    message: messageOf(error, found, sentence),
    info: {
      reason: error.code,
      domain: 'mayfly',
      metadata: {
        ...(found.instead === undefined ? error.metadata : {}),
        sentence,
        ...(hint === undefined ? {} : { hint }),
        requestId,
      },
    },
    retryAfter: retryAfterOf(error, found),
    sentence: error.message,
  };
}

/** Fulcio's text, which is the error's own where Fulcio words the single case, else the row's; and the sentence. Clients
 * print it as it is. */
function messageOf(error: MayflyError, found: Wire, sentence: string): string {
  const own = error instanceof TokenError ? error.fulcioMessage : undefined;
  const fulcio = own ?? found.fulcioMessage;
  if (fulcio === undefined) return error.message;
  return fulcio === sentence ? fulcio : `${fulcio}: ${printable(sentence)}`;
}

/** Seconds; the error knows better than its row when it says so. Only where the row expects a second try. */
function retryAfterOf(error: MayflyError, { retryAfter }: Wire): string | undefined {
  if (retryAfter === undefined) return undefined;
  const own = error.metadata['retryAfter'];
  return own !== undefined && /^\d{1,9}$/.test(own) ? own : String(retryAfter);
}
