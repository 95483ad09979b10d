/** A condition in CEL over what an attestation says of its artifact. */
import { compileExpression } from './compile.ts';
import type { Failure } from './failure.ts';
import { ruleError } from './rule-error.ts';
import { evaluateAlone } from './rules.ts';
import { celOfJson } from './values.ts';
import { DYN, STRING, type ValueType } from './value-type.ts';

const VARIABLES: ReadonlyMap<string, ValueType> = new Map([
  ['predicate', DYN],
  ['predicateType', STRING],
]);

/** An attestation, as such a condition sees it. */
export interface StatedPredicate {
  readonly predicateType: string;
  /** JSON; null where there is none. */
  readonly predicate: unknown;
}

/** A condition that was compiled: whether it holds, or why that could not be found out. Takes bounded time, and never throws. */
export type PredicateRule = (stated: StatedPredicate) => boolean | Failure;

/** Compiles an expression over `predicate` and `predicateType`. Throws RuleError. */
export function compilePredicateRule(text: string): PredicateRule {
  let expression: ReturnType<typeof compileExpression>;
  try {
    expression = compileExpression(text, VARIABLES);
  } catch (error) {
    throw ruleError('policy', text, error);
  }
  return ({ predicateType, predicate }) =>
    evaluateAlone(expression, {
      predicateType,
      // Numbers that lost digits fail when they are looked at, not before.
      get predicate() {
        return celOfJson(predicate);
      },
    });
}
