/**
 * Rules decide who among the authenticated gets a certificate. Each is a named condition in CEL that allows or denies.
 *
 * All rules of an entry are evaluated, so that their order never matters: a deny rule that holds refuses; then any rule
 * that cannot be evaluated refuses, whatever the others say, because a rule that was meant to decide did not; then, when
 * there are allow rules, one of them must hold. Without any rule everybody whom the issuer stands for is allowed.
 */
import { isCelError } from '@bufbuild/cel';
import type { RuleDefinition } from '../issuer-policy-definition.ts';
import { PolicyError } from '../policy-error.ts';
import { bindingsOf, type RuleInput } from './bindings.ts';
import { compileExpression, type Bindings, type CompiledExpression } from './compile.ts';
import { ruleError } from './rule-error.ts';
import { failureOf, notBool, tooCostly, type Failure } from './failure.ts';
import { useLeniency } from './equality.ts';
import { useLiterals } from './literals.ts';
import { isExhausted, MAX_ADDED_STEPS, refill, spend } from './meter.ts';

/** What the rules say. `message` and `hint` are for the person refused, and hold nothing of the token. */
export type RuleDecision =
  | { readonly allowed: true; readonly rule?: string | undefined }
  | {
      readonly allowed: false;
      readonly reason: 'RULE_DENIED' | 'NO_RULE_ALLOWS' | 'RULE_FAILED';
      readonly rule?: string | undefined;
      readonly message: string;
      readonly hint?: string | undefined;
    };

/** What became of one rule. */
export interface RuleOutcome {
  readonly rule: string;
  readonly effect: RuleDefinition['effect'];
  readonly outcome: 'holds' | 'does not hold' | 'failed';
  /** Why it failed, and what whoever wrote it can do; only when it did. */
  readonly failure?: Failure | undefined;
}

/** Every rule with its outcome, in the order of the configuration, and the decision that follows. */
export interface RuleTrace {
  readonly outcomes: readonly RuleOutcome[];
  readonly decision: RuleDecision;
}

/** The rules of one entry. */
export interface Rules {
  readonly names: readonly string[];
  /** Whether there is a rule that allows: an entry that requires rules admits nobody without one. */
  readonly hasAllow: boolean;
  /** Steps that every decision costs, whatever the token; more than {@link MAX_FIXED_STEPS} leave too little for what
   * tokens bring. */
  readonly steps: number;
  /** Never throws. */
  decide(input: RuleInput): RuleDecision;
  /** Never throws. */
  trace(input: RuleInput): RuleTrace;
}

/** Steps that the rules of an entry may cost by themselves. An expression has at most a thousand parts, so a hundred
 * rules never reach it. */
export const MAX_FIXED_STEPS = MAX_ADDED_STEPS;

interface CompiledRule {
  readonly definition: RuleDefinition;
  readonly expression: CompiledExpression;
}

/** Compiles one rule; throws {@link RuleError}. */
function compileRule(definition: RuleDefinition): CompiledRule {
  try {
    return { definition, expression: compileExpression(definition.expression) };
  } catch (error) {
    throw ruleError(definition.name, definition.expression, error);
  }
}

/** Compiles the rules of an entry. Throws {@link RuleError} for the first that cannot be used. */
export function compileRules(definitions: readonly RuleDefinition[]): Rules {
  const rules = definitions.map(compileRule);
  const decide = (input: RuleInput): RuleDecision => decisionOf(rules, outcomesOf(rules, input));
  return {
    names: definitions.map(({ name }) => name),
    hasAllow: definitions.some(({ effect }) => effect === 'allow'),
    steps: rules.reduce((sum, { expression }) => sum + expression.steps, 0),
    decide: rules.length === 0 ? () => ({ allowed: true }) : decide,
    trace(input) {
      const outcomes = outcomesOf(rules, input);
      return {
        outcomes: rules.map((rule, i) => describe(rule, outcomes[i] ?? false)),
        decision: decisionOf(rules, outcomes),
      };
    },
  };
}

type Outcome = boolean | Failure;

function outcomesOf(rules: readonly CompiledRule[], input: RuleInput): Outcome[] {
  const bindings = bindingsOf(input);
  const { stackTraceLimit } = Error;
  // The library makes an Error for each claim that is absent, in macros one for each element; nobody sees their stacks.
  Error.stackTraceLimit = 0;
  try {
    refill(rules.length);
    return rules.map((rule) => outcomeOf(rule, bindings));
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
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

function decisionOf(rules: readonly CompiledRule[], outcomes: readonly Outcome[]): RuleDecision {
  const definitions = rules.map(({ definition }) => definition);
  const holding = (wanted: RuleDefinition['effect']): RuleDefinition | undefined =>
    definitions.find(({ effect }, i) => effect === wanted && outcomes[i] === true);
  const denied = holding('deny');
  if (denied !== undefined) return deniedBy(denied);
  const failed = outcomes.findIndex((outcome) => typeof outcome === 'object');
  const failure = outcomes[failed];
  if (typeof failure === 'object') return failedBy(definitions[failed]?.name ?? '', failure);
  const allow = definitions.filter(({ effect }) => effect === 'allow');
  const allowed = holding('allow');
  return allow.length > 0 && allowed === undefined
    ? allowedByNone(allow)
    : { allowed: true, rule: allowed?.name };
}

/** For a refusal that nobody has written words for. */
const ASK = 'Whoever runs this service knows what the rule is for; name the request to them.';

const deniedBy = ({ name, message }: RuleDefinition): RuleDecision => ({
  allowed: false,
  reason: 'RULE_DENIED',
  rule: name,
  message: message ?? `the rule "${name}" refuses this request`,
  hint: message === undefined ? ASK : undefined,
});

const failedBy = (rule: string, { reason, hint }: Failure): RuleDecision => ({
  allowed: false,
  reason: 'RULE_FAILED',
  rule,
  message: `the rule "${rule}" cannot be decided: ${reason}`,
  hint,
});

const NOT_MEANT =
  'Is it the branch, repository or account that may sign? If so, whoever runs this service sees with `mayfly explain` which claim differs.';

const SHOWN_RULES = 5;

function allowedByNone(rules: readonly RuleDefinition[]): RuleDecision {
  const [only] = rules;
  const names = rules.slice(0, SHOWN_RULES).map(({ name }) => `"${name}"`);
  const more = rules.length > SHOWN_RULES ? ` or ${rules.length - SHOWN_RULES} more` : '';
  const sentence =
    rules.length === 1
      ? `the rule ${names.join('')} does not allow this request`
      : `no rule allows this request: not ${names.join(', ')}${more}`;
  const message = rules.length === 1 ? only?.message : undefined;
  return {
    allowed: false,
    reason: 'NO_RULE_ALLOWS',
    rule: rules.length === 1 ? only?.name : undefined,
    message: message ?? sentence,
    hint: message === undefined ? NOT_MEANT : undefined,
  };
}

function describe({ definition: { name: rule, effect } }: CompiledRule, outcome: Outcome): RuleOutcome {
  if (typeof outcome === 'object') return { rule, effect, outcome: 'failed', failure: outcome };
  return { rule, effect, outcome: outcome ? 'holds' : 'does not hold' };
}

/** The refusal as an error, for whoever answers the request; `entry` is the entry's name. */
export function ruleRefusal(decision: Extract<RuleDecision, { allowed: false }>, entry: string): PolicyError {
  const { reason, rule, message, hint } = decision;
  const metadata = rule === undefined ? { entry } : { entry, rule };
  return new PolicyError(reason, message, { hint, metadata });
}

/** The refusal of everybody by an entry that requires rules and has none that allows. */
export const rulesRequired = (entry: string): PolicyError =>
  new PolicyError(
    'RULES_REQUIRED',
    'no rule says whom this issuer may sign for, and this service requires one',
    {
      hint: 'This is for whoever runs this service: add an allow rule to the entry, or set require-rules to false.',
      metadata: { entry },
    },
  );
