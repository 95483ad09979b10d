/**
 * Patterns of issuer URLs (`meta-issuers`): each `*` stands for one or more of `-_a-zA-Z0-9`, everything else for
 * itself, and the whole URL must fit. Decided in time linear in the URL's length, whatever the pattern; no regular
 * expression is made of a configuration's text.
 */
import { DefinitionError } from './definition-error.ts';

/** Longest pattern, and longest URL that is held against one, in characters. */
export const MAX_PATTERN_LENGTH = 1024;

/** A compiled pattern. */
export class IssuerPattern {
  readonly text: string;
  /** How many of its characters stand for themselves: of two patterns that fit, the one with more is meant. */
  readonly literals: number;
  readonly #first: string;
  readonly #middle: readonly Literal[];
  /** Undefined for a pattern without `*`. */
  readonly #last: string | undefined;
  readonly #shortest: number;

  /** Any text is a pattern; see {@link compileIssuerPattern} for those that make sense. */
  constructor(text: string) {
    const [first = '', ...rest] = text.split('*');
    this.text = text;
    this.literals = text.length - rest.length;
    this.#first = first;
    this.#last = rest.pop();
    this.#middle = rest.map(literalOf);
    this.#shortest = text.length;
  }

  /** Whether the whole of `url` fits. */
  matches(url: string): boolean {
    const last = this.#last;
    if (last === undefined) return url === this.text;
    if (url.length < this.#shortest || !url.startsWith(this.#first) || !url.endsWith(last)) return false;
    const end = url.length - last.length;
    let position = this.#first.length;
    // From `position` up to here all is what a `*` may stand for.
    let runEnd = position;
    for (const literal of this.#middle) {
      runEnd = endOfRun(url, runEnd, end);
      const start = startOf(literal, url, position + 1, runEnd, end);
      if (start < 0) return false;
      position = start + literal.text.length;
      runEnd = Math.max(runEnd, position);
    }
    return position < end && endOfRun(url, runEnd, end) === end;
  }
}

/** Compiles a pattern that an operator wrote. Throws {@link DefinitionError} for one that fits no URL of an issuer, or
 * leaves the scheme, the port or a part that no issuer has to whoever makes up the URL. */
export function compileIssuerPattern(text: string): IssuerPattern {
  const example = text.replaceAll('*', 'a');
  const isUsable = /^https?:\/\/[^/]/.test(text) && isPlainUrl(example) && text.length <= MAX_PATTERN_LENGTH;
  if (isUsable) return new IssuerPattern(text);
  throw new DefinitionError('FIELD_INVALID', `"${text.slice(0, 200)}" is not a pattern of issuer URLs`, {
    hint: 'Write https://host/path as the tokens have it in "iss", with * for parts of the host name or of the path.',
    metadata: { issuer: text, field: 'issuer-url' },
  });
}

/** Whether `text` is an absolute http(s) URL in the one spelling that a parser would give back, without user, query and
 * fragment: so that the text which is compared and the place which is asked are the same. */
export function isPlainUrl(text: string): boolean {
  const url = URL.parse(text);
  if (url === null || !['https:', 'http:'].includes(url.protocol)) return false;
  if (url.username !== '' || url.password !== '' || /[?#\s]/.test(text)) return false;
  return url.href === text || (url.pathname === '/' && url.href === `${text}/`);
}

/** Text between two `*`, prepared for being searched. */
interface Literal {
  readonly text: string;
  /** Where its first character stands that no `*` can stand for; -1 when there is none. */
  readonly fixedAt: number;
  /** Knuth, Morris, Pratt: for each place, the length of the longest border of the text up to there. */
  readonly borders: readonly number[];
}

function literalOf(text: string): Literal {
  const fixedAt = endOfRun(text, 0, text.length);
  return { text, fixedAt: fixedAt === text.length ? -1 : fixedAt, borders: bordersOf(text) };
}

function bordersOf(text: string): number[] {
  const borders = [0];
  let length = 0;
  for (let i = 1; i < text.length; i++) {
    while (length > 0 && text[i] !== text[length]) length = borders[length - 1] ?? 0;
    if (text[i] === text[length]) length++;
    borders.push(length);
  }
  return borders;
}

/**
 * The first place from `from` on where the literal stands and up to which all is what a `*` may stand for; -1 when there
 * is none. The first is as good as any: a literal with a character that `*` cannot stand for has only one place, where
 * the run ends; of any other, what lies between its first place and a later one is all what a `*` may stand for too.
 */
function startOf(
  { text, fixedAt, borders }: Literal,
  url: string,
  from: number,
  runEnd: number,
  end: number,
): number {
  if (fixedAt >= 0) {
    const start = runEnd - fixedAt;
    return start >= from && start + text.length <= end && url.startsWith(text, start) ? start : -1;
  }
  if (text === '') return from <= runEnd ? from : -1;
  let length = 0;
  for (let i = from; i < runEnd; i++) {
    while (length > 0 && url[i] !== text[length]) length = borders[length - 1] ?? 0;
    if (url[i] === text[length]) length++;
    if (length === text.length) return i + 1 - length;
  }
  return -1;
}

/** Where the run of characters that a `*` may stand for ends which begins at `from`, at most `end`. */
function endOfRun(text: string, from: number, end: number): number {
  let i = from;
  while (i < end && isWild(text.charCodeAt(i))) i++;
  return i;
}

const WILD = /[-_a-zA-Z0-9]/;
/** By character code; ASCII only. */
const IS_WILD = Array.from({ length: 128 }, (_, code) => WILD.test(String.fromCharCode(code)));
const isWild = (code: number): boolean => IS_WILD[code] === true;
