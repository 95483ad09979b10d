/**
 * Signed certificate timestamps (RFC 6962 §3.2, §3.3):
 *
 *     SCT              = version 00 ‖ log id 32 ‖ timestamp u64 ‖ v16(extensions) ‖ DigitallySigned
 *     DigitallySigned  = hash u8 ‖ signature u8 ‖ v16(signature)      04 03 = SHA-256 with ECDSA
 *     extension value  = OCTET STRING( v16( v16(SCT)* ) )
 *
 * What an SCT signs is its entry's MerkleTreeLeaf, byte for byte (see `leaf.ts`).
 */
import { readOnly } from '../../core/der-reader.ts';
import { Tag } from '../../core/der-tag.ts';
import { FormatError } from '../../core/errors.ts';
import { TlsReader, writeUint64, writeVector } from '../../core/tls.ts';
import { readTime } from '../../tlog/format/time.ts';
import { readDigitallySigned, TLS_ECDSA, TLS_SHA256, type DigitallySigned } from './digitally-signed.ts';

/** The parts that a log puts into an SCT. */
export interface SctParts {
  /** SHA-256 of the log's SubjectPublicKeyInfo, 32 bytes. */
  readonly logId: Uint8Array;
  /** Milliseconds since the epoch. */
  readonly timestamp: number;
  /** CtExtensions without their length. */
  readonly extensions: Uint8Array;
  /** DER ECDSA-Sig-Value. */
  readonly signature: Uint8Array;
}

/** What a certificate log returns for an entry. */
export interface SctReceipt {
  /** The serialized SignedCertificateTimestamp (RFC 6962 §3.2), signed after the commit. */
  readonly sct: Uint8Array;
  /** Origin of the log that took the entry, which another one may have followed since; undefined where it is not of a log of this service. */
  readonly origin?: string | undefined;
}

/** An SCT that was read. */
export type Sct = SctParts & DigitallySigned;

/** Object identifier of the extension that holds the list of SCTs. */
export const SCT_LIST_OID = '1.3.6.1.4.1.11129.2.4.2';

/** Object identifier of the poison, which marks a precertificate. */
export const POISON_OID = '1.3.6.1.4.1.11129.2.4.3';

/** Serializes an SCT signed by ECDSA with SHA-256, with one allocation: this runs for every certificate. Throws
 * {@link FormatError} when a part does not fit. */
export function encodeSct({ logId, timestamp, extensions, signature }: SctParts): Uint8Array {
  if (logId.length !== 32 || !Number.isSafeInteger(timestamp) || timestamp < 0) {
    throw new FormatError('MALFORMED', 'the log id or the time of an SCT does not fit');
  }
  if (extensions.length > 0xffff || signature.length > 0xffff) {
    throw new FormatError('TOO_LARGE', 'the extensions or the signature of an SCT are too long');
  }
  const out = new Uint8Array(47 + extensions.length + signature.length);
  out.set(logId, 1);
  const at = writeVector(out, writeUint64(out, 33, timestamp), 2, extensions);
  out[at] = TLS_SHA256;
  out[at + 1] = TLS_ECDSA;
  writeVector(out, at + 2, 2, signature);
  return out;
}

/** Reads one serialized SCT of version 1; throws {@link FormatError}, `UNSUPPORTED` for another version. */
export function parseSct(bytes: Uint8Array): Sct {
  const reader = new TlsReader(bytes);
  if (reader.uint(1) !== 0) throw new FormatError('UNSUPPORTED', 'an SCT is not of version 1');
  const logId = reader.take(32);
  const timestamp = readTime(reader);
  const extensions = reader.vector(2);
  const signed = readDigitallySigned(reader);
  reader.end();
  return { logId, timestamp, extensions, ...signed };
}

/** Content of extnValue for these serialized SCTs: the inner OCTET STRING around the list. Throws
 * {@link FormatError} when the list is empty or does not fit. */
export function encodeSctList(list: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const sct of list) length += 2 + sct.length;
  if (length === 0) throw new FormatError('MALFORMED', 'a list of SCTs must not be empty');
  if (length > 0xffff) throw new FormatError('TOO_LARGE', 'a list of SCTs is too long');
  const content = 2 + length;
  const width = content < 0x80 ? 0 : content < 0x100 ? 1 : content < 0x10000 ? 2 : 3;
  const out = new Uint8Array(2 + width + content);
  out[0] = Tag.octetString;
  out[1] = width === 0 ? content : 0x80 | width;
  for (let i = 0; i < width; i++) out[1 + width - i] = content >>> (8 * i);
  let at = 2 + width;
  out[at] = length >>> 8;
  out[at + 1] = length;
  at += 2;
  for (const sct of list) at = writeVector(out, at, 2, sct);
  return out;
}

/** The serialized SCTs in the content of an extnValue; at least one. Throws {@link FormatError}. */
export function parseSctList(extnValue: Uint8Array): Uint8Array[] {
  const outer = new TlsReader(readOnly(extnValue, Tag.octetString).value);
  const list = new TlsReader(outer.vector(2));
  outer.end();
  const out: Uint8Array[] = [];
  while (!list.done) {
    const sct = list.vector(2);
    if (sct.length === 0) throw new FormatError('MALFORMED', 'a list of SCTs holds an empty one');
    out.push(sct);
  }
  if (out.length === 0) throw new FormatError('MALFORMED', 'a list of SCTs is empty');
  return out;
}
