/**
 * What a log keeps of a certificate. `ca/without-extension.ts` does the same on purpose: that one walks offsets and is
 * for bytes of our own making, once for every certificate; this one parses, for bytes from anywhere. Neither knows the
 * templates that issue, so each can judge them, and a fault in one shows against the other.
 */
import { concat } from '../core/bytes.ts';
import {
  findExtension,
  parseCertificate,
  type Certificate,
  type TbsCertificate,
} from '../core/certificate.ts';
import { DerReader, oidText, readOnly } from '../core/der-reader.ts';
import { contextTag, Tag } from '../core/der-tag.ts';
import { explicit, sequence } from '../core/der-writer.ts';
import { POISON_OID, SCT_LIST_OID } from './format/sct.ts';

const EXTENSIONS = contextTag(3, true);

/** The TBSCertificate of a precertificate or of its final certificate without poison and SCT list (RFC 6962 §3.2):
 * the bytes that the log's entry of either holds. Throws FormatError. */
export const loggedTbs = (certificate: Uint8Array): Uint8Array => loggedTbsOf(parseCertificate(certificate));

/** The same of one that was parsed. `issuedAs` names the CA of the final certificate where another key signed the precertificate
 * ({@link isPrecertificateSigner}): issuer and authority key identifier are taken from it. Throws FormatError. */
export function loggedTbsOf({ tbs, extensions }: TbsCertificate, issuedAs?: NamedIssuer): Uint8Array {
  const kept = extensions.filter(({ oid }) => oid !== POISON_OID && oid !== SCT_LIST_OID);
  const raws = kept.map(({ raw }) => raw);
  const named = issuedAs === undefined ? raws : withKeyIdOf(issuedAs, kept);
  const list = explicit(3, sequence(concat(named)));
  return sequence(...frontOf(tbs, issuedAs), ...(named.length === 0 ? [] : [list]));
}

/** What a TBSCertificate says of the CA above it, and so what a certificate that signs precertificates says of the CA for which it does. */
type NamedIssuer = Pick<TbsCertificate, 'issuer' | 'extensions'>;

/** What stands before the extensions. */
function frontOf(tbs: Uint8Array, issuedAs: NamedIssuer | undefined): Uint8Array[] {
  const reader = new DerReader(readOnly(tbs, Tag.sequence).value);
  const parts: Uint8Array[] = [];
  while (!reader.done && reader.peek() !== EXTENSIONS) parts.push(reader.next().raw);
  if (issuedAs !== undefined) parts[ISSUER] = issuedAs.issuer;
  return parts;
}

/** Place of the issuer in a TBSCertificate: behind version, serial number and algorithm. */
const ISSUER = 3;

const AUTHORITY_KEY_ID = '2.5.29.35';

/** In the place of the own one, or at the end, as other logs do it (RFC 6962 §3.2 leaves the place open). */
function withKeyIdOf(issuedAs: NamedIssuer, kept: TbsCertificate['extensions']): Uint8Array[] {
  const theirs = findExtension(issuedAs, AUTHORITY_KEY_ID)?.raw;
  if (theirs === undefined) return kept.filter(({ oid }) => oid !== AUTHORITY_KEY_ID).map(({ raw }) => raw);
  const isNamed = kept.some(({ oid }) => oid === AUTHORITY_KEY_ID);
  const raws = kept.map(({ oid, raw }) => (oid === AUTHORITY_KEY_ID ? theirs : raw));
  return isNamed ? raws : [...raws, theirs];
}

const EXTENDED_KEY_USAGE = '2.5.29.37';
/** Certificate Transparency (RFC 6962 §3.1). */
const PRECERTIFICATE_SIGNING = '1.3.6.1.4.1.11129.2.4.4';

/** Whether a CA certificate is for signing precertificates of the CA above it, and nothing else (RFC 6962 §3.1). Throws FormatError. */
export function isPrecertificateSigner(certificate: Certificate): boolean {
  const usages = findExtension(certificate, EXTENDED_KEY_USAGE);
  if (usages === undefined) return false;
  const reader = new DerReader(readOnly(usages.value, Tag.sequence).value);
  while (!reader.done) if (oidText(reader.next(Tag.oid).value) === PRECERTIFICATE_SIGNING) return true;
  return false;
}
