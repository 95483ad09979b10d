/** Go's string literals between double quotes or backquotes. */

/** What a backslash and one letter stand for. */
const SHORT: ReadonlyMap<string, string> = new Map([
  ['a', '\x07'],
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
  ['v', '\v'],
  ['\\', '\\'],
  ['"', '"'],
]);

const PIECE =
  /[^\\]+|\\(?:x(?<hex>[0-9a-fA-F]{2})|(?<octal>[0-7]{3})|u(?<u4>[0-9a-fA-F]{4})|U(?<u8>[0-9a-fA-F]{8})|(?<one>[^]))/gu;

/** What a literal means, quotes taken off; undefined when Go knows no such escape, or when it makes half a character:
 * a byte above 0x7f, or half a surrogate pair. */
export function unquote(literal: string): string | undefined {
  const inner = literal.slice(1, -1);
  // Go drops carriage returns from raw strings.
  if (literal.startsWith('`')) return inner.replaceAll('\r', '');
  const pieces = Array.from(inner.matchAll(PIECE), meaning);
  return pieces.includes(undefined) ? undefined : pieces.join('');
}

function meaning(piece: RegExpExecArray): string | undefined {
  if (!piece[0].startsWith('\\')) return piece[0];
  const { hex, octal, u4, u8, one = '' } = piece.groups ?? {};
  return byteText(hex, 16) ?? byteText(octal, 8) ?? codePointText(u4 ?? u8) ?? SHORT.get(one);
}

function byteText(digits: string | undefined, radix: number): string | undefined {
  const value = digits === undefined ? 0x80 : parseInt(digits, radix);
  return value < 0x80 ? String.fromCharCode(value) : undefined;
}

function codePointText(digits: string | undefined): string | undefined {
  const value = digits === undefined ? -1 : parseInt(digits, 16);
  const isCharacter = value >= 0 && value <= 0x10ffff && !(value >= 0xd800 && value <= 0xdfff);
  return isCharacter ? String.fromCodePoint(value) : undefined;
}
