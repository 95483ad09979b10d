/** Regular expressions of rules: each text that they are matched with is paid for. */
import { compileRegularExpression, type RegularExpression } from './regular-expression.ts';
import { charge, giveUp } from './meter.ts';

/** A compiled pattern; found anywhere in the text unless it is anchored. */
export interface Matcher {
  /** Whether a match can only begin where the text does. */
  readonly anchored: boolean;
  /** Throws `BudgetExhausted` when the text costs too much. */
  test(text: string): boolean;
}

/** Compiles; throws `PatternFault`. */
export function compilePattern(pattern: string): Matcher {
  const expression = compileRegularExpression(pattern);
  // Made now, not by the first request that needs it.
  expression.isFoundIn('');
  return new MeteredMatcher(expression);
}

class MeteredMatcher implements Matcher {
  readonly #expression: RegularExpression;
  readonly #costPerCharacter: number;

  constructor(expression: RegularExpression) {
    this.#expression = expression;
    this.#costPerCharacter = 4 + (expression.instructions >> 4);
  }

  get anchored(): boolean {
    return this.#expression.anchored;
  }

  test(text: string): boolean {
    charge(1 + text.length * this.#costPerCharacter);
    return this.#expression.isFoundIn(text) ?? giveUp();
  }
}
