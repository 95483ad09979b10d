/** Members of JSON texts, found without making values of the text: those that have one name are all there, and what is no JSON elsewhere does not matter. For those who must see whatever
 * any reader sees. Every reading is linear in the length of what is passed over. */
import { endOfString } from './strict-json.ts';

const [QUOTE, COMMA, COLON] = [0x22, 0x2c, 0x3a];
const [OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];

/** A text, with values named by the offsets at which they begin. */
export class JsonText {
  readonly #text: string;
  /** Of the first value. */
  readonly start: number;

  constructor(text: string) {
    this.#text = text;
    this.start = this.#skipBlanks(0);
  }

  /** Names and values of the object that begins there, in their order; none where something else does. */
  *members(at: number): Generator<readonly [name: string, value: number]> {
    for (const [member, end] of this.#parts(at, OPEN_OBJECT)) {
      const behind = this.#text.charCodeAt(member) === QUOTE ? endOfString(this.#text, member) : end;
      const colon = this.#skipBlanks(behind);
      if (colon >= end || this.#text.charCodeAt(colon) !== COLON) continue;
      const name = this.textAt(member);
      if (name !== undefined) yield [name, this.#skipBlanks(colon + 1)];
    }
  }

  /** The elements of the array that begins there; none where something else does. */
  *elements(at: number): Generator<number> {
    for (const [element] of this.#parts(at, OPEN_ARRAY)) yield element;
  }

  /** The text that begins there; undefined where something else does. */
  textAt(at: number): string | undefined {
    if (this.#text.charCodeAt(at) !== QUOTE) return undefined;
    const token = this.#text.slice(at, endOfString(this.#text, at));
    if (!token.includes('\\')) return token.slice(1, -1);
    try {
      return JSON.parse(token) as string;
    } catch {
      return undefined;
    }
  }

  /** What stands between the commas of the object or array, with the offsets behind. */
  *#parts(at: number, opening: number): Generator<readonly [start: number, end: number]> {
    if (this.#text.charCodeAt(at) !== opening) return;
    let end = at;
    do {
      const start = this.#skipBlanks(end + 1);
      end = this.#endOfPart(start);
      if (end > start) yield [start, end];
    } while (this.#text.charCodeAt(end) === COMMA);
  }

  /** Where the comma or closing bracket stands that ends what begins at `start`. */
  #endOfPart(start: number): number {
    const text = this.#text;
    let open = 0;
    for (let at = start; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (code === QUOTE) at = endOfString(text, at) - 1;
      else if (code === OPEN_OBJECT || code === OPEN_ARRAY) open++;
      else if (code === COMMA && open === 0) return at;
      else if ((code === CLOSE_OBJECT || code === CLOSE_ARRAY) && open-- === 0) return at;
    }
    return text.length;
  }

  #skipBlanks(from: number): number {
    let at = from;
    while (at < this.#text.length && this.#text.charCodeAt(at) <= 0x20) at++;
    return at;
  }
}
