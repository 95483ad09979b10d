/**
 * PKCS#10 requests (RFC 2986 §4) as far as they matter here: the key and the signature over it. Subject, requested
 * names and attributes are skipped: the identity comes from the token alone.
 *
 *     CertificationRequest ::= SEQUENCE { info, algorithm AlgorithmIdentifier, signature BIT STRING }
 *     info                 ::= SEQUENCE { version (0), subject Name, key SubjectPublicKeyInfo, [0] attributes }
 */
import { DerReader, oidText, readOnly } from '../core/der-reader.ts';
import { contextTag, Tag } from '../core/der-tag.ts';
import { FormatError } from '../core/errors.ts';
import { decodePem } from '../core/pem.ts';
import { csrAlgorithm, type CsrAlgorithm } from './csr-algorithms.ts';
import { RequestError } from './request-error.ts';
import { MAX_LENGTHS } from './signing-request.ts';

/** A request that was parsed; its signature is not checked yet. */
export interface ParsedCsr {
  /** The signed bytes. */
  readonly info: Uint8Array;
  /** DER SubjectPublicKeyInfo. */
  readonly spki: Uint8Array;
  readonly algorithm: CsrAlgorithm;
  readonly signature: Uint8Array;
}

const LABELS = new Set(['CERTIFICATE REQUEST', 'NEW CERTIFICATE REQUEST']);

/** Parses the first PEM block of `pem`, which must be a certificate request. Throws {@link RequestError}
 * `CSR_MALFORMED`. */
export function parseCsr(pem: Uint8Array): ParsedCsr {
  if (pem.length > MAX_LENGTHS.request) throw malformedCsr(`it is longer than ${MAX_LENGTHS.request} bytes`);
  try {
    return parseDer(derOf(Buffer.from(pem).toString('latin1')));
  } catch (error) {
    if (error instanceof FormatError) throw malformedCsr(error.message, error);
    throw error;
  }
}

function derOf(text: string): Uint8Array {
  const [block] = decodePem(text, 1);
  if (block === undefined) throw malformedCsr('it holds no PEM block');
  if (!LABELS.has(block.label)) throw malformedCsr('its PEM block is not of type CERTIFICATE REQUEST');
  return block.bytes;
}

function parseDer(der: Uint8Array): ParsedCsr {
  const outer = new DerReader(readOnly(der, Tag.sequence).value);
  const info = outer.next(Tag.sequence);
  const algorithm = parseAlgorithm(outer.enter(Tag.sequence));
  const signature = outer.next(Tag.bitString).value;
  outer.end();
  if (signature[0] !== 0) throw new FormatError('MALFORMED', 'the signature is not a whole number of bytes');
  return { info: info.raw, spki: parseInfo(info.value), algorithm, signature: signature.subarray(1) };
}

function parseInfo(bytes: Uint8Array): Uint8Array {
  const info = new DerReader(bytes);
  const version = info.next(Tag.integer).value;
  if (version.length !== 1 || version[0] !== 0) throw new FormatError('UNSUPPORTED', 'the version is not 1');
  info.next(Tag.sequence);
  const spki = info.next(Tag.sequence).raw;
  info.optional(contextTag(0, true));
  info.end();
  return spki;
}

function parseAlgorithm(reader: DerReader): CsrAlgorithm {
  const oid = oidText(reader.next(Tag.oid).value);
  const parameters = reader.done ? undefined : reader.next();
  reader.end();
  return csrAlgorithm(oid, parameters);
}

/** The error for a request that cannot be read. `why` ends the sentence. */
export const malformedCsr = (why: string, cause?: unknown): RequestError =>
  new RequestError('CSR_MALFORMED', `the certificate signing request could not be parsed: ${why}`, {
    hint: 'Send the PEM text that openssl req -new writes.',
    cause,
  });
