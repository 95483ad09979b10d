/** Writes DER (X.690) as far as certificates need it. */
import { utf8 } from './bytes.ts';
import { contextTag, Tag } from './der-tag.ts';

/** `tag`, the length of the parts together, and the parts; with one allocation, because every certificate takes
 * dozens of these. */
export function tlv(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const width = length < 0x80 ? 0 : length < 0x100 ? 1 : length < 0x10000 ? 2 : length < 0x1000000 ? 3 : 4;
  const out = new Uint8Array(2 + width + length);
  out[0] = tag;
  out[1] = width === 0 ? length : 0x80 | width;
  for (let i = 0; i < width; i++) out[1 + width - i] = Math.floor(length / 256 ** i);
  let at = 2 + width;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** SEQUENCE of the given encodings. */
export const sequence = (...parts: readonly Uint8Array[]): Uint8Array => tlv(Tag.sequence, ...parts);

/** SET of the given encodings; the caller keeps DER's order. */
export const set = (...parts: readonly Uint8Array[]): Uint8Array => tlv(Tag.set, ...parts);

/** OCTET STRING. */
export const octetString = (...parts: readonly Uint8Array[]): Uint8Array => tlv(Tag.octetString, ...parts);

/** BIT STRING without unused bits. */
export const bitString = (bytes: Uint8Array): Uint8Array => tlv(Tag.bitString, Uint8Array.of(0), bytes);

/** UTF8String. */
export const utf8String = (text: string): Uint8Array => tlv(Tag.utf8String, utf8(text));

/** BOOLEAN. */
export const boolean = (value: boolean): Uint8Array => Uint8Array.of(Tag.boolean, 1, value ? 0xff : 0);

/** `[n] EXPLICIT`. */
export const explicit = (n: number, ...parts: readonly Uint8Array[]): Uint8Array =>
  tlv(contextTag(n, true), ...parts);

/** INTEGER of an unsigned big-endian magnitude: leading zeros go, a sign octet comes where it is needed. */
export function unsignedInteger(magnitude: Uint8Array): Uint8Array {
  let start = 0;
  while (start < magnitude.length - 1 && magnitude[start] === 0) start++;
  const bare = magnitude.subarray(start);
  const needsSign = ((bare[0] ?? 0) & 0x80) !== 0 || bare.length === 0;
  return needsSign ? tlv(Tag.integer, Uint8Array.of(0), bare) : tlv(Tag.integer, bare);
}

/** OBJECT IDENTIFIER of dotted text. */
export function oid(dotted: string): Uint8Array {
  const arcs = dotted.split('.').map(Number);
  const [top = 0, second = 0, ...rest] = arcs;
  const content: number[] = [];
  for (const arc of [top * 40 + second, ...rest]) {
    const septets = [arc % 128];
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) {
      septets.unshift((left % 128) | 0x80);
    }
    content.push(...septets);
  }
  return tlv(Tag.oid, Uint8Array.from(content));
}
