/**
 * From the outcomes of rules to the decision: a deny rule that holds refuses; then any rule that failed refuses; then,
 * when there are allow rules, one of them must hold.
 */
import type { RuleDefinition } from './rule-definition.ts';
import type { Failure } from './failure.ts';

/** Whether a rule holds, or why it cannot be decided. */
export type Outcome = boolean | Failure;

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

/** What follows from the outcome of each rule; `outcomes` are in the order of `definitions`. */
export function decisionOf(
  definitions: readonly RuleDefinition[],
  outcomes: readonly Outcome[],
): RuleDecision {
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

/** For a refusal whose rule has no message of its own. */
const ASK = 'The operator of this service knows what the rule is for; name the request to them.';

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
  'Is it the branch, repository or account that may sign? If so, the operator of this service sees with `mayfly explain` which claim differs.';

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
