/**
 * Rules decide who among the authenticated gets a certificate. Each is a named condition in CEL that allows or denies.
 *
 * All rules of an issuer block are evaluated, so that their order never matters: a deny rule that holds refuses; then any rule
 * that cannot be evaluated refuses, whatever the others say, because a rule that was meant to decide did not; then, when
 * there are allow rules, one of them must hold. Without any rule everybody whom the issuer stands for is allowed.
 */
import { isCelError } from '@bufbuild/cel';
import type { RuleDefinition } from './rule-definition.ts';
import { bindingsOf, type RuleInput } from './bindings.ts';
import { compileExpression, type Bindings, type CompiledExpression } from './compile.ts';
import { decisionOf, type Outcome, type RuleDecision } from './rule-decision.ts';
import { ruleError } from './rule-error.ts';
import { failureOf, notBool, tooCostly, type Failure } from './failure.ts';
import { useLeniency } from './equality.ts';
import { useLiterals } from './literals.ts';
import { isExhausted, MAX_ADDED_STEPS, refill, spend } from './meter.ts';

/** What became of one rule. */
export interface RuleOutcome {
  readonly rule: string;
  readonly effect: RuleDefinition['effect'];
  readonly outcome: 'holds' | 'does not hold' | 'failed';
  /** Why it failed, and what its author can do; only when it did. */
  readonly failure?: Failure | undefined;
}

/** Every rule with its outcome, in the order of the configuration, and the decision that follows. */
export interface RuleTrace {
  readonly outcomes: readonly RuleOutcome[];
  readonly decision: RuleDecision;
}

/** The rules of one issuer block. */
export interface Rules {
  /** Whether there is a rule that allows: an issuer block that requires rules admits nobody without one. */
  readonly hasAllow: boolean;
  /** Never throws. */
  decide(input: RuleInput): RuleDecision;
  /** Never throws. */
  trace(input: RuleInput): RuleTrace;
}

/** Steps that the rules of an issuer block may cost by themselves, whatever the token; more leave too little for what
 * tokens bring. An expression has at most a thousand parts, so a hundred rules never reach it. */
export const MAX_FIXED_STEPS = MAX_ADDED_STEPS;

/** Definitions never change, so that each has to be compiled once. */
const COMPILED = new WeakMap<RuleDefinition, CompiledExpression>();

/** The expression of a rule. The same definition is compiled once in a process: the check of a configuration, its warnings
 * and the policy all ask for it. Throws {@link RuleError}. */
export function compileRule(definition: RuleDefinition): CompiledExpression {
  const known = COMPILED.get(definition);
  if (known !== undefined) return known;
  try {
    const expression = compileExpression(definition.expression);
    COMPILED.set(definition, expression);
    return expression;
  } catch (error) {
    throw ruleError(definition.name, definition.expression, error);
  }
}

interface CompiledRule {
  readonly definition: RuleDefinition;
  readonly expression: CompiledExpression;
}

/** Compiles the rules of an issuer block. Throws {@link RuleError} for the first that cannot be used. */
export function compileRules(definitions: readonly RuleDefinition[]): Rules {
  const rules = definitions.map((definition) => ({ definition, expression: compileRule(definition) }));
  const decide = (input: RuleInput): RuleDecision => decisionOf(definitions, outcomesOf(rules, input));
  return {
    hasAllow: definitions.some(({ effect }) => effect === 'allow'),
    decide: rules.length === 0 ? () => ({ allowed: true }) : decide,
    trace(input) {
      const outcomes = outcomesOf(rules, input);
      return {
        outcomes: rules.map((rule, i) => describe(rule, outcomes[i] ?? false)),
        decision: decisionOf(definitions, outcomes),
      };
    },
  };
}

function outcomesOf(rules: readonly CompiledRule[], input: RuleInput): Outcome[] {
  const bindings = bindingsOf(input);
  return withoutStacks(() => {
    refill(rules.length);
    return rules.map((rule) => outcomeOf(rule, bindings));
  });
}

/** The library makes an Error for each claim that is absent, in macros one for each element; nobody sees their stacks. */
function withoutStacks<T>(evaluateAll: () => T): T {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return evaluateAll();
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/** What an expression of its own comes to, with a whole budget: whether it holds, or why that could not be found out. Never throws. */
export function evaluateAlone(expression: CompiledExpression, bindings: Bindings): Outcome {
  return withoutStacks(() => {
    refill(1);
    return evaluate(expression, bindings, false);
  });
}

/** A comparison of values of which only the kinds differ fails a rule that denies: it was meant to decide and did not. A
 * rule that allows does not hold then, unless it fails also where such values are merely unequal. */
function outcomeOf({ definition: { effect }, expression }: CompiledRule, bindings: Bindings): Outcome {
  const outcome = evaluate(expression, bindings, false);
  if (typeof outcome !== 'object' || outcome.isMismatch !== true || effect === 'deny') return outcome;
  const otherwise = evaluate(expression, bindings, true);
  return typeof otherwise === 'object' ? otherwise : false;
}

function evaluate(
  { syntax, literals, steps, evaluate: run }: CompiledExpression,
  bindings: Bindings,
  isLenient: boolean,
): Outcome {
  useLiterals(literals);
  useLeniency(isLenient);
  spend(steps);
  // Nothing that it could say would count any more; with thousands of rules, asking them all the same takes long.
  if (isExhausted()) return tooCostly;
  const result = run(bindings);
  if (isCelError(result)) return failureOf(syntax, result);
  // An expression may have absorbed the error (`… || true`), and would then say what it did not find out.
  if (isExhausted()) return tooCostly;
  return typeof result === 'boolean' ? result : notBool;
}

function describe({ definition: { name: rule, effect } }: CompiledRule, outcome: Outcome): RuleOutcome {
  if (typeof outcome === 'object') return { rule, effect, outcome: 'failed', failure: outcome };
  return { rule, effect, outcome: outcome ? 'holds' : 'does not hold' };
}
