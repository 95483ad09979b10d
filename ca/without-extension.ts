/**
 * RFC 6962 §3.2: what a log signs for a certificate is its TBSCertificate without the extension that holds the SCTs.
 * Shares no code with the templates that make certificates, so that it can judge them; and walks offsets instead of
 * building values, because it runs for every certificate.
 */
import { contextTag, Tag } from '../core/der-tag.ts';

const EXTENSIONS_TAG = contextTag(3, true);

/** Offset of the content of the TLV at `at`. */
function contentOf(der: Uint8Array, at: number): number {
  const first = der[at + 1] ?? 0;
  return at + 2 + (first < 0x80 ? 0 : first & 0x7f);
}

/** Offset behind the TLV at `at`; never before its own content, so that a walk always moves on. */
function endOf(der: Uint8Array, at: number): number {
  const content = contentOf(der, at);
  const first = der[at + 1] ?? 0;
  if (first < 0x80) return content + first;
  let length = 0;
  for (let i = at + 2; i < content; i++) length = length * 256 + (der[i] ?? 0);
  return content + length;
}

function startsWith(der: Uint8Array, at: number, wanted: Uint8Array): boolean {
  for (let i = 0; i < wanted.length; i++) if (der[at + i] !== wanted[i]) return false;
  return true;
}

/** `tbs` without the extension whose object identifier is `oid` (a DER OBJECT IDENTIFIER); undefined when it has no
 * such extension. `tbs` must be well-formed DER of our own making: of other bytes, other bytes come out. */
export function withoutExtension(tbs: Uint8Array, oid: Uint8Array): Uint8Array | undefined {
  const start = contentOf(tbs, 0);
  let tagged = start;
  while (tagged < tbs.length && tbs[tagged] !== EXTENSIONS_TAG) tagged = endOf(tbs, tagged);
  const list = contentOf(tbs, contentOf(tbs, tagged));
  for (let at = list; at < tbs.length; at = endOf(tbs, at)) {
    if (!startsWith(tbs, contentOf(tbs, at), oid)) continue;
    return withList(tbs.subarray(start, tagged), tbs.subarray(list, at), tbs.subarray(endOf(tbs, at)));
  }
  return undefined;
}

/** SEQUENCE { front, [3] EXPLICIT SEQUENCE { before, after } }, with one allocation. */
function withList(front: Uint8Array, before: Uint8Array, after: Uint8Array): Uint8Array {
  const kept = before.length + after.length;
  const list = headSize(kept) + kept;
  const content = front.length + headSize(list) + list;
  const out = Buffer.allocUnsafe(headSize(content) + content);
  let at = putHead(out, 0, Tag.sequence, content);
  out.set(front, at);
  at = putHead(out, at + front.length, EXTENSIONS_TAG, list);
  at = putHead(out, at, Tag.sequence, kept);
  out.set(before, at);
  out.set(after, at + before.length);
  return out;
}

/** Bytes of tag and length of a TLV with content of that length, which is below 2²⁴. */
const headSize = (length: number): number =>
  length < 0x80 ? 2 : length < 0x100 ? 3 : length < 0x10000 ? 4 : 5;

/** Writes them; returns the offset of the content. */
function putHead(out: Uint8Array, at: number, tag: number, length: number): number {
  const content = at + headSize(length);
  out[at] = tag;
  out[at + 1] = length < 0x80 ? length : 0x80 | (content - at - 2);
  for (let i = content - 1, rest = length; i > at + 1; i--, rest >>>= 8) out[i] = rest & 0xff;
  return content;
}
