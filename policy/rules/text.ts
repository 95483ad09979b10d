/**
 * A first look at the text of an expression, before the parser's. It bounds length and nesting, for the parser descends
 * into brackets; and it finds the slips whose place a backtracking parser cannot find.
 */
import { ExpressionFault } from './rule-error.ts';

/** Longest expression, in UTF-16 code units. */
const MAX_EXPRESSION_LENGTH = 4096;
const MAX_BRACKETS = 24;

const CLOSING: ReadonlyMap<string, string> = new Map([
  ['(', ')'],
  ['[', ']'],
  ['{', '}'],
]);

/** Words of other languages. */
const FOREIGN: ReadonlyMap<string, string> = new Map([
  ['and', '&&'],
  ['or', '||'],
  ['not', '!'],
]);

/** What a text is made of, longest first. */
const TOKEN = /\s+|\/\/[^\n]*|[rb]{0,2}(?:"""|'''|"|')|[A-Za-z_]\w*|\d[\w.]*|==|!=|<=|>=|&&|\|\||[^]/iy;
/** What something has to follow. */
const OPEN_END = /^(?:[=!<>]=|&&|\|\||[<>!+*/%?:.,-])$/;
const QUOTED = /("""|'''|"|')$/;

/** Throws {@link ExpressionFault} for a text that the parser should not see. */
export function checkText(text: string): void {
  if (text.trim() === '')
    throw new ExpressionFault(0, 'the expression is empty', 'Write a condition in CEL.');
  if (text.length > MAX_EXPRESSION_LENGTH) {
    throw new ExpressionFault(
      MAX_EXPRESSION_LENGTH,
      `the expression is longer than ${MAX_EXPRESSION_LENGTH} characters`,
      'Split it into several rules.',
    );
  }
  const open: { bracket: string; offset: number }[] = [];
  let before = '';
  for (let at = 0; at < text.length;) {
    TOKEN.lastIndex = at;
    const token = TOKEN.exec(text)?.[0] ?? text.charAt(at);
    const quote = QUOTED.exec(token)?.[1];
    const end = quote === undefined ? at + token.length : endOfString(text, at, token, quote);
    if (quote === undefined) checkToken(token, at, before, open);
    if (token.trim() !== '') before = token;
    at = end;
  }
  const last = open.at(-1);
  if (last !== undefined) throw new ExpressionFault(last.offset, `the "${last.bracket}" is never closed`);
  if (OPEN_END.test(before)) {
    throw new ExpressionFault(text.trimEnd().length, `the expression breaks off after "${before}"`);
  }
}

function endOfString(text: string, start: number, token: string, quote: string): number {
  const raw = /r/i.test(token);
  for (let at = start + token.length; at < text.length; at++) {
    if (text.startsWith(quote, at)) return at + quote.length;
    if (text[at] === '\\' && !raw) at++;
    else if (text[at] === '\n' && quote.length === 1) break;
  }
  const hint = `Close it with ${quote}. If there is " #" in it, put all of the condition in single quotes: to YAML, what follows is a comment.`;
  throw new ExpressionFault(start, 'the text in quotes does not end', hint);
}

function checkToken(
  token: string,
  offset: number,
  before: string,
  open: { bracket: string; offset: number }[],
): void {
  if (CLOSING.has(token)) {
    open.push({ bracket: token, offset });
    if (open.length > MAX_BRACKETS) {
      throw new ExpressionFault(offset, `more than ${MAX_BRACKETS} brackets within each other`);
    }
  } else if (token === ')' || token === ']' || token === '}') {
    const opened = open.pop();
    if (opened === undefined)
      throw new ExpressionFault(offset, `nothing is open that this "${token}" closes`);
    const wanted = CLOSING.get(opened.bracket);
    if (wanted !== token)
      throw new ExpressionFault(offset, `"${wanted ?? ''}" must come before this "${token}"`);
  } else if (token === '=') {
    throw new ExpressionFault(offset, '"=" alone means nothing here', 'Compare with "==".');
  } else if (token === '&' || token === '|') {
    throw new ExpressionFault(offset, `"${token}" alone means nothing here`, `Write "${token}${token}".`);
  } else if (/^[\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb]$/.test(token)) {
    throw new ExpressionFault(offset, `"${token}" is no quote of CEL`, 'Write " or \' on both sides.');
  } else if (before !== '.' && FOREIGN.has(token.toLowerCase())) {
    const own = FOREIGN.get(token.toLowerCase()) ?? '';
    throw new ExpressionFault(offset, `"${token}" is not a word of CEL`, `Write "${own}".`);
  }
}
