/** What the literals in calls stand for, made while the rule is checked: patterns, times, numbers. */
import { isCelError, plan, type CelValue } from '@bufbuild/cel';
import { RULE_ENVIRONMENT } from './functions.ts';
import { literalKey, type Literals } from './literals.ts';
import { literalText } from './path.ts';
import { PatternFault } from './regular-expression.ts';
import { compilePattern, type Matcher } from './regex.ts';
import type { ExpressionFault } from './rule-error.ts';
import type { Call, Expr } from './syntax.ts';
import { isCalendarMethod, isZone } from './time.ts';

/** Collects them, call by call. */
export class CallLiterals implements Literals {
  readonly matchers = new Map<string, Matcher>();
  readonly constants = new Map<string, CelValue>();
  readonly #fault: (node: Expr, sentence: string, hint?: string) => ExpressionFault;

  /** `fault` makes the error about a node. */
  constructor(fault: (node: Expr, sentence: string, hint?: string) => ExpressionFault) {
    this.#fault = fault;
  }

  /** Patterns and zones must be there before a token is; and a time that no calendar has is better known now. */
  check(node: Expr, { function: name, target, args }: Call, operands: readonly Expr[]): void {
    const last = operands.at(-1);
    if (name === 'matches') this.#pattern(node, literalText(operands[1]), operands[1]);
    else if (target !== undefined && isCalendarMethod(name) && args.length > 0) {
      const zone = literalText(last);
      if (zone === undefined) throw this.#fault(node, 'a time zone must be written in the rule itself');
      if (!isZone(zone)) {
        throw this.#fault(
          last ?? node,
          'there is no such time zone',
          'Like "UTC", "Europe/Berlin" or "+02:00".',
        );
      }
    } else if (CONVERSIONS.has(name)) this.#constant(node, name, last);
  }

  #constant(node: Expr, name: string, literal: Expr | undefined): void {
    const text = literalText(literal);
    if (text === undefined) return;
    const value = plan(RULE_ENVIRONMENT, node)();
    if (isCelError(value))
      throw this.#fault(literal ?? node, `this text is no ${name}`, CONVERSIONS.get(name));
    this.constants.set(literalKey(name, text), value);
  }

  #pattern(node: Expr, pattern: string | undefined, place: Expr | undefined): void {
    if (pattern === undefined) {
      throw this.#fault(
        node,
        'a regular expression must be written in the rule itself',
        'Compare with "==", "in", startsWith() or endsWith() what is not known before.',
      );
    }
    try {
      if (!this.matchers.has(pattern)) this.matchers.set(pattern, compilePattern(pattern));
    } catch (error) {
      if (!(error instanceof PatternFault)) throw error;
      throw this.#fault(place ?? node, `the regular expression ${error.message}`, RE2_HINT);
    }
  }
}

const RE2_HINT =
  'Look-around and back-references do not exist in RE2. In "…" a backslash is doubled; r"…" takes it as it is.';

/** Functions whose argument, when it is a literal, can be judged at once. */
const CONVERSIONS: ReadonlyMap<string, string> = new Map([
  ['timestamp', 'Write it like "2026-01-31T12:00:00Z".'],
  ['duration', 'Write it like "90m" or "1h30m".'],
  ['int', 'Write it like "42".'],
  ['uint', 'Write it like "42".'],
  ['double', 'Write it like "4.2".'],
  ['bool', 'Write "true" or "false".'],
]);
