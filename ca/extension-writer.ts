/**
 * The extensions of a leaf, in the order of Fulcio's profile: key usage, extended key usage, subject key identifier,
 * authority key identifier, subject alternative name (critical, because the subject is empty), then Fulcio's own.
 * What is the same for every certificate of a CA is one prepared block.
 */
import { hash } from 'node:crypto';
import { contextTag, Tag } from '../core/der-tag.ts';
import { boolean, octetString, oid, sequence, tlv } from '../core/der-writer.ts';
import { concat } from '../core/bytes.ts';
import { FULCIO_ARC, FULCIO_EXTENSIONS, type ExtensionValues } from '../core/fulcio-extensions.ts';
import { tlvSize, writeHeader } from './tbs-template.ts';

const KEY_USAGE = extension(oid('2.5.29.15'), Uint8Array.of(Tag.bitString, 2, 7, 0x80), true);
const EXTENDED_KEY_USAGE = extension(oid('2.5.29.37'), sequence(oid('1.3.6.1.5.5.7.3.3')));
const CONSTANT_HEAD = concat([KEY_USAGE, EXTENDED_KEY_USAGE]);
// SEQUENCE { 2.5.29.14, OCTET STRING { OCTET STRING (20 bytes) } } without the 20 bytes.
const SKI_HEAD = extension(oid('2.5.29.14'), octetString(new Uint8Array(20))).subarray(0, 11);
const SKI_SIZE = SKI_HEAD.length + 20;
const SAN_HEAD = concat([oid('2.5.29.17'), boolean(true)]);

/** One row of Fulcio's table, ready to write. */
interface PreparedRow {
  readonly number: number;
  readonly oid: Uint8Array;
  readonly wrapped: boolean;
}

const ROWS: readonly PreparedRow[] = FULCIO_EXTENSIONS.map(({ number, encoding }) => ({
  number,
  oid: oid(`${FULCIO_ARC}.${number}`),
  wrapped: encoding === 'utf8String',
}));

/** Extension ::= SEQUENCE { oid, [critical TRUE], OCTET STRING { value } }. `id` is a DER OBJECT IDENTIFIER. */
export function extension(id: Uint8Array, value: Uint8Array, critical = false): Uint8Array {
  return critical ? sequence(id, boolean(true), octetString(value)) : sequence(id, octetString(value));
}

/** The authority key identifier for a CA's subject key identifier; nothing for a CA that has none. */
export function authorityKeyIdentifier(keyId: Uint8Array | undefined): Uint8Array {
  return keyId === undefined
    ? new Uint8Array(0)
    : extension(oid('2.5.29.35'), sequence(tlv(contextTag(0), keyId)));
}

/** The shared extensions of one certificate. `authorityKeyId` is {@link authorityKeyIdentifier}'s result, `san` DER
 * GeneralNames; empty values are left out. */
export function writeExtensions(
  keyBits: Uint8Array,
  authorityKeyId: Uint8Array,
  san: Uint8Array,
  values: ExtensionValues,
): Uint8Array {
  const sanValue = tlvSize(san.length);
  const sanContent = SAN_HEAD.length + sanValue;
  const fixed = CONSTANT_HEAD.length + SKI_SIZE + authorityKeyId.length + tlvSize(sanContent);
  const out = Buffer.allocUnsafe(fixed + fulcioBound(values));
  out.set(CONSTANT_HEAD, 0);
  out.set(SKI_HEAD, CONSTANT_HEAD.length);
  let at = CONSTANT_HEAD.length + SKI_HEAD.length;
  out.set(hash('sha1', keyBits, 'buffer'), at);
  out.set(authorityKeyId, at + 20);
  at = writeHeader(out, at + 20 + authorityKeyId.length, Tag.sequence, sanContent);
  out.set(SAN_HEAD, at);
  at = writeHeader(out, at + SAN_HEAD.length, Tag.octetString, san.length);
  out.set(san, at);
  at += san.length;
  for (const row of ROWS) {
    const value = values.get(row.number);
    if (value !== undefined && value !== '') at = writeFulcio(out, at, row, value);
  }
  return out.subarray(0, at);
}

/** The most that one row needs besides its text: four headers and the object identifier. */
const ROW_OVERHEAD = 32;

function fulcioBound(values: ExtensionValues): number {
  let bound = 0;
  for (const value of values.values()) bound += ROW_OVERHEAD + 3 * value.length;
  return bound;
}

function writeFulcio(out: Buffer, start: number, row: PreparedRow, value: string): number {
  const at = writeFulcioHead(out, start, row, value.length);
  if (writeAscii(out, at, value)) return at + value.length;
  const wide = writeFulcioHead(out, start, row, Buffer.byteLength(value));
  return wide + out.write(value, wide, 'utf8');
}

function writeFulcioHead(out: Buffer, start: number, row: PreparedRow, text: number): number {
  const inner = row.wrapped ? tlvSize(text) : text;
  let at = writeHeader(out, start, Tag.sequence, row.oid.length + tlvSize(inner));
  for (let i = 0; i < row.oid.length; i++) out[at++] = row.oid[i] ?? 0;
  at = writeHeader(out, at, Tag.octetString, inner);
  return row.wrapped ? writeHeader(out, at, Tag.utf8String, text) : at;
}

/** Writes text that is all ASCII, as nearly every claim is, and says whether it was: twice as fast for short strings
 * as two calls into the runtime. */
function writeAscii(out: Buffer, start: number, value: string): boolean {
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i);
    if (code > 0x7f) return false;
    out[start + i] = code;
  }
  return true;
}
