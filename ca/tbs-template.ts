/**
 * DER of a certificate (RFC 5280 §4.1) from what is prepared once. A certificate is encoded three times: as precertificate,
 * as log entry and in its final form. They share everything but the last extension, so the shared part is encoded
 * once and the rest is copying.
 *
 *     TBSCertificate ::= SEQUENCE { front, [3] EXPLICIT SEQUENCE { extensions, last } }
 *     front          ::= version ‖ serial ‖ algorithm ‖ issuer ‖ validity ‖ subject ‖ key
 */
import { contextTag, Tag } from '../core/der-tag.ts';

/** What the three encodings of one certificate share. */
export interface SharedTbs {
  /** Everything before the extensions. */
  readonly front: Uint8Array;
  /** The shared extensions, one after the other. */
  readonly extensions: Uint8Array;
}

/** Bytes that a DER length takes. */
function lengthSize(length: number): number {
  return length < 0x80 ? 1 : length < 0x100 ? 2 : length < 0x10000 ? 3 : 4;
}

/** Size of a whole TLV with content of that length. */
export const tlvSize = (length: number): number => 1 + lengthSize(length) + length;

/** Writes tag and length at `at`; returns the offset of the content. Lengths below 2²⁴. */
export function writeHeader(out: Uint8Array, at: number, tag: number, length: number): number {
  out[at++] = tag;
  if (length < 0x80) {
    out[at++] = length;
    return at;
  }
  const width = lengthSize(length) - 1;
  out[at++] = 0x80 | width;
  for (let shift = (width - 1) * 8; shift >= 0; shift -= 8) out[at++] = (length >>> shift) & 0xff;
  return at;
}

const EXTENSIONS_TAG = contextTag(3, true);

/** The TBSCertificate, with `last` behind the shared extensions. */
export function assembleTbs(shared: SharedTbs, last?: Uint8Array): Uint8Array {
  const { front, extensions } = shared;
  const list = extensions.length + (last?.length ?? 0);
  const tagged = tlvSize(list);
  const content = front.length + tlvSize(tagged);
  const out = Buffer.allocUnsafe(tlvSize(content));
  let at = writeHeader(out, 0, Tag.sequence, content);
  out.set(front, at);
  at = writeHeader(out, at + front.length, EXTENSIONS_TAG, tagged);
  at = writeHeader(out, at, Tag.sequence, list);
  out.set(extensions, at);
  if (last !== undefined) out.set(last, at + extensions.length);
  return out;
}

/** Certificate ::= SEQUENCE { tbs, algorithm, signature BIT STRING }. `algorithm` is a DER AlgorithmIdentifier. */
export function assembleCertificate(
  tbs: Uint8Array,
  algorithm: Uint8Array,
  signature: Uint8Array,
): Uint8Array {
  const content = tbs.length + algorithm.length + tlvSize(signature.length + 1);
  const out = Buffer.allocUnsafe(tlvSize(content));
  let at = writeHeader(out, 0, Tag.sequence, content);
  out.set(tbs, at);
  out.set(algorithm, at + tbs.length);
  at = writeHeader(out, at + tbs.length + algorithm.length, Tag.bitString, signature.length + 1);
  out[at] = 0;
  out.set(signature, at + 1);
  return out;
}
