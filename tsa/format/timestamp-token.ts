/**
 * Reads timestamps (RFC 3161 §2.4.2): a TimeStampResp, or the TimeStampToken in one, which is a SignedData of CMS (RFC 5652 §5) with
 * exactly one signer. Strictly, as DER, with limits on all that repeats; nothing in a token is passed over unread.
 */
import { DerReader, oidText, readOnly, unsignedMagnitude, type Tlv } from '../../core/der-reader.ts';
import { contextTag, Tag } from '../../core/der-tag.ts';
import { FormatError } from '../../core/errors.ts';
import { printable } from '../../core/printable.ts';
import type { SignatureScheme } from '../../core/signature-algorithm.ts';
import { hashOf, signatureScheme } from './algorithms.ts';
import { readSignedAttributes, requireAttributes, type SignedAttributes } from './attributes.ts';
import { SIGNED_DATA, TST_INFO, type ImprintHash } from './object-identifiers.ts';
import { parseTstInfo, type TstInfo } from './tst-info.ts';

/** The certificate of the signer: by DER Name of its issuer and content of its serial number, or by its subject key identifier. */
export type SignerId =
  { readonly issuer: Uint8Array; readonly serial: Uint8Array } | { readonly keyId: Uint8Array };

/** Who signed, what, and how. Byte strings are views into the token. */
export interface TimestampSigner {
  readonly id: SignerId;
  /** Of {@link SignedAttributes.messageDigest}. */
  readonly digest: ImprintHash;
  /** SET OF Attribute: the bytes under the signature. */
  readonly signedBytes: Uint8Array;
  readonly attributes: SignedAttributes;
  readonly scheme: SignatureScheme;
  readonly signature: Uint8Array;
}

/** A timestamp that was read and not verified. */
export interface TimestampToken {
  readonly info: TstInfo;
  /** DER of the TSTInfo. */
  readonly content: Uint8Array;
  /** DER, as they came with it. None of them is trusted. */
  readonly certificates: readonly Uint8Array[];
  readonly signer: TimestampSigner;
}

/** Far above what any authority makes. */
const TOKEN_LIMIT = 0x10000;
const CERTIFICATE_LIMIT = 10;
const DIGEST_LIMIT = 8;

/** The timestamp that `der` holds: a whole answer that grants one, or the token alone. Throws {@link FormatError}, for an answer that grants
 * none with what it says. */
export function parseTimestamp(der: Uint8Array): TimestampToken {
  if (der.length > TOKEN_LIMIT) throw new FormatError('TOO_LARGE', 'the timestamp is larger than 64 KiB');
  const outer = new DerReader(readOnly(der, Tag.sequence).value);
  if (outer.peek() === Tag.oid) return readContentInfo(outer);
  requireGranted(outer.enter(Tag.sequence));
  const token = outer.enter(Tag.sequence);
  outer.end();
  return readContentInfo(token);
}

/** PKIStatusInfo; with or without modifications. */
function requireGranted(info: DerReader): void {
  const status = smallNumber(info.next(Tag.integer));
  const sentence = info.optional(Tag.sequence);
  const failure = info.optional(Tag.bitString);
  info.end();
  const says = sentence === undefined ? '' : `: ${freeText(sentence)}`;
  if (status > 1)
    throw new FormatError('UNSUPPORTED', `the answer grants no timestamp (status ${status})${says}`);
  if (failure !== undefined)
    throw new FormatError('MALFORMED', 'the answer grants a timestamp and names a failure');
}

function smallNumber({ value }: Tlv): number {
  const [number = 0, ...more] = unsignedMagnitude(value);
  if (more.length > 0) throw new FormatError('TOO_LARGE', 'a number in the timestamp is out of range');
  return number;
}

/** The first text of a PKIFreeText, as it can be shown: it is untrusted. */
function freeText({ value }: Tlv): string {
  const text = new DerReader(value).next(Tag.utf8String).value;
  return printable(new TextDecoder().decode(text.subarray(0, 200)));
}

function readContentInfo(info: DerReader): TimestampToken {
  requireType(info.next(Tag.oid), SIGNED_DATA, 'the timestamp is not signed data of CMS');
  const data = new DerReader(readOnly(info.next(contextTag(0, true)).value, Tag.sequence).value);
  info.end();
  const version = smallNumber(data.next(Tag.integer));
  // RFC 5652 wants 3; older libraries write 1.
  if (version !== 3 && version !== 1)
    throw new FormatError('UNSUPPORTED', 'the signed data has an unknown version');
  const digests = readDigests(data.enter(Tag.set));
  const content = readContent(data.enter(Tag.sequence));
  const certificates = readCertificates(data.optional(contextTag(0, true)));
  if (data.peek() === contextTag(1, true))
    throw new FormatError('UNSUPPORTED', 'the token carries revocation lists, which are not judged here');
  const signers = data.enter(Tag.set);
  data.end();
  const signer = readSigner(signers.enter(Tag.sequence));
  if (!signers.done) throw new FormatError('MALFORMED', 'the token has more than one signer');
  if (!digests.includes(signer.digest))
    throw new FormatError('MALFORMED', 'the signer uses another hash than the token says');
  return { info: parseTstInfo(content), content, certificates, signer };
}

function requireType({ value }: Tlv, type: string, otherwise: string): void {
  if (oidText(value) !== type) throw new FormatError('MALFORMED', otherwise);
}

function readDigests(reader: DerReader): readonly ImprintHash[] {
  const digests: ImprintHash[] = [];
  while (!reader.done) {
    if (digests.length === DIGEST_LIMIT)
      throw new FormatError('TOO_LARGE', 'the token names too many hash algorithms');
    digests.push(hashOf(reader.next(Tag.sequence)));
  }
  return digests;
}

function readContent(reader: DerReader): Uint8Array {
  requireType(reader.next(Tag.oid), TST_INFO, 'the token signs something else than a timestamp');
  const wrapped = reader.next(contextTag(0, true));
  reader.end();
  return readOnly(wrapped.value, Tag.octetString).value;
}

function readCertificates(list: Tlv | undefined): readonly Uint8Array[] {
  if (list === undefined) return [];
  const reader = new DerReader(list.value);
  const certificates: Uint8Array[] = [];
  while (!reader.done) {
    if (certificates.length === CERTIFICATE_LIMIT)
      throw new FormatError('TOO_LARGE', `the token carries more than ${CERTIFICATE_LIMIT} certificates`);
    certificates.push(reader.next(Tag.sequence).raw);
  }
  return certificates;
}

function readSigner(reader: DerReader): TimestampSigner {
  const version = smallNumber(reader.next(Tag.integer));
  const id = readSignerId(reader);
  if (version !== ('keyId' in id ? 3 : 1))
    throw new FormatError('MALFORMED', 'the version of the signer does not fit how it is named');
  const digest = hashOf(reader.next(Tag.sequence));
  const attributes = reader.next(contextTag(0, true));
  const scheme = signatureScheme(reader.next(Tag.sequence), digest);
  const signature = reader.next(Tag.octetString).value;
  const unsigned = reader.optional(contextTag(1, true));
  if (unsigned !== undefined) requireAttributes(unsigned.value);
  reader.end();
  // Signed is a SET OF; what stands in the token has another tag in its place (RFC 5652 §5.4).
  // A copy, which `slice` of a Buffer is not.
  const signedBytes = Uint8Array.from(attributes.raw);
  signedBytes[0] = Tag.set;
  return {
    id,
    digest,
    signedBytes,
    attributes: readSignedAttributes(attributes.value),
    scheme,
    signature,
  };
}

function readSignerId(reader: DerReader): SignerId {
  const keyId = reader.optional(contextTag(0));
  if (keyId !== undefined) return { keyId: keyId.value };
  const named = reader.enter(Tag.sequence);
  const issuer = named.next(Tag.sequence).raw;
  const serial = named.next(Tag.integer).value;
  named.end();
  return { issuer, serial };
}
