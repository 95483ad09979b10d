import type { TransportReason } from '../http/transport-error.ts';
import type { ReasonRows } from './reason-row.ts';

const NO_DECISION =
  'It answers requests to other paths, methods or host names, which ask for no certificate.';

/** The request is refused before anybody looked at token or key, or the server itself failed. */
export const TRANSPORT_REASONS: ReasonRows<TransportReason> = {
  BODY_MALFORMED: {
    grpc: 3,
    meaning:
      'The body is not the JSON that the call takes, over gRPC not the message, has more than 10,000 values, or comes in chunks of a few bytes.',
    cause:
      'A client of the other version of the API, a shell that ate the quotes, or a client that sends each piece of its JSON in a chunk.',
    remedy: 'The sentence says what is wrong and where; http-api.md shows a body.',
  },
  BODY_TOO_LARGE: {
    grpc: 3,
    overGrpc: 8,
    fulcioMessage: 'http: request body too large',
    meaning: 'The body is longer than 256 KiB.',
    cause: 'A file was sent in place of its key.',
    remedy: 'A signing request is a token and a key: a few kilobytes.',
  },
  TOO_BUSY: {
    grpc: 14,
    fulcioMessage: 'the server is busy',
    retryAfter: 1,
    meaning: 'The server works on as many requests, or holds as many incomplete bodies, as it can.',
    cause: 'A burst of requests. Or a large body that is sent slowly, while many others are.',
    remedy:
      'Try again in a second; the operator looks at `mayfly_signing_requests` and `limits.max-in-flight`.',
  },
  DEADLINE_EXCEEDED: {
    grpc: 4,
    isChosenByCaller: true,
    fulcioMessage: 'the deadline was exceeded',
    meaning: 'A call over gRPC was not complete, or could not begin, before its deadline.',
    cause:
      'A client that allows a few milliseconds, a busy server, or a message that does not come within ten seconds.',
    remedy: 'Allow more time. Nothing was issued.',
  },
  NOT_FOUND: {
    grpc: 5,
    fulcioMessage: 'Not Found',
    meaning: 'There is nothing at this path.',
    cause: 'A base URL with a path, or the address of another service.',
    remedy: 'Check the base URL; http-api.md lists every path.',
    neverAnswered: NO_DECISION,
  },
  METHOD_NOT_ALLOWED: {
    grpc: 12,
    isChosenByCaller: true,
    fulcioMessage: 'Method Not Allowed',
    meaning: 'The path exists, but not for this method.',
    cause: 'A link to the call was opened in a browser.',
    remedy: 'Use the method that `Allow` names.',
    neverAnswered: NO_DECISION,
  },
  HOST_REFUSED: {
    grpc: 7,
    meaning: 'The service does not answer to that host name. Only `mayfly dev` says so.',
    cause: 'A page in a browser that points a name of its own at this machine.',
    remedy: 'Use the address that it printed at its start.',
    neverAnswered: NO_DECISION,
  },
  INTERNAL: {
    grpc: 13,
    fulcioMessage: 'an internal error occurred',
    meaning: 'The server failed while it worked on the request. No certificate left.',
    cause: 'The key backend failed, or there is a mistake in the program.',
    remedy: 'Give the operator the request id: the cause is in the service log and nowhere else.',
  },
};
