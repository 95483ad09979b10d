/** The extensions of RFC 5280 that decide what a certificate may do. Readers throw FormatError. */
import { findExtension, type Certificate } from '../core/certificate.ts';
import { contextTag, Tag } from '../core/der-tag.ts';
import { booleanValue, DerReader, oidText, readOnly, unsignedMagnitude } from '../core/der-reader.ts';
import { FormatError } from '../core/errors.ts';
import { once } from './read-once.ts';

/** Object identifiers of the extensions that this verifier understands. */
export const EXTENSION = {
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  nameConstraints: '2.5.29.30',
  authorityKeyIdentifier: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
} as const;

/** id-kp-codeSigning. */
export const CODE_SIGNING = '1.3.6.1.5.5.7.3.3';
/** id-kp-timeStamping. */
export const TIME_STAMPING = '1.3.6.1.5.5.7.3.8';
/** anyExtendedKeyUsage. */
export const ANY_USAGE = '2.5.29.37.0';

/** BasicConstraints (§4.2.1.9). */
interface BasicConstraints {
  readonly critical: boolean;
  readonly ca: boolean;
  /** How many CA certificates may stand between this one and the leaf; undefined for any number. */
  readonly pathLength: number | undefined;
}

/** The certificate's BasicConstraints, if it has them. */
export const basicConstraints = once((certificate: Certificate): BasicConstraints | undefined => {
  const extension = findExtension(certificate, EXTENSION.basicConstraints);
  if (extension === undefined) return undefined;
  const reader = new DerReader(readOnly(extension.value, Tag.sequence).value);
  const flag = reader.optional(Tag.boolean);
  const length = reader.optional(Tag.integer);
  reader.end();
  const ca = flag !== undefined && booleanValue(flag.value);
  if (flag !== undefined && !ca) throw new FormatError('MALFORMED', 'BasicConstraints spell out a default');
  return {
    critical: extension.critical,
    ca,
    pathLength: length === undefined ? undefined : small(length.value),
  };
});

function small(content: Uint8Array): number {
  const [value = 0, ...more] = unsignedMagnitude(content);
  if (more.length > 0) throw new FormatError('TOO_LARGE', 'a path length is out of range');
  return value;
}

/** Bits of KeyUsage (§4.2.1.3), counted from the first. */
export const KeyUsage = { digitalSignature: 0, nonRepudiation: 1, keyCertSign: 5 } as const;

/** The bits that are set in the certificate's KeyUsage; undefined when it has none. */
export const keyUsage = once((certificate: Certificate): ReadonlySet<number> | undefined => {
  const extension = findExtension(certificate, EXTENSION.keyUsage);
  if (extension === undefined) return undefined;
  const [unused = 8, ...octets] = readOnly(extension.value, Tag.bitString).value;
  if (unused > 7 || octets.length === 0) throw new FormatError('MALFORMED', 'KeyUsage is malformed');
  const bits = octets.flatMap((octet, at) =>
    Array.from({ length: 8 }, (_, bit) => (((octet >> (7 - bit)) & 1) === 1 ? at * 8 + bit : -1)),
  );
  return new Set(bits.filter((bit) => bit >= 0));
});

/** The object identifiers of the certificate's ExtendedKeyUsage (§4.2.1.12); undefined when it has none. */
export const extendedKeyUsage = once((certificate: Certificate): ReadonlySet<string> | undefined => {
  const extension = findExtension(certificate, EXTENSION.extendedKeyUsage);
  if (extension === undefined) return undefined;
  const reader = new DerReader(readOnly(extension.value, Tag.sequence).value);
  const usages = new Set<string>();
  while (!reader.done) usages.add(oidText(reader.next(Tag.oid).value));
  if (usages.size === 0) throw new FormatError('MALFORMED', 'ExtendedKeyUsage is empty');
  return usages;
});

/** DER GeneralNames: the alternative names of the certificate's subject (§4.2.1.6), of all kinds. */
export function subjectAltNames(certificate: Certificate): readonly Uint8Array[] {
  const extension = findExtension(certificate, EXTENSION.subjectAltName);
  if (extension === undefined) return [];
  const reader = new DerReader(readOnly(extension.value, Tag.sequence).value);
  const names: Uint8Array[] = [];
  while (!reader.done) names.push(reader.next().raw);
  return names;
}

/** What the certificate calls its own key (§4.2.1.2); undefined when it does not. */
export function subjectKeyId(certificate: Certificate): Uint8Array | undefined {
  const extension = findExtension(certificate, EXTENSION.subjectKeyIdentifier);
  return extension && readOnly(extension.value, Tag.octetString).value;
}

/** What the certificate calls the key that signed it (§4.2.1.1); undefined when it does not. */
export function authorityKeyId(certificate: Certificate): Uint8Array | undefined {
  const extension = findExtension(certificate, EXTENSION.authorityKeyIdentifier);
  if (extension === undefined) return undefined;
  return new DerReader(readOnly(extension.value, Tag.sequence).value).optional(contextTag(0, false))?.value;
}
