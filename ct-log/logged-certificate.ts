/** What a log entry says of the certificate that was issued. It is read from the leaf, which the tree covers, and not from
 * the precertificate beside it, which it does not. */
import { toHex, utf8Text } from '../core/bytes.ts';
import {
  certificateIssuers,
  certificateNames,
  hasUnreadNames,
  MAX_CERTIFICATE_NAMES,
} from '../core/certificate-names.ts';
import { describeName } from '../core/distinguished-name.ts';
import { FormatError } from '../core/errors.ts';
import { findExtension, parseTbsCertificate, type TbsCertificate } from '../core/certificate.ts';
import { readOnly } from '../core/der-reader.ts';
import { Tag } from '../core/der-tag.ts';
import { FULCIO_ARC, FULCIO_EXTENSIONS, type FulcioExtension } from '../core/fulcio-extensions.ts';
import { decodeSubjectAltNames, type SubjectAltName } from '../core/subject-alt-name.ts';
import type { TileLeaf } from './format/leaf.ts';
import { loggedTbs } from './logged-tbs.ts';

/** A certificate as the log has it: without the SCT that it got afterwards, so its own hash is not here. */
export interface LoggedCertificate {
  /** Its place in the log. */
  readonly index: number;
  /** Milliseconds since the epoch: the time of its SCT. */
  readonly timestamp: number;
  /** Lower-case hexadecimal. */
  readonly serial: string;
  /** Undefined where the certificate names nobody that Fulcio could name. */
  readonly identity: SubjectAltName | undefined;
  /** Every name by which a verifier may take it for somebody's, in its order: e-mail addresses, URIs, user names, DNS names and IP addresses. */
  readonly names: readonly string[];
  /** The OpenID issuer; of two that differ, that of extension 1.8. */
  readonly issuer: string | undefined;
  /** Both of them, where they differ. */
  readonly issuers: readonly string[];
  /** Milliseconds since the epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** Name of the issuing CA: a log may hold certificates of several. */
  readonly authority: string;
  /** SHA-256 of the issuing CA's SubjectPublicKeyInfo, lower-case hexadecimal; undefined for an entry of type x509. */
  readonly caKeySha256: string | undefined;
  /** DER SubjectPublicKeyInfo of its own key. */
  readonly spki: Uint8Array;
  /** Values of Fulcio's extensions by number. */
  readonly extensions: ReadonlyMap<number, string>;
}

const SUBJECT_ALT_NAME = '2.5.29.17';

/** Reads an entry; throws FormatError when the certificate in it, or a name of it, cannot be read. */
export function readLoggedCertificate({ entry, timestamp }: TileLeaf, index: number): LoggedCertificate {
  const isPrecertificate = entry.type === 'precert';
  const tbs = parseTbsCertificate(isPrecertificate ? entry.tbs : loggedTbs(entry.certificate));
  const names = findExtension(tbs, SUBJECT_ALT_NAME);
  if (hasUnreadNames(tbs))
    throw new FormatError('TOO_LARGE', `the certificate has more than ${MAX_CERTIFICATE_NAMES} names`);
  const extensions = fulcioValues(tbs);
  return {
    index,
    timestamp,
    extensions,
    serial: toHex(tbs.serial),
    identity: names && decodeSubjectAltNames(names.value)[0],
    names: certificateNames(tbs),
    issuers: certificateIssuers(tbs),
    issuer: extensions.get(8) ?? extensions.get(1),
    authority: describeName(tbs.issuer),
    notBefore: tbs.notBefore,
    notAfter: tbs.notAfter,
    spki: tbs.spki,
    caKeySha256: isPrecertificate ? toHex(entry.issuerKeyHash) : undefined,
  };
}

const BY_OID: ReadonlyMap<string, FulcioExtension> = new Map(
  FULCIO_EXTENSIONS.map((extension) => [`${FULCIO_ARC}.${extension.number}`, extension]),
);

function fulcioValues({ extensions }: TbsCertificate): Map<number, string> {
  const values = new Map<number, string>();
  for (const { oid, value } of extensions) {
    const known = BY_OID.get(oid);
    if (known === undefined) continue;
    const bytes = known.encoding === 'raw' ? value : readOnly(value, Tag.utf8String).value;
    values.set(known.number, utf8Text(bytes));
  }
  return values;
}
