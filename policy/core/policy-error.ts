import { MayflyError } from '../../core/errors.ts';
import type { RuleDecision } from '../rules/rule-decision.ts';

/** Why a request of somebody who was authenticated gets no certificate all the same. */
export type PolicyReason =
  | 'RULE_DENIED'
  | 'NO_RULE_ALLOWS'
  | 'RULE_FAILED'
  | 'RULES_REQUIRED'
  | 'ISSUER_RATE_LIMITED'
  | 'PRINCIPAL_RATE_LIMITED'
  | 'TOKEN_REPLAYED'
  | 'REPLAY_GUARD_UNAVAILABLE'
  | 'RATE_LIMITS_UNAVAILABLE';

/** A refusal by what the security team configured. `metadata` names the `rule`, and the issuer block as `entry`, where there is one, and
 * `retryAfter` in whole seconds for the rate limits. */
export class PolicyError extends MayflyError<PolicyReason> {}

/** What the rules of an issuer block refuse, as an error; `entry` is the name of the block. */
export function ruleRefusal(decision: Extract<RuleDecision, { allowed: false }>, entry: string): PolicyError {
  const { reason, rule, message, hint } = decision;
  const metadata = rule === undefined ? { entry } : { entry, rule };
  return new PolicyError(reason, message, { hint, metadata });
}

/** The refusal of everybody by an issuer block that requires rules and has none that allows. */
export const rulesRequired = (entry: string): PolicyError =>
  new PolicyError(
    'RULES_REQUIRED',
    'no rule says whom this issuer may sign for, and this service requires one',
    {
      hint: 'This is for the operator of this service: add an allow rule to the issuer block, or set require-rules to false.',
      metadata: { entry },
    },
  );
