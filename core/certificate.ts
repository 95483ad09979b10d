/**
 * X.509 certificates (RFC 5280 §4.1) as views into their DER: strict about structure, silent about meaning. What an
 * extension says, and whether a signature holds, is for the caller.
 */
import { equalBytes } from './bytes.ts';
import { booleanValue, DerReader, oidText, readOnly, unsignedMagnitude, wholeBits } from './der-reader.ts';
import { contextTag, Tag } from './der-tag.ts';
import { FormatError } from './errors.ts';
import { readTime } from './der-time.ts';

/** One extension of a certificate. */
export interface CertificateExtension {
  /** Dotted text. */
  readonly oid: string;
  readonly critical: boolean;
  /** Content of extnValue, without the OCTET STRING around it. */
  readonly value: Uint8Array;
  /** The whole Extension SEQUENCE. */
  readonly raw: Uint8Array;
}

/** A version 3 certificate. All byte strings are views into `der`. */
export interface Certificate {
  readonly der: Uint8Array;
  /** TBSCertificate: the bytes that the issuer signed. */
  readonly tbs: Uint8Array;
  /** Unsigned big-endian, without a sign octet. */
  readonly serial: Uint8Array;
  /** DER Name. */
  readonly issuer: Uint8Array;
  /** DER Name; an empty SEQUENCE in the certificates that Mayfly issues. */
  readonly subject: Uint8Array;
  /** Milliseconds since the epoch; the first instant of validity. */
  readonly notBefore: number;
  /** Milliseconds since the epoch; the certificate is valid up to and including this second. */
  readonly notAfter: number;
  /** DER SubjectPublicKeyInfo. */
  readonly spki: Uint8Array;
  /** In the order of the certificate; no object identifier occurs twice. */
  readonly extensions: readonly CertificateExtension[];
  /** Dotted object identifier of the signature's algorithm. */
  readonly signatureAlgorithm: string;
  /** Content of signatureValue. */
  readonly signature: Uint8Array;
}

const SERIAL_LIMIT = 20;

/** The one certificate that `der` holds. Throws {@link FormatError} on anything that RFC 5280 does not allow: not
 * version 3, two algorithm identifiers that differ, a negative or too long serial, an extension twice, an encoded
 * default, trailing bytes. */
export function parseCertificate(der: Uint8Array): Certificate {
  const outer = new DerReader(readOnly(der, Tag.sequence).value);
  const tbs = outer.next(Tag.sequence);
  const algorithm = outer.next(Tag.sequence);
  const signature = wholeBits(outer.next(Tag.bitString).value);
  outer.end();
  const { innerAlgorithm, ...fields } = parseTbs(tbs.value);
  if (!equalBytes(innerAlgorithm, algorithm.raw)) {
    throw new FormatError('MALFORMED', 'a certificate names two different signature algorithms');
  }
  const signatureAlgorithm = oidText(new DerReader(algorithm.value).next(Tag.oid).value);
  return { der, tbs: tbs.raw, ...fields, signatureAlgorithm, signature };
}

/** What the issuer of a certificate signs. */
export type TbsCertificate = Omit<Certificate, 'der' | 'signatureAlgorithm' | 'signature'>;

/** The one TBSCertificate that `der` holds. Throws {@link FormatError} as {@link parseCertificate} does. */
export const parseTbsCertificate = (der: Uint8Array): TbsCertificate => ({
  tbs: der,
  ...parseTbs(readOnly(der, Tag.sequence).value),
});

/** The extension with that dotted object identifier, if the certificate has it. */
export const findExtension = (
  certificate: Pick<Certificate, 'extensions'>,
  oid: string,
): CertificateExtension | undefined => certificate.extensions.find((extension) => extension.oid === oid);

type TbsFields = Omit<Certificate, 'der' | 'tbs' | 'signatureAlgorithm' | 'signature'> & {
  readonly innerAlgorithm: Uint8Array;
};

function parseTbs(content: Uint8Array): TbsFields {
  const reader = new DerReader(content);
  readVersion(reader);
  const serial = unsignedMagnitude(reader.next(Tag.integer).value);
  if (serial.length > SERIAL_LIMIT) throw new FormatError('TOO_LARGE', 'a serial number is too long');
  const innerAlgorithm = reader.next(Tag.sequence).raw;
  const issuer = reader.next(Tag.sequence).raw;
  const validity = reader.enter(Tag.sequence);
  const notBefore = readTime(validity.next());
  const notAfter = readTime(validity.next());
  validity.end();
  const subject = reader.next(Tag.sequence).raw;
  const spki = reader.next(Tag.sequence).raw;
  reader.optional(contextTag(1)); // issuerUniqueID and subjectUniqueID: obsolete, allowed, without meaning
  reader.optional(contextTag(2));
  const extensions = readExtensions(reader);
  reader.end();
  return { innerAlgorithm, serial, issuer, subject, notBefore, notAfter, spki, extensions };
}

function readVersion(reader: DerReader): void {
  const wrapped = reader.optional(contextTag(0, true));
  const version = wrapped === undefined ? undefined : readOnly(wrapped.value, Tag.integer).value;
  if (version?.length !== 1 || version[0] !== 2) {
    throw new FormatError('UNSUPPORTED', 'only certificates of version 3 are supported');
  }
}

function readExtensions(tbs: DerReader): CertificateExtension[] {
  const wrapped = tbs.optional(contextTag(3, true));
  if (wrapped === undefined) return [];
  const reader = new DerReader(readOnly(wrapped.value, Tag.sequence).value);
  const seen = new Set<string>();
  const out: CertificateExtension[] = [];
  while (!reader.done) {
    const extension = readExtension(reader);
    if (seen.has(extension.oid)) throw new FormatError('MALFORMED', 'a certificate has an extension twice');
    seen.add(extension.oid);
    out.push(extension);
  }
  if (out.length === 0) throw new FormatError('MALFORMED', 'a certificate has an empty list of extensions');
  return out;
}

function readExtension(list: DerReader): CertificateExtension {
  const { raw, value: content } = list.next(Tag.sequence);
  const reader = new DerReader(content);
  const oid = oidText(reader.next(Tag.oid).value);
  const flag = reader.optional(Tag.boolean);
  const critical = flag !== undefined && booleanValue(flag.value);
  if (flag !== undefined && !critical) {
    throw new FormatError('MALFORMED', 'an extension spells out that it is not critical');
  }
  const { value } = reader.next(Tag.octetString);
  reader.end();
  return { oid, critical, value, raw };
}
