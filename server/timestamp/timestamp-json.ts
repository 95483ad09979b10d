/**
 * Requests for timestamps in the JSON form of Sigstore's authority:
 *
 *     {"artifactHash": BASE64, "hashAlgorithm": "sha256", "certificates"?: BOOLEAN, "nonce"?: NUMBER, "tsaPolicyOID"?: TEXT}
 *
 * As there, members that are not known mean nothing, names of hashes may be in either case, and an empty policy is none.
 */
import { fromBase64, utf8Text } from '../../core/bytes.ts';
import { oid, tlv } from '../../core/der-writer.ts';
import { Tag } from '../../core/der-tag.ts';
import { FormatError } from '../../core/errors.ts';
import { parseStrictJson, type JsonValue } from '../../core/strict-json.ts';
import { TimestampError } from '../../tsa/timestamp-error.ts';
import {
  NONCE_LIMIT,
  REQUEST_LIMIT,
  timestampRequestOf,
  type TimestampRequest,
} from '../../tsa/timestamp-request.ts';

type Members = Readonly<Record<string, JsonValue>>;

const DEPTH = 4;

/** The request in a body. Throws {@link TimestampError} and nothing else. */
export function parseTimestampJson(body: Uint8Array): TimestampRequest {
  try {
    return read(utf8Text(body));
  } catch (error) {
    if (error instanceof FormatError) throw malformed(error.message, error);
    throw error;
  }
}

function read(text: string): TimestampRequest {
  const value = parseStrictJson(text, { length: REQUEST_LIMIT, depth: DEPTH });
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw malformed('it is no object of JSON');
  const members = new Map(Object.entries(value as Members));
  const hash = textOf(members, 'hashAlgorithm') ?? '';
  const digest = fromBase64(textOf(members, 'artifactHash') ?? '');
  const certificates = members.get('certificates') ?? false;
  if (typeof certificates !== 'boolean') throw malformed('certificates is neither true nor false');
  return timestampRequestOf(hash.toLowerCase(), digest, {
    policy: policyOf(textOf(members, 'tsaPolicyOID')),
    nonce: nonceOf(members.get('nonce'), text),
    wantsCertificate: certificates,
  });
}

function textOf(members: ReadonlyMap<string, JsonValue>, name: string): string | undefined {
  const value = members.get(name) ?? undefined;
  if (value !== undefined && typeof value !== 'string') throw malformed(`${name} is no text`);
  return value;
}

/** At most 16 arcs that have exact numbers; the second one has to fit the first. */
const POLICY = /^(?:[01]\.[1-3]?\d|2\.\d{1,9})(?:\.(?:0|[1-9]\d{0,14})){1,14}$/;

function policyOf(text: string | undefined): Uint8Array | undefined {
  if (text === undefined || text === '') return undefined;
  if (!POLICY.test(text)) throw malformed('tsaPolicyOID is no object identifier');
  return oid(text);
}

/** Digits that {@link NONCE_LIMIT} octets have at most. */
const MOST_DIGITS = Math.floor(NONCE_LIMIT * 2.4);
const NONCE = new RegExp(String.raw`"nonce"\s*:\s*(-?\d{1,${MOST_DIGITS}})\s*[,}]`, 'g');

/** JavaScript would round a number of more than 53 bits, and clients draw 64 and more: its digits are read from the text. That
 * text is JSON without a name twice; one that stands in a text or deeper makes it ambiguous, and is refused. */
function nonceOf(value: JsonValue | undefined, text: string): Uint8Array | undefined {
  if (value === undefined || value === null) return undefined;
  const [found, ...others] = text.matchAll(NONCE);
  const digits = found?.[1];
  if (digits === undefined || others.length > 0 || Number(digits) !== value)
    throw malformed('nonce is no whole number, or too large');
  return integerOf(BigInt(digits));
}

/** DER INTEGER of either sign. */
function integerOf(value: bigint): Uint8Array {
  let width = 1;
  while (BigInt.asIntN(8 * width, value) !== value) width++;
  const octets = BigInt.asUintN(8 * width, value)
    .toString(16)
    .padStart(2 * width, '0');
  return tlv(Tag.integer, Buffer.from(octets, 'hex'));
}

const malformed = (what: string, cause?: Error): TimestampError =>
  new TimestampError('TIMESTAMP_MALFORMED', `the request cannot be read: ${what}`, {
    hint: 'docs/timestamps.md shows the JSON form.',
    cause,
  });
