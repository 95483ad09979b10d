/** The words of a template, as Go's `text/template/parse` splits them. */
import { refuseTemplate } from './refusal.ts';

/** What a {@link Token} is. `space` matters: it is what parts the arguments of a command. */
export type TokenKind =
  | 'text'
  | 'open'
  | 'close'
  | 'space'
  | 'field'
  | 'dot'
  | 'word'
  | 'string'
  | 'number'
  | 'pipe'
  | 'leftParen'
  | 'rightParen'
  | 'end of template';

/** One word and where it stands. */
export interface Token {
  readonly kind: TokenKind;
  /** As it was written; of `text` what is left after trimming. */
  readonly text: string;
  /** Offset in the template, in UTF-16 units. */
  readonly at: number;
}

/** Longest template that is read, in UTF-16 units. */
export const MAX_TEMPLATE_LENGTH = 16 * 1024;

// A claim's name is letters, digits and underscores; after it only these may follow.
const NAME = '[\\p{L}\\p{Nd}_]+';
const ENDS_WORD = '(?=$|[ \\t\\r\\n.,|:)(]|\\}\\})';

/** What may stand inside an action, tried in this order. Each pattern is linear in what it reads. */
const WORDS: readonly (readonly [TokenKind, RegExp])[] = [
  ['close', /(?:[ \t\r\n]-)?\}\}/uy],
  // The last blank before "-}}" belongs to the trim marker.
  ['space', /[ \t\r\n]+?(?=[ \t\r\n]-\}\})|[ \t\r\n]+/uy],
  ['number', /[+-]?(?:0|[1-9]\d*)(?![\p{L}\p{Nd}_.+-])/uy],
  ['field', new RegExp(`\\.(?!\\d)${NAME}${ENDS_WORD}`, 'uy')],
  ['dot', new RegExp(`\\.(?!\\d)${ENDS_WORD}`, 'uy')],
  ['word', new RegExp(`(?!\\d)${NAME}${ENDS_WORD}`, 'uy')],
  ['string', /"(?:[^"\\\n]|\\[^\n])*"|`[^`]*`/uy],
  ['pipe', /\|/uy],
  ['leftParen', /\(/uy],
  ['rightParen', /\)/uy],
];

const COMMENT = /(?:-[ \t\r\n])?\/\*(?:(?!\*\/)[^])*\*\/(?:[ \t\r\n]-)?\}\}/y;
const OPENS_COMMENT = /(?:-[ \t\r\n])?\/\*/y;
const TRIMS_BEFORE = /-[ \t\r\n]/y;
const TRIMS_AFTER = /[ \t\r\n]-\}\}$/;
const BLANKS = /[ \t\r\n]*/y;

/** Splits a template into words; the last is `end of template`. Throws {@link DefinitionError} for what is no word of
 * the part of Go's templates that is understood. */
export function readTokens(text: string): readonly Token[] {
  if (text.length > MAX_TEMPLATE_LENGTH) {
    const limit = `the template is longer than ${MAX_TEMPLATE_LENGTH} characters`;
    throw refuseTemplate(text, MAX_TEMPLATE_LENGTH, limit, 'Write a shorter one.');
  }
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) at = readTextAndAction(text, at, tokens);
  tokens.push({ kind: 'end of template', text: '', at: text.length });
  return tokens;
}

/** Reads the text up to the next action, and the action; returns the offset behind both. */
function readTextAndAction(text: string, start: number, tokens: Token[]): number {
  const open = text.indexOf('{{', start);
  const end = open < 0 ? text.length : open;
  const inside = end + 2;
  const trims = open >= 0 && matchAt(TRIMS_BEFORE, text, inside) !== undefined;
  const plain = text.slice(start, trims ? beforeBlanks(text, start, end) : end);
  if (plain !== '') tokens.push({ kind: 'text', text: plain, at: start });
  if (open < 0) return end;
  if (matchAt(OPENS_COMMENT, text, inside) !== undefined) return skipComment(text, open);
  tokens.push({ kind: 'open', text: '{{', at: open });
  return readAction(text, open, inside + (trims ? 2 : 0), tokens);
}

function skipComment(text: string, open: number): number {
  const comment = matchAt(COMMENT, text, open + 2);
  if (comment === undefined) {
    throw refuseTemplate(
      text,
      open,
      'the comment does not end with */ right before the closing }}',
      'Write {{/* … */}}, with nothing else between the braces.',
    );
  }
  return afterClose(text, open + 2 + comment.length, comment);
}

function readAction(text: string, open: number, start: number, tokens: Token[]): number {
  let at = start;
  while (at < text.length) {
    const token = readWord(text, at);
    tokens.push(token);
    at += token.text.length;
    if (token.kind === 'close') return afterClose(text, at, token.text);
  }
  throw refuseTemplate(text, open, 'the action is never closed with }}', 'Close it: {{ .claim }}.');
}

function readWord(text: string, at: number): Token {
  for (const [kind, pattern] of WORDS) {
    const word = matchAt(pattern, text, at);
    if (word !== undefined) return { kind, text: word, at };
  }
  throw strange(text, at);
}

/** Where the text goes on behind a `}}`, which may swallow the blanks that follow it. */
const afterClose = (text: string, at: number, close: string): number =>
  TRIMS_AFTER.test(close) ? at + (matchAt(BLANKS, text, at) ?? '').length : at;

/** Where the blanks begin with which `text` ends before `end`. */
function beforeBlanks(text: string, start: number, end: number): number {
  let at = end;
  while (at > start && ' \t\r\n'.includes(text.charAt(at - 1))) at--;
  return at;
}

function matchAt(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0];
}

/** What to say about characters that begin no word, by what the author probably meant. */
const STRANGE: readonly (readonly [RegExp, reason: string, hint: string])[] = [
  [/\$/uy, 'variables are not understood', 'Write the claim itself each time: {{ .claim }}.'],
  [/"/uy, 'the text between quotes is never closed on its line', 'Close it with ".'],
  [/`/uy, 'the text between backquotes is never closed', 'Close it with `.'],
  [/'/uy, 'single quotes are not understood', 'Put text between double quotes: "text".'],
  [/\.?[\p{L}\p{Nd}_]+\}(?!\})/uy, 'the action is closed with one brace', 'Close it with two: {{ .claim }}.'],
  [
    /[+-]?\.?\d/uy,
    'only whole numbers in plain decimal are understood',
    'Claims are texts: compare with "1".',
  ],
  [/\./uy, 'the name of the claim has a character that no name here can have', 'Write {{ index . "NAME" }}.'],
  [/==/uy, 'there is no == in templates', 'Write eq .claim "text".'],
  [
    /!=?|&&/uy,
    'templates know words, not these signs',
    'Write ne .claim "text", not .claim, and .claim .other.',
  ],
  [/:?=/uy, 'variables are not understood', 'Write the claim itself each time: {{ .claim }}.'],
  [/,/uy, 'there is no comma in templates', 'Part arguments with blanks: eq .claim "text".'],
  [/[\p{L}\p{Nd}_]/uy, 'the word goes on with a character that no word can have', 'Part words with blanks.'],
];

function strange(text: string, at: number): Error {
  const [, reason, hint] = STRANGE.find(([pattern]) => matchAt(pattern, text, at) !== undefined) ?? UNKNOWN;
  const name = matchAt(/\.([^\s(){}|"`]+)/uy, text, at)?.slice(1) ?? '';
  return refuseTemplate(
    text,
    at,
    reason,
    hint.replace('NAME', () => name),
  );
}

const UNKNOWN: readonly [undefined, reason: string, hint: string] = [
  undefined,
  'this character has no meaning here',
  'An action holds claims, functions and texts between quotes, as in {{ if eq .claim "text" }}.',
];
