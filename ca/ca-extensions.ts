/** What the extensions of a CA certificate say (RFC 5280 §4.2.1). All throw {@link FormatError} on malformed ones. */
import { findExtension, type Certificate } from '../core/certificate.ts';
import { booleanValue, DerReader, oidText, readOnly, unsignedMagnitude } from '../core/der-reader.ts';
import { Tag } from '../core/der-tag.ts';

/** BasicConstraints ::= SEQUENCE { cA BOOLEAN DEFAULT FALSE, pathLenConstraint INTEGER OPTIONAL }. */
interface BasicConstraints {
  readonly ca: boolean;
  /** CA certificates that may stand between this one and a leaf; undefined for any number. */
  readonly pathLength: number | undefined;
}

/** Basic constraints, if the certificate has them. */
export function basicConstraints(cert: Certificate): BasicConstraints | undefined {
  const found = findExtension(cert, '2.5.29.19');
  if (found === undefined) return undefined;
  const reader = new DerReader(readOnly(found.value, Tag.sequence).value);
  const flag = reader.optional(Tag.boolean);
  const path = reader.optional(Tag.integer);
  reader.end();
  const pathLength = path && unsignedMagnitude(path.value).reduce((sum, byte) => sum * 256 + byte, 0);
  return { ca: flag !== undefined && booleanValue(flag.value), pathLength };
}

/** Dotted object identifiers of the extended key usages, if the certificate limits them. */
export function extendedKeyUsages(cert: Certificate): readonly string[] | undefined {
  const found = findExtension(cert, '2.5.29.37');
  if (found === undefined) return undefined;
  const reader = new DerReader(readOnly(found.value, Tag.sequence).value);
  const out: string[] = [];
  while (!reader.done) out.push(oidText(reader.next(Tag.oid).value));
  return out;
}

const KEY_CERT_SIGN = 0x04;

/** Whether the key may sign certificates: keyCertSign, or no key usage at all. */
export function maySignCertificates(cert: Certificate): boolean {
  const found = findExtension(cert, '2.5.29.15');
  if (found === undefined) return true;
  const [, first = 0] = readOnly(found.value, Tag.bitString).value;
  return (first & KEY_CERT_SIGN) !== 0;
}

/** The subject key identifier, if the certificate has one. */
export function subjectKeyIdentifier(cert: Certificate): Uint8Array | undefined {
  const found = findExtension(cert, '2.5.29.14');
  return found && readOnly(found.value, Tag.octetString).value;
}
