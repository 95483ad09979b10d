/** Base64 as Go's `base64.StdEncoding` reads it: padded, line breaks skipped, stray bits behind the last byte not looked at. */

/** The bytes of a text, or the offset that Go names in `illegal base64 data at input byte N`. */
export function goBase64(text: string): Uint8Array | number {
  const bare = /[\r\n]/.test(text) ? text.replaceAll(/[\r\n]/g, '') : text;
  if (bare.length % 4 === 0 && STANDARD.test(bare)) return Buffer.from(bare, 'base64');
  return faultOffset(text);
}

const STANDARD = /^[A-Za-z0-9+/]*={0,2}$/;
const LETTER = /[A-Za-z0-9+/]/;

function faultOffset(text: string): number {
  /** Of the four characters that make three bytes. */
  let inGroup = 0;
  for (let at = 0; at < text.length; at++) {
    const character = text.charAt(at);
    if (character === '\r' || character === '\n') continue;
    if (character === '=') return paddingFault(text, at, inGroup);
    if (!LETTER.test(character)) return utf8Offset(text, at);
    inGroup = (inGroup + 1) % 4;
  }
  return text.length - inGroup;
}

function paddingFault(text: string, at: number, inGroup: number): number {
  const isBreak = (offset: number): boolean => text[offset] === '\r' || text[offset] === '\n';
  if (inGroup < 2) return at;
  let next = at + 1;
  if (inGroup === 2) {
    while (isBreak(next)) next++;
    if (next >= text.length) return utf8Offset(text, text.length);
    if (text[next] !== '=') return next - 1;
    next++;
  }
  while (isBreak(next)) next++;
  return utf8Offset(text, next);
}

/** Go counts bytes. */
const utf8Offset = (text: string, at: number): number => Buffer.byteLength(text.slice(0, at));
