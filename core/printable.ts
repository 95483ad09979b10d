/** `text` with every control, format and unassigned character written as `\u{…}`: text from outside that is shown to
 * a person must not move a cursor, hide, or turn its direction. */
export const printable = (text: string): string =>
  text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`);
