import { FormatError } from './errors.ts';

const encoder = new TextEncoder();
const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** UTF-8 bytes of `text`. */
export const utf8 = (text: string): Uint8Array => encoder.encode(text);

/** Text of UTF-8 `bytes`; throws {@link FormatError} on anything that is not UTF-8. */
export function utf8Text(bytes: Uint8Array): string {
  try {
    return strictDecoder.decode(bytes);
  } catch {
    throw new FormatError('MALFORMED', 'the bytes are not valid UTF-8');
  }
}

/** One array out of many. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const out = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Whether both hold the same bytes. Not constant in time: never for secrets. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Offset of the first byte in which the two differ; the shorter length when one begins with the other. */
export function firstDifference(a: Uint8Array, b: Uint8Array): number {
  let at = 0;
  while (at < a.length && at < b.length && a[at] === b[at]) at++;
  return at;
}

const HEX = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, '0'));

/** Lower-case hexadecimal. */
export function toHex(bytes: Uint8Array): string {
  let out = '';
  for (const byte of bytes) out += HEX[byte] ?? '';
  return out;
}

/** Bytes of hexadecimal text in either case; throws {@link FormatError}. */
export function fromHex(text: string): Uint8Array {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) {
    throw new FormatError('MALFORMED', 'the text is not hexadecimal');
  }
  const out = new Uint8Array(text.length / 2);
  for (let i = 0; i < out.length; i++) out[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return out;
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const URL_ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const decodeTable = (alphabet: string): Int8Array => {
  const table = new Int8Array(128).fill(-1);
  for (let i = 0; i < 64; i++) table[alphabet.charCodeAt(i)] = i;
  return table;
};
const STANDARD = decodeTable(ALPHABET);
const URL_SAFE = decodeTable(URL_ALPHABET);

function encode64(bytes: Uint8Array, alphabet: string, pad: boolean): string {
  let out = '';
  for (let i = 0; i < bytes.length; i += 3) {
    const left = bytes.length - i;
    const word = ((bytes[i] ?? 0) << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    out += alphabet.charAt(word >> 18) + alphabet.charAt((word >> 12) & 63);
    out += left > 1 ? alphabet.charAt((word >> 6) & 63) : pad ? '=' : '';
    out += left > 2 ? alphabet.charAt(word & 63) : pad ? '=' : '';
  }
  return out;
}

function decode64(text: string, table: Int8Array): Uint8Array {
  const remainder = text.length % 4;
  const out = new Uint8Array(Math.floor((text.length * 3) / 4));
  let at = 0;
  let word = 0;
  let bits = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    const value = code < 128 ? (table[code] ?? -1) : -1;
    if (value < 0) throw new FormatError('MALFORMED', 'the text is not base64');
    word = (word << 6) | value;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out[at++] = (word >> bits) & 0xff;
    }
    word &= 0xff;
  }
  // One canonical spelling only: no impossible length, no stray bits behind the last byte.
  if (remainder === 1 || (word & ((1 << bits) - 1)) !== 0) {
    throw new FormatError('MALFORMED', 'the text is not canonical base64');
  }
  return out.subarray(0, at);
}

/** Standard base64 with padding (RFC 4648 §4). */
export const toBase64 = (bytes: Uint8Array): string => encode64(bytes, ALPHABET, true);

/** URL-safe base64 without padding (RFC 4648 §5). */
export const toBase64Url = (bytes: Uint8Array): string => encode64(bytes, URL_ALPHABET, false);

/** Bytes of standard, padded, canonical base64 on one line; throws {@link FormatError}. */
export function fromBase64(text: string): Uint8Array {
  if (text.length % 4 !== 0) throw new FormatError('MALFORMED', 'the base64 text is not padded');
  return decode64(text.replace(/={1,2}$/, ''), STANDARD);
}

/** Bytes of unpadded, canonical URL-safe base64, as JWTs use it; throws {@link FormatError}. */
export const fromBase64Url = (text: string): Uint8Array => decode64(text, URL_SAFE);
