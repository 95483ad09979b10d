/**
 * DER of a TimeStampResp (RFC 3161 §2.4.2) from what is prepared once. What changes from one to the next is the TSTInfo, its
 * digest and the signature:
 *
 *     TimeStampResp ::= SEQUENCE { status, ContentInfo SEQUENCE { signedData, [0] SignedData } }
 *     SignedData    ::= SEQUENCE { version 3, SET { digestAlgorithm }, SEQUENCE { tstInfo, [0] OCTET STRING },
 *                                  certificates [0] OPTIONAL, SET { SignerInfo } }
 *     SignerInfo    ::= SEQUENCE { version 1, issuerAndSerialNumber, digestAlgorithm, [0] signedAttrs,
 *                                  signatureAlgorithm, OCTET STRING }
 *
 * The signed attributes are content type, digest and signing certificate (RFC 5035). There is no signing time: a token has one
 * time, that of its TSTInfo.
 */
import { hash } from 'node:crypto';
import type { Certificate } from '../core/certificate.ts';
import { contextTag, Tag } from '../core/der-tag.ts';
import {
  explicit,
  octetString,
  oid,
  sequence,
  set,
  tlv,
  unsignedInteger,
  utf8String,
} from '../core/der-writer.ts';
import { concat, utf8 } from '../core/bytes.ts';
import { SIGNATURE_ALGORITHMS, type SignatureAlgorithm } from '../core/signature-algorithm.ts';
import { BackwardWriter } from './backward-writer.ts';
import {
  CONTENT_TYPE,
  IMPRINT_HASHES,
  MESSAGE_DIGEST,
  SIGNED_DATA,
  SIGNING_CERTIFICATE_V2,
  TST_INFO,
} from './format/object-identifiers.ts';
import type { TimestampRequest } from './timestamp-request.ts';

/** What is the same in all tokens. */
interface TokenProfile {
  /** The signing certificate first, root last. */
  readonly certificates: readonly [Certificate, ...Certificate[]];
  readonly algorithm: SignatureAlgorithm;
  /** Dotted. */
  readonly policy: string;
  /** Seconds by which the time may be off. */
  readonly accuracySeconds: number;
}

/** What a token says of one moment. */
interface TokenFacts {
  /** Unsigned, big-endian. */
  readonly serial: Uint8Array;
  /** Milliseconds since the epoch; whole seconds are written, for some verifiers read no fractions. */
  readonly time: number;
}

/** What is signed of one token. */
export interface UnsignedToken {
  readonly tstInfo: Uint8Array;
  /** SET OF Attribute: the bytes under the signature. */
  readonly signedAttributes: Uint8Array;
  readonly wantsCertificate: boolean;
}

const integer = (value: number): Uint8Array => unsignedInteger(Uint8Array.of(value));
const attribute = (dotted: string, value: Uint8Array): Uint8Array => sequence(oid(dotted), set(value));

/** Prepared once for a certificate. */
export class TokenTemplate {
  /** DER of the OBJECT IDENTIFIER. */
  readonly policy: Uint8Array;
  readonly #hash: 'sha256' | 'sha384' | 'sha512';
  /** Of the TSTInfo: what precedes the imprint, follows the time, and follows the nonce. */
  readonly #head: Uint8Array;
  readonly #accuracy: Uint8Array;
  readonly #name: Uint8Array;
  /** With zeros for the digest, which begins at that offset. */
  readonly #attributes: Uint8Array;
  readonly #digestAt: number;
  /** Of the SignerInfo: what precedes and what follows the attributes. */
  readonly #signer: Uint8Array;
  readonly #signatureAlgorithm: Uint8Array;
  /** Of the SignedData: what precedes the TSTInfo. */
  readonly #version: Uint8Array;
  readonly #contentType = oid(TST_INFO);
  readonly #certificates: Uint8Array;
  readonly #granted = sequence(integer(0));
  readonly #signedData = oid(SIGNED_DATA);
  readonly #fixedSize: number;
  #second = NaN;
  #time: Uint8Array = new Uint8Array();

  /** Throws RangeError for a key that hashes by itself. */
  constructor({ certificates, algorithm, policy, accuracySeconds }: TokenProfile) {
    const [certificate] = certificates;
    const scheme = SIGNATURE_ALGORITHMS[algorithm];
    if (scheme.hash === undefined) throw new RangeError('timestamps are signed with ECDSA or RSA');
    this.#hash = scheme.hash;
    const digestAlgorithm = sequence(oid(IMPRINT_HASHES[scheme.hash].oid));
    this.policy = oid(policy);
    this.#head = concat([integer(1), this.policy]);
    this.#accuracy = sequence(unsignedInteger(Uint8Array.of(accuracySeconds >> 8, accuracySeconds & 0xff)));
    this.#name = explicit(0, explicit(4, certificate.subject));
    const { attributes, digestAt } = attributesOf(certificate, IMPRINT_HASHES[scheme.hash].size);
    this.#attributes = attributes;
    this.#digestAt = digestAt;
    const sid = sequence(certificate.issuer, unsignedInteger(certificate.serial));
    this.#signer = concat([integer(1), sid, digestAlgorithm]);
    this.#signatureAlgorithm = scheme.identifier;
    this.#version = concat([integer(3), set(digestAlgorithm)]);
    // All but the root, which a verifier has or must not trust.
    const embedded = certificates.slice(0, Math.max(1, certificates.length - 1)).map(({ der }) => der);
    this.#certificates = tlv(contextTag(0, true), ...inSetOrder(embedded));
    this.#fixedSize = ROOM_FOR_HEADERS + this.#signer.length + attributes.length + this.#certificates.length;
  }

  /** The token before it is signed. */
  unsigned(request: TimestampRequest, { serial, time }: TokenFacts): UnsignedToken {
    const { imprint, nonce, wantsCertificate } = request;
    const tstInfo = sequence(
      this.#head,
      imprint,
      unsignedInteger(serial),
      this.#generalizedTime(time),
      this.#accuracy,
      nonce ?? NOTHING,
      this.#name,
    );
    const signedAttributes = Buffer.from(this.#attributes);
    signedAttributes.set(hash(this.#hash, tstInfo, 'buffer'), this.#digestAt);
    return { tstInfo, signedAttributes, wantsCertificate };
  }

  /** The whole answer. */
  granted({ tstInfo, signedAttributes, wantsCertificate }: UnsignedToken, signature: Uint8Array): Uint8Array {
    const out = new BackwardWriter(this.#fixedSize + tstInfo.length + signature.length);
    const end = out.at;
    out.put(signature);
    out.header(Tag.octetString, end);
    out.put(this.#signatureAlgorithm);
    const afterAttributes = out.at;
    // [0] IMPLICIT in the place of the SET's own tag.
    out.put(signedAttributes.subarray(this.#attributesFrom));
    out.header(contextTag(0, true), afterAttributes);
    out.put(this.#signer);
    out.header(Tag.sequence, end);
    out.header(Tag.set, end);
    if (wantsCertificate) out.put(this.#certificates);
    const afterContent = out.at;
    out.put(tstInfo);
    out.header(Tag.octetString, afterContent);
    out.header(contextTag(0, true), afterContent);
    out.put(this.#contentType);
    out.header(Tag.sequence, afterContent);
    out.put(this.#version);
    out.header(Tag.sequence, end);
    out.header(contextTag(0, true), end);
    out.put(this.#signedData);
    out.header(Tag.sequence, end);
    out.put(this.#granted);
    out.header(Tag.sequence, end);
    return out.bytes();
  }

  get #attributesFrom(): number {
    return (this.#attributes[1] ?? 0) < 0x80 ? 2 : 2 + ((this.#attributes[1] ?? 0) & 0x7f);
  }

  /** Made once a second. */
  #generalizedTime(ms: number): Uint8Array {
    const second = Math.floor(ms / 1000);
    if (second !== this.#second) {
      const digits = new Date(second * 1000).toISOString().slice(0, 19).replace(/\D/g, '');
      this.#time = tlv(Tag.generalizedTime, utf8(`${digits}Z`));
      this.#second = second;
    }
    return this.#time;
  }
}

const NOTHING = new Uint8Array();

/** Tags and lengths, and the small fixed parts, of a whole answer. */
const ROOM_FOR_HEADERS = 256;

/** The signed attributes in the order that DER demands, and where the digest stands in them. */
function attributesOf(
  { der }: Certificate,
  digestSize: number,
): { attributes: Uint8Array; digestAt: number } {
  const mark = new Uint8Array(digestSize);
  const digest = attribute(MESSAGE_DIGEST, octetString(mark));
  // ESSCertIDv2 with its default, SHA-256, and without issuerSerial: the signer is named beside it already.
  const certId = sequence(octetString(hash('sha256', der, 'buffer')));
  const parts = inSetOrder([
    attribute(CONTENT_TYPE, oid(TST_INFO)),
    digest,
    attribute(SIGNING_CERTIFICATE_V2, sequence(sequence(certId))),
  ]);
  const attributes = set(...parts);
  const before = parts.slice(0, parts.indexOf(digest)).reduce((sum, { length }) => sum + length, 0);
  const header = attributes.length - parts.reduce((sum, { length }) => sum + length, 0);
  return { attributes, digestAt: header + before + digest.length - digestSize };
}

/** SET OF in DER: rising as octet strings. */
const inSetOrder = (encodings: readonly Uint8Array[]): Uint8Array[] =>
  [...encodings].sort((a, b) => Buffer.compare(a, b));

/** PKIFailureInfo: the number of the bit. */
export const FAILURE_BITS = {
  badAlg: 0,
  badRequest: 2,
  badDataFormat: 5,
  timeNotAvailable: 14,
  unacceptedPolicy: 15,
  unacceptedExtension: 16,
  systemFailure: 25,
} as const;

/** A TimeStampResp without a token: status `rejection`, a sentence, and the one bit of why. */
export function rejectedResponse(sentence: string, failure: keyof typeof FAILURE_BITS): Uint8Array {
  const bit = FAILURE_BITS[failure];
  // A named bit list ends with its last bit that is set.
  const bits = new Uint8Array(2 + Math.floor(bit / 8));
  bits[0] = 7 - (bit % 8);
  bits[bits.length - 1] = 0x80 >> (bit % 8);
  return sequence(sequence(integer(REJECTION), sequence(utf8String(sentence)), tlv(Tag.bitString, bits)));
}

const REJECTION = 2;
