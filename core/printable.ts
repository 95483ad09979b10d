/**
 * Text from outside on its way to a person: nothing of it may move a cursor, hide, turn its direction or look like
 * another line. One class of characters decides that for every terminal, log line and page.
 */

/** Control, format, unassigned and private characters and halves of surrogate pairs; ends of lines; what readers ignore
 * by default (variation selectors, fillers, tags); and the blank of braille. Made when a text needs it: to read such a class takes a good part of a millisecond. */
const unprintable = (): RegExp => /[\p{C}\p{Zl}\p{Zp}\p{DI}\u2800]/gu;
const unprintableInLines = (): RegExp => /(?!\n)[\p{C}\p{Zl}\p{Zp}\p{DI}\u2800]/gu;

/** Nearly every text; looked at first because it is ten times as fast. */
const PLAIN = /^[\x20-\x7e]*$/;
const PLAIN_LINES = /^[\x20-\x7e\n]*$/;

const codePoint = (char: string): string => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`;

/** A value as one can show it on a line: what is not printable stands as `\u{…}`. */
export const printable = (text: string): string =>
  PLAIN.test(text) ? text : text.replace(unprintable(), codePoint);

/** The same for a text of several lines, made of values that are {@link printable} already: its line feeds stay. */
export const printableLines = (text: string): string =>
  PLAIN_LINES.test(text) ? text : text.replace(unprintableInLines(), codePoint);

/** JSON text as the same JSON, with what is not printable as the escape `\uXXXX`; line feeds between its parts stay. */
export const printableJson = (json: string): string =>
  PLAIN_LINES.test(json) ? json : json.replace(unprintableInLines(), escaped);

/** JSON text as the same JSON in printable ASCII. */
export const asciiJson = (json: string): string => json.replace(/[^\x20-\x7e]/g, escaped);

/** UTF-16 unit by unit, as JSON has it. Outside of strings, JSON has nothing that would have to be escaped. */
const escaped = (char: string): string =>
  Array.from(
    { length: char.length },
    (_, i) => `\\u${char.charCodeAt(i).toString(16).padStart(4, '0')}`,
  ).join('');

/** Characters that a reader does not see, or that change what is seen of others. */
const invisible = (): RegExp => /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{DI}\u2800]/u;

/** Whether a name holds what cannot be seen: two names that differ in it alone would look the same. */
export const hasInvisible = (name: string): boolean => !PLAIN.test(name) && invisible().test(name);
