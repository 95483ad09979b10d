import { MayflyError } from '../../core/errors.ts';

/** A rule that cannot be used. `metadata` names the `rule` and the `line` and `column` within its expression, both
 * counted from 1. */
export class RuleError extends MayflyError<'RULE_INVALID'> {}

/** What is wrong with an expression and where, before anybody knows which rule it belongs to. */
export class ExpressionFault extends Error {
  /** UTF-16 offset into the expression. */
  readonly offset: number;
  /** What to do about it. */
  readonly hint: string | undefined;

  constructor(offset: number, sentence: string, hint?: string) {
    super(sentence);
    this.offset = offset;
    this.hint = hint;
  }
}

/** A place in a text, both counted from 1; columns count characters, not code units. */
interface Place {
  readonly line: number;
  readonly column: number;
}

/** Where `offset` lies; blanks before a word belong to the word. */
export function placeOf(text: string, offset: number): Place {
  let at = Math.min(offset, text.length);
  while (at < text.length && /\s/.test(text.charAt(at))) at++;
  if (at === text.length) at = text.trimEnd().length;
  const lines = text.slice(0, at).split(/\r\n|\r|\n/);
  return { line: lines.length, column: Array.from(lines.at(-1) ?? '').length + 1 };
}

/** The fault as the error that names the rule. Whatever else was thrown is a fault of the whole expression. */
export function ruleError(rule: string, text: string, error: unknown): RuleError {
  const fault =
    error instanceof ExpressionFault ? error : new ExpressionFault(0, 'the expression cannot be used');
  const { line, column } = placeOf(text, fault.offset);
  return new RuleError('RULE_INVALID', `rule "${rule}", line ${line}, column ${column}: ${fault.message}`, {
    hint: fault.hint,
    metadata: { rule, line: String(line), column: String(column) },
    cause: error,
  });
}
