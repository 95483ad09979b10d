/**
 * TimeStampReq (RFC 3161 §2.4.1), read strictly as DER:
 *
 *     TimeStampReq ::= SEQUENCE { version INTEGER { v1(1) }, messageImprint, reqPolicy OID OPTIONAL,
 *                                 nonce INTEGER OPTIONAL, certReq BOOLEAN DEFAULT FALSE, extensions [0] OPTIONAL }
 */
import { DerReader, oidText, readOnly, booleanValue, type Tlv } from '../core/der-reader.ts';
import { contextTag, Tag } from '../core/der-tag.ts';
import { octetString, oid, sequence } from '../core/der-writer.ts';
import { FormatError } from '../core/errors.ts';
import { IMPRINT_HASHES, type ImprintHash } from './format/object-identifiers.ts';
import { TimestampError } from './timestamp-error.ts';

/** Bytes of a request: one with everything in it has some two hundred. */
export const REQUEST_LIMIT = 4096;

/** Octets of a nonce. Clients send 8 to 20. */
export const NONCE_LIMIT = 64;

/** What is to be timestamped, and how. Byte strings are DER. */
export interface TimestampRequest {
  readonly hash: ImprintHash;
  readonly digest: Uint8Array;
  /** MessageImprint as the client sent it: some verifiers compare all of its bytes with those of the answer. */
  readonly imprint: Uint8Array;
  /** OBJECT IDENTIFIER of the policy that is asked for. */
  readonly policy?: Uint8Array | undefined;
  /** INTEGER. */
  readonly nonce?: Uint8Array | undefined;
  /** Whether the answer has the certificate in it. */
  readonly wantsCertificate: boolean;
}

/** The request in `der`. Throws {@link TimestampError} and nothing else. */
export function parseTimestampRequest(der: Uint8Array): TimestampRequest {
  try {
    if (der.length > REQUEST_LIMIT)
      throw new FormatError('TOO_LARGE', `it has more than ${REQUEST_LIMIT} bytes`);
    return read(new DerReader(readOnly(der, Tag.sequence).value));
  } catch (error) {
    if (error instanceof FormatError) throw malformed(error);
    throw error;
  }
}

function read(reader: DerReader): TimestampRequest {
  readVersion(reader.next(Tag.integer));
  const { raw: imprint, value } = reader.next(Tag.sequence);
  const policy = reader.optional(Tag.oid);
  if (policy !== undefined) oidText(policy.value);
  const nonce = reader.optional(Tag.integer);
  if (nonce !== undefined) checkNonce(nonce.value);
  const wantsCertificate = readFlag(reader.optional(Tag.boolean));
  const extensions = reader.optional(contextTag(0, true));
  reader.end();
  const { hash, digest } = readImprint(new DerReader(value));
  // RFC 3161 §2.4.1: what is not recognized is refused, critical or not.
  if (extensions !== undefined)
    throw new TimestampError(
      'TIMESTAMP_EXTENSION_REFUSED',
      'the request has extensions, and none is known here',
      {
        hint: 'Ask without extensions.',
      },
    );
  return { hash, digest, imprint, policy: policy?.raw, nonce: nonce?.raw, wantsCertificate };
}

function readVersion({ value }: Tlv): void {
  if (value.length === 1 && value[0] === 1) return;
  throw new TimestampError('TIMESTAMP_UNSUPPORTED', 'the request has another version than 1');
}

/** An INTEGER of either sign, in its shortest form. */
function checkNonce(value: Uint8Array): void {
  const [first, second = 0] = value;
  if (first === undefined) throw new FormatError('MALFORMED', 'the nonce is empty');
  if (value.length > NONCE_LIMIT)
    throw new FormatError('TOO_LARGE', `the nonce has more than ${NONCE_LIMIT} octets`);
  const isPadded = (first === 0 && second < 0x80) || (first === 0xff && second >= 0x80);
  if (value.length > 1 && isPadded) throw new FormatError('MALFORMED', 'the nonce is not minimal');
}

function readFlag(flag: Tlv | undefined): boolean {
  if (flag === undefined) return false;
  if (booleanValue(flag.value)) return true;
  throw new FormatError('MALFORMED', 'the request spells out that it wants no certificate');
}

function readImprint(reader: DerReader): Pick<TimestampRequest, 'hash' | 'digest'> {
  const algorithm = reader.enter(Tag.sequence);
  const dotted = oidText(algorithm.next(Tag.oid).value);
  const parameters = algorithm.optional(Tag.null);
  algorithm.end();
  if (parameters !== undefined && parameters.value.length > 0)
    throw new FormatError('MALFORMED', 'NULL has content');
  const { value: digest } = reader.next(Tag.octetString);
  reader.end();
  const hash = HASH_NAMES.get(dotted);
  if (hash === undefined) throw algorithmRefused();
  checkLength(hash, digest);
  return { hash, digest };
}

const HASH_NAMES: ReadonlyMap<string, ImprintHash> = new Map(
  Object.entries(IMPRINT_HASHES).map(([name, { oid: dotted }]) => [dotted, name as ImprintHash]),
);

/** Parameters NULL, as most clients write them. */
const ALGORITHMS = new Map(
  Object.entries(IMPRINT_HASHES).map(([name, { oid: dotted }]) => [
    name,
    sequence(oid(dotted), Uint8Array.of(Tag.null, 0)),
  ]),
);

/** The request for a digest that did not come as DER. `hash` is a name such as `sha256`; `nonce` are the content octets of an
 * INTEGER. Throws {@link TimestampError} and nothing else. */
export function timestampRequestOf(
  hash: string,
  digest: Uint8Array,
  rest: Pick<TimestampRequest, 'policy' | 'nonce' | 'wantsCertificate'>,
): TimestampRequest {
  const algorithm = ALGORITHMS.get(hash);
  if (algorithm === undefined) throw algorithmRefused();
  checkLength(hash as ImprintHash, digest);
  return { hash: hash as ImprintHash, digest, imprint: sequence(algorithm, octetString(digest)), ...rest };
}

const algorithmRefused = (): TimestampError =>
  new TimestampError('TIMESTAMP_ALGORITHM_REFUSED', 'the digest is not of SHA-256, SHA-384 or SHA-512', {
    hint: 'Hash the data with one of these.',
  });

function checkLength(hash: ImprintHash, digest: Uint8Array): void {
  const { size } = IMPRINT_HASHES[hash];
  if (digest.length === size) return;
  const sentence = `the digest has ${digest.length} octets, and ${hash} has ${size}`;
  throw new TimestampError('TIMESTAMP_DIGEST_LENGTH', sentence, {
    hint: 'Send the digest, not the data and no text in hexadecimal.',
  });
}

const malformed = (error: FormatError): TimestampError =>
  new TimestampError('TIMESTAMP_MALFORMED', `the request is no TimeStampReq in DER: ${error.message}`, {
    hint: 'RFC 3161 has the format; `openssl ts -query -data FILE -sha256 -cert` makes one.',
    cause: error,
  });
