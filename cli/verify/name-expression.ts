import {
  compileRegularExpression,
  PatternFault,
  type RegularExpression,
} from '../../policy/rules/regular-expression.ts';
import { CommandError } from '../program/command.ts';

/** The expression of the option `--WHAT-regexp`. Throws {@link CommandError} `USAGE`. */
export function readExpression(what: string, expression: string): RegularExpression {
  try {
    return compileRegularExpression(expression);
  } catch (error) {
    if (!(error instanceof PatternFault)) throw error;
    throw new CommandError('USAGE', `--${what}-regexp: the regular expression ${error.message}`, {
      hint: 'Write it as RE2 and Go do, without look-around and back-references, e.g. "\\." for a dot.',
    });
  }
}
