/**
 * Patterns of issuer URLs (`meta-issuers`): each `*` stands for one or more of `-_a-zA-Z0-9`, everything else for
 * itself, and the whole URL must fit. No regular expression is made of a configuration's text: with several `*` it would try
 * all ways to divide a URL between them. Here each text between two `*` is searched for once, from where the last one ended.
 */
import { DefinitionError } from './core/definition-error.ts';

/** Longest pattern, and longest URL that is held against one, in characters. */
export const MAX_PATTERN_LENGTH = 1024;

/** What one `*` stands for. */
const WILD = /^[-_a-zA-Z0-9]+$/;

/** A compiled pattern. */
export class IssuerPattern {
  readonly text: string;
  /** How many of its characters stand for themselves: of two patterns that fit, the one with more is meant. */
  readonly literals: number;
  readonly #first: string;
  /** The texts between two `*`. */
  readonly #middle: readonly string[];
  /** Undefined for a pattern without `*`. */
  readonly #last: string | undefined;

  /** Any text is a pattern; {@link compileIssuerPattern} refuses those that make no sense. */
  constructor(text: string) {
    const [first = '', ...rest] = text.split('*');
    this.text = text;
    this.literals = text.length - rest.length;
    this.#first = first;
    this.#last = rest.pop();
    this.#middle = rest;
  }

  /**
   * Whether the whole of `url` fits.
   *
   * Each text between two `*` is taken where it is found first. A later place is never better: all from the first place to
   * the later one would have to be what a `*` stands for, and then the next `*` can stand for it as well.
   */
  matches(url: string): boolean {
    const last = this.#last;
    if (last === undefined) return url === this.text;
    if (!url.startsWith(this.#first) || !url.endsWith(last)) return false;
    const inner = url.slice(this.#first.length, url.length - last.length);
    let position = 0;
    for (const literal of this.#middle) {
      const start = inner.indexOf(literal, position + 1);
      if (start < 0 || !WILD.test(inner.slice(position, start))) return false;
      position = start + literal.length;
    }
    return WILD.test(inner.slice(position));
  }
}

/** Compiles a pattern that an operator wrote. Throws {@link DefinitionError} for one that fits no URL of an issuer, or
 * lets an untrusted client choose the scheme, the port or a part that no issuer has. */
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
