/** What a certificate says beside its name, in Fulcio's extensions. */
import { utf8Text } from '../core/bytes.ts';
import { findExtension, type Certificate } from '../core/certificate.ts';
import { readOnly } from '../core/der-reader.ts';
import { Tag } from '../core/der-tag.ts';
import { FULCIO_ARC, FULCIO_EXTENSIONS, type FulcioExtension } from '../core/fulcio-extensions.ts';
import { printable } from '../core/printable.ts';
import { refused } from './verify-error.ts';

/** A demand on one extension: exactly this text. */
export interface ExtensionPolicy {
  readonly extension: FulcioExtension;
  readonly value: string;
}

/** The text of an extension; undefined where the certificate does not have it. Throws FormatError. */
export function readFulcioExtension(
  certificate: Pick<Certificate, 'extensions'>,
  extension: FulcioExtension,
): string | undefined {
  const found = findExtension(certificate, `${FULCIO_ARC}.${extension.number}`);
  return found && textOf(extension, found.value);
}

/** All of them, by name. Throws FormatError for one that is malformed. */
export const readFulcioExtensions = (
  certificate: Pick<Certificate, 'extensions'>,
): Readonly<Record<string, string>> => {
  const named: [string, string][] = [];
  for (const { oid, value } of certificate.extensions) {
    const extension = BY_OID.get(oid);
    if (extension !== undefined) named.push([extension.name, textOf(extension, value)]);
  }
  return Object.fromEntries(named);
};

const BY_OID: ReadonlyMap<string, FulcioExtension> = new Map(
  FULCIO_EXTENSIONS.map((extension) => [`${FULCIO_ARC}.${extension.number}`, extension]),
);

const textOf = ({ encoding }: FulcioExtension, value: Uint8Array): string =>
  utf8Text(encoding === 'raw' ? value : readOnly(value, Tag.utf8String).value);

/** Throws a refusal unless the certificate has that extension with that value. */
export function demandExtension(certificate: Certificate, { extension, value }: ExtensionPolicy): void {
  const found = readFulcioExtension(certificate, extension);
  if (found === value) return;
  const has = found === undefined ? 'is not there' : `is "${printable(found)}"`;
  throw refused(`the extension ${extension.name} ${has}, wanted is "${printable(value)}"`, 'policy');
}
