/**
 * Percent-encoding as Go's net/url does it (Go 1.26). Texts here are byte strings: one character for each byte of the
 * UTF-8 form, which for ASCII is the text itself.
 */
import { isUtf8 } from 'node:buffer';
import { goQuote } from './quote.ts';

/** Part of a URL, for the rules that apply in it. */
type UrlPart = 'path' | 'host' | 'zone' | 'userinfo' | 'fragment';

/** A text that is no URL in Go's eyes. `message` is Go's, without the `parse "…": ` in front. */
export class GoUrlFault extends Error {}

const UNRESERVED = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~';
const HOST = `${UNRESERVED}!$&'()*+,;=:[]<>"`;

/** Part → the bytes that stand in it unescaped. */
const PLAIN: Record<UrlPart, ReadonlySet<string>> = {
  path: new Set(`${UNRESERVED}$&+,/:;=@`),
  host: new Set(HOST),
  zone: new Set(HOST),
  userinfo: new Set(`${UNRESERVED}$&+,;=`),
  fragment: new Set(`${UNRESERVED}$&+,/:;=?@!()*`),
};

const ALSO_VALID = new Set("!$&'()*+,;=:@[]%");

const hex = (byte: string): string => `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;

/** `text` with every byte escaped that may not stand in `part`. */
export function escape(text: string, part: UrlPart): string {
  const plain = PLAIN[part];
  let out = '';
  for (const byte of text) out += plain.has(byte) ? byte : hex(byte);
  return out;
}

/** Whether `text` could be an escaped form of something in `part`. */
export function validEncoded(text: string, part: UrlPart): boolean {
  const plain = PLAIN[part];
  for (const byte of text) if (!plain.has(byte) && !ALSO_VALID.has(byte)) return false;
  return true;
}

const ESCAPE = /^%[0-9a-fA-F]{2}$/;

/** A byte string between double quotes; bytes that are of no character stand as `\x…`, each by itself. */
export function quoteBytes(bytes: string): string {
  const raw = Buffer.from(bytes, 'latin1');
  if (isUtf8(raw)) return goQuote(raw.toString());
  let out = '';
  for (let at = 0; at < raw.length;) {
    const character = raw.subarray(at, at + widthOf(raw[at] ?? 0));
    const isWhole = isUtf8(character);
    out += isWhole ? goQuote(character.toString()).slice(1, -1) : `\\x${raw.toString('hex', at, at + 1)}`;
    at += isWhole ? character.length : 1;
  }
  return `"${out}"`;
}

/** How many bytes a character of UTF-8 has that begins with this one. */
const widthOf = (first: number): number => (first < 0xe0 ? (first < 0xc0 ? 1 : 2) : first < 0xf0 ? 3 : 4);

const badEscape = (bytes: string): GoUrlFault => new GoUrlFault(`invalid URL escape ${quoteBytes(bytes)}`);

/** `text` with its escapes resolved; throws {@link GoUrlFault}. */
export function unescape(text: string, part: UrlPart): string {
  const inHost = part === 'host' || part === 'zone';
  let out = '';
  for (let i = 0; i < text.length; i++) {
    const byte = text.charAt(i);
    if (byte === '%') {
      out += unescapeOne(text.slice(i, i + 3), part);
      i += 2;
    } else if (inHost && byte < '\x80' && !PLAIN[part].has(byte)) {
      throw new GoUrlFault(`invalid character ${goQuote(byte)} in host name`);
    } else {
      out += byte;
    }
  }
  return out;
}

function unescapeOne(escaped: string, part: UrlPart): string {
  if (!ESCAPE.test(escaped)) throw badEscape(escaped);
  const byte = String.fromCharCode(Number.parseInt(escaped.slice(1), 16));
  // A host escapes only what is not ASCII (RFC 3986 §3.2.2), and the % in front of a zone (RFC 6874 §2).
  if (part === 'host' && byte < '\x80' && escaped !== '%25') throw badEscape(escaped);
  // A zone may escape anything that it could also say plainly, and a space.
  if (part === 'zone' && escaped !== '%25' && byte !== ' ' && !PLAIN.host.has(byte)) throw badEscape(escaped);
  return byte;
}
