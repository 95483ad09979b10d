/** The attributes of a SignerInfo (RFC 5652 §5.3), and the certificate identifiers among them (RFC 5035). */
import { DerReader, oidText, readOnly, type Tlv } from '../../core/der-reader.ts';
import { contextTag, Tag } from '../../core/der-tag.ts';
import { FormatError } from '../../core/errors.ts';
import { hashOf } from './algorithms.ts';
import {
  CONTENT_TYPE,
  MESSAGE_DIGEST,
  SIGNING_CERTIFICATE,
  SIGNING_CERTIFICATE_V2,
  TST_INFO,
  type ImprintHash,
} from './object-identifiers.ts';

/** A certificate by its hash. Byte strings are views into the token. */
export interface CertificateId {
  readonly hash: ImprintHash | 'sha1';
  readonly digest: Uint8Array;
  /** Where it is given, too: DER Name of the issuer, and content of the serial number. */
  readonly issuerSerial: { readonly issuer: Uint8Array; readonly serial: Uint8Array } | undefined;
}

/** What the signed attributes say. */
export interface SignedAttributes {
  /** Of the content. */
  readonly messageDigest: Uint8Array;
  /** Certificates of the authority, its own among them; at least one. */
  readonly certificateIds: readonly CertificateId[];
}

const ATTRIBUTE_LIMIT = 32;
const CERTIFICATE_ID_LIMIT = 16;

/** Dotted type → its one value. `content` is that of a SET OF Attribute. Throws {@link FormatError}. */
function readAttributes(content: Uint8Array): ReadonlyMap<string, Tlv> {
  const reader = new DerReader(content);
  const found = new Map<string, Tlv>();
  while (!reader.done) {
    const attribute = reader.enter(Tag.sequence);
    const type = oidText(attribute.next(Tag.oid).value);
    const values = attribute.enter(Tag.set);
    attribute.end();
    if (found.has(type)) throw new FormatError('MALFORMED', `the token has the attribute ${type} twice`);
    if (found.size === ATTRIBUTE_LIMIT)
      throw new FormatError('TOO_LARGE', `the token has more than ${ATTRIBUTE_LIMIT} attributes`);
    found.set(type, values.next());
    values.end();
  }
  return found;
}

/** Reads the signed attributes; those that are not known say nothing that matters here. Throws {@link FormatError} when one is missing
 * that RFC 3161 §2.4.2 demands. */
export function readSignedAttributes(content: Uint8Array): SignedAttributes {
  const attributes = readAttributes(content);
  const contentType = demanded(attributes, CONTENT_TYPE, 'content type');
  if (contentType.tag !== Tag.oid || oidText(contentType.value) !== TST_INFO)
    throw new FormatError('MALFORMED', 'the signed content type is not that of a timestamp');
  const digest = demanded(attributes, MESSAGE_DIGEST, 'message digest');
  return {
    messageDigest: readOnly(digest.raw, Tag.octetString).value,
    certificateIds: readCertificateIds(attributes),
  };
}

/** Nothing in them is signed, so nothing in them is believed; but what is no attribute has no place there. Throws {@link FormatError}. */
export function requireAttributes(content: Uint8Array): void {
  if (readAttributes(content).size === 0)
    throw new FormatError('MALFORMED', 'the token has an empty list of unsigned attributes');
}

function demanded(attributes: ReadonlyMap<string, Tlv>, type: string, what: string): Tlv {
  const found = attributes.get(type);
  if (found !== undefined) return found;
  throw new FormatError('MALFORMED', `the token has no signed ${what}`);
}

/** The newer form decides where both are there. */
function readCertificateIds(attributes: ReadonlyMap<string, Tlv>): readonly CertificateId[] {
  const v2 = attributes.get(SIGNING_CERTIFICATE_V2);
  const v1 = attributes.get(SIGNING_CERTIFICATE);
  const old = v1 && readList(v1, () => 'sha1');
  const ids = (v2 && readList(v2, (id) => hashOfId(id))) ?? old;
  if (ids !== undefined) return ids;
  throw new FormatError('MALFORMED', 'the token does not name the certificate of its signer');
}

/** SigningCertificate, and SigningCertificateV2: SEQUENCE { certs, policies OPTIONAL }. */
function readList({ raw }: Tlv, hash: (id: DerReader) => CertificateId['hash']): readonly CertificateId[] {
  const reader = new DerReader(readOnly(raw, Tag.sequence).value);
  const list = reader.enter(Tag.sequence);
  reader.optional(Tag.sequence);
  reader.end();
  const ids: CertificateId[] = [];
  while (!list.done) {
    if (ids.length === CERTIFICATE_ID_LIMIT)
      throw new FormatError('TOO_LARGE', `the token names more than ${CERTIFICATE_ID_LIMIT} certificates`);
    const id = list.enter(Tag.sequence);
    ids.push({
      hash: hash(id),
      digest: id.next(Tag.octetString).value,
      issuerSerial: readIssuerSerial(id.optional(Tag.sequence)),
    });
    id.end();
  }
  if (ids.length === 0) throw new FormatError('MALFORMED', 'the token names no certificate');
  return ids;
}

function hashOfId(id: DerReader): ImprintHash {
  const identifier = id.optional(Tag.sequence);
  return identifier === undefined ? 'sha256' : hashOf(identifier);
}

/** IssuerSerial ::= SEQUENCE { GeneralNames, CertificateSerialNumber }; the names are the one directory name of the issuer. */
function readIssuerSerial(issuerSerial: Tlv | undefined): CertificateId['issuerSerial'] {
  if (issuerSerial === undefined) return undefined;
  const reader = new DerReader(issuerSerial.value);
  const names = reader.enter(Tag.sequence);
  const name = names.next(contextTag(4, true));
  names.end();
  const serial = reader.next(Tag.integer).value;
  reader.end();
  return { issuer: readOnly(name.value, Tag.sequence).raw, serial };
}
