import { MayflyError } from '../core/errors.ts';

/** Why a request of somebody who was authenticated gets no certificate all the same. */
export type PolicyReason =
  | 'RULE_DENIED'
  | 'NO_RULE_ALLOWS'
  | 'RULE_FAILED'
  | 'RULES_REQUIRED'
  | 'ISSUER_RATE_LIMITED'
  | 'PRINCIPAL_RATE_LIMITED'
  | 'TOKEN_REPLAYED'
  | 'REPLAY_GUARD_UNAVAILABLE';

/** A refusal by what the security team configured. `metadata` names the `rule`, and the issuer block as `entry`, where there is one, and
 * `retryAfter` in whole seconds for the rate limits. */
export class PolicyError extends MayflyError<PolicyReason> {}
