/** Asks a timestamp authority (RFC 3161) for a timestamp over a signature. */
import { createHash, randomBytes } from 'node:crypto';
import { boolean, octetString, oid, sequence, tlv, unsignedInteger } from '../../core/der-writer.ts';
import { Tag } from '../../core/der-tag.ts';
import { RETRY_LIMITS, retryDelay, retrying } from '../../core/retry.ts';
import { IMPRINT_HASHES } from '../../tsa/format/object-identifiers.ts';
import { CommandError } from '../program/command.ts';
import { exchangeBytes, retryAfterOf, type RawAnswer } from '../certificate/http.ts';
import { withWords } from '../certificate/service-words.ts';

const NONCE_BYTES = 16;
/** Far above any answer with its certificates. */
const ANSWER_LIMIT = 64 * 1024;
const TIMEOUT_MS = 30_000;

/** Asks the authority whose endpoint is `url` for a timestamp of `signature` by SHA-256; returns the DER of its whole answer, of which nothing is verified. Rejects with
 * {@link CommandError}. */
export async function requestTimestamp(url: URL, signature: Uint8Array): Promise<Uint8Array> {
  const send = (): Promise<RawAnswer> =>
    exchangeBytes(url, AUTHORITY, {
      method: 'POST',
      headers: { 'content-type': 'application/timestamp-query', accept: 'application/timestamp-reply' },
      body: timestampQuery(signature),
      timeoutMs: TIMEOUT_MS,
      maxBytes: ANSWER_LIMIT,
    });
  const answer = await retrying(send, delayOf, RETRY_LIMITS);
  if (answer.status === 200 || answer.status === 201) return answer.bytes;
  throw refusal(url, answer);
}

const AUTHORITY = 'the timestamp authority';

const delayOf = ({ status, headers }: RawAnswer): number | undefined =>
  retryDelay(status, retryAfterOf(headers));

/** TimeStampReq with a nonce, and the wish to have the certificate in the answer. An old answer would be found out without the nonce: no two signatures are the same. */
const timestampQuery = (signature: Uint8Array): Uint8Array =>
  sequence(
    unsignedInteger(Uint8Array.of(1)),
    sequence(
      sequence(oid(IMPRINT_HASHES.sha256.oid), tlv(Tag.null)),
      octetString(createHash('sha256').update(signature).digest()),
    ),
    unsignedInteger(randomBytes(NONCE_BYTES)),
    boolean(true),
  );

function refusal(url: URL, { status, headers, bytes }: RawAnswer): CommandError {
  const retryAfter = retryAfterOf(headers);
  return new CommandError(
    'FAILED',
    withWords(`${AUTHORITY} at ${url.origin} granted no timestamp (status ${status})`, bytes),
    {
      hint: 'Nothing was written: without a timestamp nobody can verify once the certificate has ended.',
      metadata: {
        ...(retryAfter === undefined ? {} : { retryAfter: String(retryAfter) }),
        ...(status === 429 || status >= 500 ? { unavailable: String(status) } : {}),
      },
    },
  );
}
