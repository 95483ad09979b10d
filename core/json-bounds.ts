/**
 * A limit on what a large JSON text may contain, checked before it is parsed.
 *
 * Parsing costs time by the value, not by the byte: 255 KiB of brackets take a hundred times as long as a string of 255 KiB.
 * The check reads every byte once and allocates nothing. Its count is exact for well-formed JSON.
 */

/** Texts up to this many bytes are not checked: whatever they contain is parsed in less time than a signature takes. */
const SMALL_TEXT = 16 * 1024;

/** Members, elements, objects and arrays in all; so nesting is no deeper either. A signing request has ten. */
export const MAX_VALUES = 10_000;

const [QUOTE, BACKSLASH, COMMA, COLON] = [0x22, 0x5c, 0x2c, 0x3a];
const [OPEN_ARRAY, OPEN_OBJECT] = [0x5b, 0x7b];

/** Whether `text`, in UTF-8, has more than {@link MAX_VALUES} values. */
export const hasTooManyValues = (text: Uint8Array): boolean =>
  text.length > SMALL_TEXT && valuesIn(text, MAX_VALUES) > MAX_VALUES;

/** How many values `text`, in UTF-8, has, counted until there are more than `most`: by their commas, colons and opening brackets. */
export function valuesIn(text: Uint8Array, most: number): number {
  const strings = new Strings(text);
  let values = 0;
  for (let i = 0; i < text.length; i++) {
    const byte = text[i];
    if (byte === QUOTE) i = strings.end(i);
    else if (byte === COMMA || byte === COLON || byte === OPEN_ARRAY || byte === OPEN_OBJECT) values++;
    if (values > most) break;
  }
  return values;
}

/** Finds the ends of strings. Nearly all of a large request is strings without a backslash, which are skipped as a whole. */
class Strings {
  readonly #text: Uint8Array;
  /** The offset of the next backslash, as of the last search. */
  #backslash = -1;

  constructor(text: Uint8Array) {
    this.#text = text;
  }

  /** The offset of the quote that closes the string at `start`; the end of the text when there is none. */
  end(start: number): number {
    const text = this.#text;
    if (this.#backslash < start) this.#backslash = offsetOf(text, BACKSLASH, start);
    const quote = offsetOf(text, QUOTE, start + 1);
    if (quote < this.#backslash) return quote;
    for (let i = this.#backslash; i < text.length; i++) {
      if (text[i] === BACKSLASH) i++;
      else if (text[i] === QUOTE) return i;
    }
    return text.length;
  }
}

function offsetOf(text: Uint8Array, byte: number, from: number): number {
  const offset = text.indexOf(byte, from);
  return offset < 0 ? text.length : offset;
}
