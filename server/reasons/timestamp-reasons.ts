import type { TimestampReason } from '../../tsa/timestamp-error.ts';
import type { ReasonRow, ReasonRows, Wire } from './reason-row.ts';

/** What Sigstore's authority says of most refusals. */
const STOCK = 'Error generating timestamp response';

const BAD: Wire = { grpc: 3, fulcioMessage: STOCK };
const DOWN: Wire = { grpc: 14, fulcioMessage: STOCK, retryAfter: 5 };

type Text = Pick<ReasonRow, 'meaning' | 'cause' | 'remedy'>;

/** No signing request gets one of these. */
const row = (wire: Wire, status: string, text: Text): ReasonRow => ({
  ...wire,
  ...text,
  neverAnswered: `It answers requests for timestamps: ${status}.`,
});

/** There is no timestamp. */
export const TIMESTAMP_REASONS: ReasonRows<TimestampReason> = {
  TIMESTAMP_MALFORMED: row(BAD, '400, failure `badDataFormat`', {
    meaning: 'The body is neither a TimeStampReq in DER nor the JSON of Sigstore’s authority.',
    cause: 'The data itself was sent in place of a request, or the bytes were changed on their way.',
    remedy: 'The sentence says what is wrong; `openssl ts -query -data FILE -sha256 -cert` makes a request.',
  }),
  TIMESTAMP_UNSUPPORTED: row(BAD, '400, failure `badRequest`', {
    meaning: 'The request has another version than 1, the only one that there is.',
    cause: 'A client with a fault.',
    remedy: 'Use another client.',
  }),
  TIMESTAMP_ALGORITHM_REFUSED: row(
    { grpc: 3, fulcioMessage: 'Weak hash algorithm in timestamp request' },
    '400, failure `badAlg`',
    {
      meaning: 'The digest is of another hash than SHA-256, SHA-384 and SHA-512.',
      cause: 'An old client that uses SHA-1.',
      remedy: 'Have the client hash with SHA-256.',
    },
  ),
  TIMESTAMP_DIGEST_LENGTH: row(
    { grpc: 3, fulcioMessage: 'Message digest has incorrect length for specified algorithm' },
    '400, failure `badDataFormat`',
    {
      meaning: 'The digest has another length than digests of its hash have.',
      cause: 'The data, or the digest as hexadecimal text, was sent in its place.',
      remedy: 'Send the digest as bytes: 32, 48 or 64 of them.',
    },
  ),
  TIMESTAMP_POLICY_REFUSED: row(BAD, '400, failure `unacceptedPolicy`', {
    meaning: 'The request asks for another policy than the one of this authority.',
    cause: 'A client that is set up for another authority.',
    remedy: 'Ask for no policy, or for `mayfly.timestamps.policy`.',
  }),
  TIMESTAMP_EXTENSION_REFUSED: row(BAD, '400, failure `unacceptedExtension`', {
    meaning:
      'The request has extensions. RFC 3161 has an authority refuse those that it does not know, and this one knows none.',
    cause: 'A client that is set up for another authority.',
    remedy: 'Ask without extensions.',
  }),
  TIMESTAMP_CONTENT_TYPE: row({ ...BAD, status: 415 }, '415', {
    meaning: 'The body is of another type than `application/timestamp-query` and `application/json`.',
    cause: 'A client that sends no `Content-Type`, as `curl --data-binary` does by default.',
    remedy: 'Send `Content-Type: application/timestamp-query`.',
  }),
  TIMESTAMP_RATE_LIMITED: row({ grpc: 8, retryAfter: 1 }, '429, with `Retry-After`', {
    meaning: 'The client’s address asked for more timestamps than one may.',
    cause: 'A client that asks in a circle, or many behind one address.',
    remedy:
      'Try again after `Retry-After` seconds; the operator raises `timestamps.rate-limit`, or names a proxy in `trusted-proxies`.',
  }),
  TIMESTAMP_CLOCK: row(
    {
      ...DOWN,
      instead: {
        sentence: 'the authority does not trust its clock at the moment',
        hint: 'Try again later; the cause is in the log of the server.',
      },
    },
    '503, failure `timeNotAvailable`, with `Retry-After`',
    {
      meaning: 'The clock jumped and is not trusted yet, went back, or is not that of the time servers.',
      cause: 'The clock was set, or a virtual machine was halted and went on.',
      remedy: 'The operator sets the clock right: timestamps.md, “The clock”.',
    },
  ),
  TIMESTAMP_CERTIFICATE: row(
    {
      ...DOWN,
      retryAfter: 60,
      instead: {
        sentence: 'the certificate for timestamps is not valid at this time',
        hint: 'Try again later; the cause is in the log of the server.',
      },
    },
    '503, failure `systemFailure`, with `Retry-After`',
    {
      meaning:
        'A certificate of the chain for timestamps has ended or is not valid yet, so that nobody would believe a timestamp.',
      cause: 'It was not renewed in time, or the clock is wrong.',
      remedy: 'The operator renews it with `mayfly tsa renew`.',
    },
  ),
  TIMESTAMP_KEY: row(
    {
      ...DOWN,
      retryAfter: 2,
      instead: {
        sentence: 'the key for timestamps cannot sign',
        hint: 'Try again later; the cause is in the log of the server.',
      },
    },
    '503 with `Retry-After`, failure `systemFailure`',
    {
      meaning: 'The key for timestamps cannot sign.',
      cause: 'What holds it cannot be reached.',
      remedy:
        'Try again. The operator finds the cause in the service log, and in the check `keys` of `/readyz`.',
    },
  ),
};
