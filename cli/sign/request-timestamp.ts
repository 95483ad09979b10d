/** Asks a timestamp authority (RFC 3161) for a timestamp over a signature. */
import { createHash, randomBytes } from 'node:crypto';
import { boolean, octetString, oid, sequence, tlv, unsignedInteger } from '../../core/der-writer.ts';
import { Tag } from '../../core/der-tag.ts';
import { FormatError } from '../../core/errors.ts';
import { IMPRINT_HASHES } from '../../tsa/format/object-identifiers.ts';
import { isNumber } from '../../verify/timestamp.ts';
import { parseTimestamp } from '../../tsa/format/timestamp-token.ts';
import { CommandError } from '../program/command.ts';
import { retryAfterOf, type RawAnswer } from '../certificate/http.ts';
import { withWords } from '../certificate/service-words.ts';
import { exchangePatiently, isTheirs } from './patient-exchange.ts';

const NONCE_BYTES = 16;
/** Far above any answer with its certificates. */
const ANSWER_LIMIT = 64 * 1024;
const TIMEOUT_MS = 30_000;

/** Asks the authority whose endpoint is `url` for a timestamp of `signature` by SHA-256; returns the DER of its whole answer, of which nothing is verified but that it is one and
 * answers this very request, by its nonce. Rejects with {@link CommandError}. */
export async function requestTimestamp(url: URL, signature: Uint8Array): Promise<Uint8Array> {
  const nonce = randomBytes(NONCE_BYTES);
  const answer = await exchangePatiently(url, AUTHORITY, {
    method: 'POST',
    headers: { 'content-type': 'application/timestamp-query', accept: 'application/timestamp-reply' },
    body: timestampQuery(signature, nonce),
    timeoutMs: TIMEOUT_MS,
    maxBytes: ANSWER_LIMIT,
  });
  if (answer.status !== 200 && answer.status !== 201) throw refusal(url, answer);
  requireNonce(url, answer.bytes, nonce);
  return answer.bytes;
}

const AUTHORITY = 'the timestamp authority';

/** TimeStampReq with a nonce, and the wish to have the certificate in the answer. */
const timestampQuery = (signature: Uint8Array, nonce: Uint8Array): Uint8Array =>
  sequence(
    unsignedInteger(Uint8Array.of(1)),
    sequence(
      sequence(oid(IMPRINT_HASHES.sha256.oid), tlv(Tag.null)),
      octetString(createHash('sha256').update(signature).digest()),
    ),
    unsignedInteger(nonce),
    boolean(true),
  );

/** The requester compares it (RFC 3161, 2.4.2). Before anything else is done with the signature: what else the answer says is verified with the bundle. */
function requireNonce(url: URL, answer: Uint8Array, nonce: Uint8Array): void {
  if (isNumber(nonceOf(url, answer), nonce)) return;
  throw ungranted(url, 'its answer has not the nonce of the request: it is that to another one');
}

function nonceOf(url: URL, answer: Uint8Array): Uint8Array {
  try {
    return parseTimestamp(answer).info.nonce ?? new Uint8Array();
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw ungranted(url, `its answer cannot be used: ${error.message}`, error);
  }
}

const ungranted = (url: URL, why: string, cause?: Error): CommandError =>
  new CommandError('FAILED', `${AUTHORITY} at ${url.origin} granted no timestamp: ${why}`, {
    hint: NOTHING_WRITTEN,
    cause,
  });

const NOTHING_WRITTEN =
  'Nothing was written: without a timestamp nobody can verify once the certificate has ended.';

function refusal(url: URL, { status, headers, bytes }: RawAnswer): CommandError {
  const retryAfter = retryAfterOf(headers);
  return new CommandError(
    'FAILED',
    withWords(`${AUTHORITY} at ${url.origin} granted no timestamp (status ${status})`, bytes),
    {
      hint: NOTHING_WRITTEN,
      metadata: {
        ...(retryAfter === undefined ? {} : { retryAfter: String(retryAfter) }),
        ...(isTheirs(status) ? { unavailable: String(status) } : {}),
      },
    },
  );
}
