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

/** Bytes that a call can be given one by one as its arguments. */
const CHUNK = 4096;

/** A character for each byte. */
function binaryText(bytes: Uint8Array): string {
  let out = '';
  for (let at = 0; at < bytes.length; at += CHUNK)
    out += String.fromCharCode(...bytes.subarray(at, at + CHUNK));
  return out;
}

/** Unpadded base64 whose alphabet was checked. The platform, which is five times as fast as a loop, takes more than canonical text. */
function decode64(text: string): Uint8Array {
  // One canonical spelling only: no impossible length, no stray bits behind the last byte.
  const remainder = text.length % 4;
  const isCanonical = remainder === 0 || LAST[remainder - 1]?.test(text) === true;
  if (!isCanonical) throw new FormatError('MALFORMED', 'the text is not canonical base64');
  const binary = atob(text);
  const out = new Uint8Array(binary.length);
  for (let i = 0; i < out.length; i++) out[i] = binary.charCodeAt(i);
  return out;
}

/** How a text ends whose length leaves 1, 2 and 3 characters beside groups of four. */
const LAST = [/(?!)/, /[AQgw]$/, /[AEIMQUYcgkosw048]$/];

function requireAlphabet(text: string, others: RegExp): void {
  if (others.test(text)) throw new FormatError('MALFORMED', 'the text is not base64');
}

/** Standard base64 with padding (RFC 4648 §4). */
export const toBase64 = (bytes: Uint8Array): string => btoa(binaryText(bytes));

/** A hash or a log id of others as one can show it: {@link toBase64}, or how long it is where no hash is. */
export const shownHash = (bytes: Uint8Array): string =>
  bytes.length <= 64 ? toBase64(bytes) : `${bytes.length} bytes, which no hash has`;

/** URL-safe base64 without padding (RFC 4648 §5). */
export const toBase64Url = (bytes: Uint8Array): string =>
  toBase64(bytes)
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replace(/={1,2}$/, '');

/** Bytes of standard, padded, canonical base64 on one line; throws {@link FormatError}. */
export function fromBase64(text: string): Uint8Array {
  if (text.length % 4 !== 0) throw new FormatError('MALFORMED', 'the base64 text is not padded');
  const bare = text.replace(/={1,2}$/, '');
  requireAlphabet(bare, /[^A-Za-z0-9+/]/);
  return decode64(bare);
}

/** Bytes of unpadded, canonical URL-safe base64, as JWTs use it; throws {@link FormatError}. */
export function fromBase64Url(text: string): Uint8Array {
  requireAlphabet(text, /[^\w-]/);
  return decode64(text.replaceAll('-', '+').replaceAll('_', '/'));
}
