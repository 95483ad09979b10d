/** JSON from outside, read so that two readers cannot see two values in it (RFC 8259 §4 leaves that open). */
import { FormatError } from './errors.ts';
import { printable } from './printable.ts';

/** Any JSON value. */
export type JsonValue =
  string | number | boolean | null | readonly JsonValue[] | { readonly [name: string]: JsonValue };

/** What a text may be. */
interface JsonLimits {
  /** UTF-16 units of the text. */
  readonly length: number;
  /** Objects and arrays inside each other. */
  readonly depth: number;
  /** Objects, arrays, members and elements in all; {@link USUAL_PARTS} without it. */
  readonly parts?: number;
}

const USUAL_PARTS = 100_000;
/** Of different names in all. They are what is slow to build, a microsecond each. */
const MAX_NAMES = 100_000;

/** The value of a JSON text. Throws {@link FormatError} when it is none, is too long or too deep, has too many parts, or names a member of an
 * object twice. Numbers are JavaScript's: who needs 64 bits has them as strings, as Protobuf does. */
export function parseStrictJson(text: string, limits: JsonLimits): JsonValue {
  if (text.length > limits.length)
    throw new FormatError('TOO_LARGE', `the JSON text has more than ${limits.length} characters`);
  new StructureScan(text, limits).run();
  return parse(text);
}

function parse(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    throw new FormatError('MALFORMED', 'the text is not JSON');
  }
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const ESCAPE = 0x5c;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/** Goes through a text once, before anything is made of it, so that what is refused costs next to nothing. It may be no JSON: that is found afterwards. */
class StructureScan {
  readonly #text: string;
  readonly #depth: number;
  readonly #parts: number;
  /** The names of each object that is open; undefined for an array. */
  readonly #open: (Set<string> | undefined)[] = [];
  readonly #names = new Set<string>();
  #found = 0;

  constructor(text: string, { depth, parts = USUAL_PARTS }: JsonLimits) {
    this.#text = text;
    this.#depth = depth;
    this.#parts = parts;
  }

  run(): void {
    for (let at = 0; at < this.#text.length; at = this.#after(at));
  }

  /** Where the next token may begin. */
  #after(at: number): number {
    switch (this.#text.charCodeAt(at)) {
      case QUOTE:
        return this.#afterString(at);
      case OPEN_OBJECT:
        this.#enter(new Set());
        break;
      case OPEN_ARRAY:
        this.#enter(undefined);
        break;
      case CLOSE_OBJECT:
      case CLOSE_ARRAY:
        this.#open.pop();
        break;
      case COMMA:
        this.#count();
    }
    return at + 1;
  }

  #enter(names: Set<string> | undefined): void {
    this.#count();
    this.#open.push(names);
    if (this.#open.length > this.#depth)
      throw new FormatError('TOO_LARGE', `the JSON is nested deeper than ${this.#depth}`);
  }

  /** There is a comma less than members of an object, or elements of an array. */
  #count(): void {
    this.#found++;
    if (this.#found > this.#parts)
      throw new FormatError('TOO_LARGE', `the JSON has more than ${this.#parts} members and elements`);
  }

  #afterString(start: number): number {
    const end = endOfString(this.#text, start);
    const names = this.#open.at(-1);
    if (names !== undefined && isBeforeColon(this.#text, end))
      this.#addName(names, this.#text.slice(start, end));
    return end;
  }

  #addName(names: Set<string>, token: string): void {
    const name = token.includes('\\') ? (parse(token) as string) : token.slice(1, -1);
    if (names.has(name))
      throw new FormatError(
        'MALFORMED',
        `the JSON names "${printable(name.slice(0, 80))}" twice in one object`,
      );
    names.add(name);
    this.#names.add(name);
    if (this.#names.size > MAX_NAMES)
      throw new FormatError('TOO_LARGE', `the JSON has more than ${MAX_NAMES} different names`);
  }
}

/** Behind the string that begins there; the end of the text where it does not end. */
export function endOfString(text: string, start: number): number {
  for (let at = text.indexOf('"', start + 1); at >= 0; at = text.indexOf('"', at + 1))
    if (!isEscaped(text, at, start)) return at + 1;
  return text.length;
}

/** Whether an odd number of backslashes stands before `at`, in a string that begins at `start`. */
function isEscaped(text: string, at: number, start: number): boolean {
  let first = at;
  while (first - 1 > start && text.charCodeAt(first - 1) === ESCAPE) first--;
  return (at - first) % 2 === 1;
}

function isBeforeColon(text: string, end: number): boolean {
  let at = end;
  while (isBlank(text.charCodeAt(at))) at++;
  return text.charCodeAt(at) === COLON;
}

const isBlank = (code: number): boolean => code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;
