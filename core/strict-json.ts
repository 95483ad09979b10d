/** JSON from outside, read so that two readers cannot see two values in it (RFC 8259 §4 leaves that open). */
import { FormatError } from './errors.ts';

/** Any JSON value. */
export type JsonValue =
  string | number | boolean | null | readonly JsonValue[] | { readonly [name: string]: JsonValue };

/** What a text may be. */
interface JsonLimits {
  /** UTF-16 units of the text. */
  readonly length: number;
  /** Objects and arrays inside each other. */
  readonly depth: number;
}

/** The value of a JSON text. Throws {@link FormatError} when it is none, is too long or too deep, or names a member of an
 * object twice. Numbers are JavaScript's: who needs 64 bits has them as strings, as Protobuf does. */
export function parseStrictJson(text: string, limits: JsonLimits): JsonValue {
  if (text.length > limits.length)
    throw new FormatError('TOO_LARGE', `the JSON text has more than ${limits.length} characters`);
  let value: JsonValue;
  try {
    value = JSON.parse(text) as JsonValue;
  } catch {
    throw new FormatError('MALFORMED', 'the text is not JSON');
  }
  checkStructure(text, limits.depth);
  return value;
}

/** A string, or one of the brackets, or the colon behind a name; in a text that is JSON. */
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"(?<name>[ \t\n\r]*:)?|[[\]{}]/g;

function checkStructure(text: string, depth: number): void {
  const open: (Set<string> | undefined)[] = [];
  for (const match of text.matchAll(TOKEN)) {
    const [token] = match;
    if (token === '}' || token === ']') open.pop();
    else if (token === '{' || token === '[') open.push(token === '{' ? new Set() : undefined);
    else if (match.groups?.['name'] !== undefined) addName(open.at(-1), token);
    if (open.length > depth) throw new FormatError('TOO_LARGE', `the JSON is nested deeper than ${depth}`);
  }
}

function addName(names: Set<string> | undefined, token: string): void {
  const name = JSON.parse(token.slice(0, token.lastIndexOf('"') + 1)) as string;
  if (names?.has(name) === true)
    throw new FormatError('MALFORMED', `the JSON names "${name.slice(0, 80)}" twice in one object`);
  names?.add(name);
}
