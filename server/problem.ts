/**
 * What a failure looks like on the wire: Fulcio's code and message for old clients, and a `google.rpc.ErrorInfo` in
 * `details`, which they ignore, with the real reason, a sentence and what to do.
 *
 * One row for each reason that any room can raise; a reason without a row does not compile.
 */
import type { MayflyError } from '../core/errors.ts';
import { RequestError, type RequestReason } from '../ca/request-error.ts';
import { LogError, type LogReason } from '../ct-log/log-error.ts';
import { TokenError, type TokenReason } from '../oidc/token-error.ts';
import type { Reply } from './exchange.ts';
import { TransportError, type TransportReason } from './transport-error.ts';

/** Every reason that an answer can carry. */
export type Reason = TokenReason | RequestReason | LogReason | TransportReason;

/** Status codes of gRPC that Fulcio's gateway uses, and the HTTP status of each. */
const HTTP_STATUS = { 3: 400, 5: 404, 7: 403, 12: 501, 13: 500, 14: 503 } as const;

interface Row {
  readonly grpc: keyof typeof HTTP_STATUS;
  /** Fulcio's message; undefined where Fulcio itself sends the sentence. */
  readonly message: string | undefined;
  /** Seconds after which trying again may help. */
  readonly retryAfter?: number;
}

const row = (grpc: Row['grpc'], message?: string, retryAfter?: number): Row =>
  retryAfter === undefined ? { grpc, message } : { grpc, message, retryAfter };

const TOKEN = row(3, 'There was an error processing the identity token');
const KEY = row(3, 'The public key supplied in the request could not be parsed');
const CSR = row(3, 'The certificate signing request could not be parsed');
const INSECURE = row(3, 'The public key supplied in the request is insecure');
const UNPROVEN = row(3, 'The signature supplied in the request could not be verified');
const OWN_WORDS = row(3);
const CA_DOWN = row(13, 'error communicating with CA backend');
const LOG_DOWN = row(14, 'Error entering certificate in CTL', 5);
const FAULT = row(13, 'an internal error occurred');

const TOKEN_ROWS: Readonly<Record<TokenReason, Row>> = {
  TOKEN_MISSING: TOKEN,
  TOKEN_TOO_LARGE: TOKEN,
  TOKEN_MALFORMED: TOKEN,
  ALGORITHM_REFUSED: TOKEN,
  ISSUER_UNKNOWN: TOKEN,
  // Not the caller's fault, and trying again may help: Fulcio answers 400 here.
  ISSUER_UNREACHABLE: row(14, TOKEN.message, 5),
  ISSUER_METADATA_INVALID: row(14, TOKEN.message, 30),
  KEY_UNKNOWN: TOKEN,
  TOKEN_SIGNATURE_INVALID: TOKEN,
  TOKEN_EXPIRED: TOKEN,
  TOKEN_NOT_YET_VALID: TOKEN,
  AUDIENCE_MISMATCH: TOKEN,
  CLAIM_MISSING: TOKEN,
  CLAIM_INVALID: TOKEN,
  EMAIL_NOT_VERIFIED: TOKEN,
  IDENTITY_REFUSED: TOKEN,
  TEMPLATE_FAILED: TOKEN,
};

const REQUEST_ROWS: Readonly<Record<RequestReason, Row>> = {
  KEY_MISSING: KEY,
  KEY_MALFORMED: KEY,
  KEY_INSECURE: INSECURE,
  KEY_UNSUPPORTED: INSECURE,
  PROOF_INVALID: UNPROVEN,
  CSR_MALFORMED: CSR,
  CSR_SIGNATURE_INVALID: UNPROVEN,
  CSR_ALGORITHM_UNRECOGNIZED: OWN_WORDS,
  ALGORITHM_NOT_PERMITTED: OWN_WORDS,
  IDENTITY_UNENCODABLE: OWN_WORDS,
  IDENTITY_TOO_LARGE: OWN_WORDS,
  ISSUER_MISSING: OWN_WORDS,
  AUTHORITY_EXPIRED: CA_DOWN,
  AUTHORITY_NOT_YET_VALID: CA_DOWN,
};

const LOG_ROWS: Readonly<Record<LogReason, Row>> = {
  LOG_BUSY: row(14, LOG_DOWN.message, 1),
  LOG_UNAVAILABLE: LOG_DOWN,
  LOG_CLOCK: LOG_DOWN,
  LOG_CLOSED: LOG_DOWN,
  LOG_LOCKED: LOG_DOWN,
  LOG_CORRUPT: LOG_DOWN,
  LOG_ROLLED_BACK: LOG_DOWN,
  LOG_UNSUITABLE_STORAGE: LOG_DOWN,
  LOG_EXISTS: LOG_DOWN,
  LOG_MISSING: LOG_DOWN,
  LOG_WRONG_KEY: LOG_DOWN,
  LOG_HEAD_MOVED: LOG_DOWN,
  LOG_STORAGE: LOG_DOWN,
  LOG_BAD_ORIGIN: LOG_DOWN,
  LOG_ENTRY_REFUSED: row(13, LOG_DOWN.message),
};

const TRANSPORT_ROWS: Readonly<Record<TransportReason, Row>> = {
  BODY_MALFORMED: OWN_WORDS,
  BODY_TOO_LARGE: row(3, 'http: request body too large'),
  NOT_FOUND: row(5, 'Not Found'),
  METHOD_NOT_ALLOWED: row(12, 'Method Not Allowed'),
  HOST_REFUSED: row(7),
  TOO_BUSY: row(14, 'the server is busy', 1),
  INTERNAL: FAULT,
};

/** Which errors of ours may reach a caller, and the rows of each. */
const DOMAINS: readonly (readonly [new (...args: never[]) => MayflyError, Readonly<Record<string, Row>>])[] =
  [
    [TokenError, TOKEN_ROWS],
    [RequestError, REQUEST_ROWS],
    [LogError, LOG_ROWS],
    [TransportError, TRANSPORT_ROWS],
  ];

/** Every reason that an answer can carry. */
export const REASONS: readonly string[] = DOMAINS.flatMap(([, rows]) => Object.keys(rows));

/** A failure, ready to be sent and to be written into the log. */
export interface Problem {
  readonly status: number;
  readonly reason: Reason;
  /** The sentence that caller and log may see. */
  readonly sentence: string;
  readonly reply: Reply;
}

/** Log faults that a caller gets no detail of: the sentence names files and storage. */
const isInternalDetail = (error: MayflyError, row: Row): boolean =>
  error instanceof LogError && error.code !== 'LOG_BUSY' && row.grpc !== 3;

/** What `error` means to the caller of `requestId`. Anything but our own typed errors becomes INTERNAL, without a
 * word of its text. */
export function problemOf(error: unknown, requestId: string): Problem {
  for (const [domain, rows] of DOMAINS) {
    if (!(error instanceof domain)) continue;
    const found = Object.hasOwn(rows, error.code) ? rows[error.code] : undefined;
    if (found !== undefined) return describe(error, found, requestId);
  }
  return describe(
    new TransportError('INTERNAL', 'the server failed while it worked on the request', {
      hint: 'Give the operator the request id; the cause is in the log of the server.',
    }),
    FAULT,
    requestId,
  );
}

function describe(error: MayflyError, found: Row, requestId: string): Problem {
  const isHidden = isInternalDetail(error, found);
  const sentence = isHidden ? 'the transparency log takes no entries at the moment' : error.message;
  const hint = isHidden ? 'Try again later; the cause is in the log of the server.' : error.hint;
  const info = {
    '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
    reason: error.code,
    domain: 'mayfly',
    metadata: {
      ...(isHidden ? {} : error.metadata),
      sentence,
      ...(hint === undefined ? {} : { hint }),
      requestId,
    },
  };
  const body = { code: found.grpc, message: fulcioMessage(error, found), details: [info] };
  return {
    status: HTTP_STATUS[found.grpc],
    reason: error.code as Reason,
    sentence: error.message,
    reply: {
      status: HTTP_STATUS[found.grpc],
      contentType: 'application/json',
      body: JSON.stringify(body),
      headers: found.retryAfter === undefined ? undefined : ['Retry-After', String(found.retryAfter)],
    },
  };
}

/** The error's own Fulcio text where Fulcio words the single case, else the row's. */
function fulcioMessage(error: MayflyError, found: Row): string {
  const own = error instanceof TokenError ? error.fulcioMessage : undefined;
  return own ?? found.message ?? error.message;
}
