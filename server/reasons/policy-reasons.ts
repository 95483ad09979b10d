import type { PolicyReason } from '../../policy/core/policy-error.ts';
import type { ReasonRows, Wire } from './reason-row.ts';

const FORBIDDEN: Wire = { grpc: 7 };
const LIMITED: Wire = { grpc: 8, retryAfter: 1 };

/** The identity is known, and gets no certificate all the same. */
export const POLICY_REASONS: ReasonRows<PolicyReason> = {
  RULE_DENIED: {
    ...FORBIDDEN,
    meaning:
      'A deny rule of the issuer block is true for the token. The message is the rule’s own, where it has one.',
    cause: 'What the rule is there for: a fork, a pull request, a person who left.',
    remedy: 'Read the message; the operator sees with `mayfly explain` which claims decided.',
  },
  NO_RULE_ALLOWS: {
    ...FORBIDDEN,
    meaning: 'The issuer block has allow rules, and none is true for the token.',
    cause: 'The job runs on another branch, in another repository or as another person than the rules name.',
    remedy:
      'The operator sees with `mayfly explain` what each rule made of the token, and adds or widens a rule.',
  },
  RULE_FAILED: {
    ...FORBIDDEN,
    meaning: 'A rule could not be computed for this token, and so refused it.',
    cause: 'The rule reads a claim that the token does not have, or takes it for another kind of value.',
    remedy: 'The operator writes `has(claims.x) && …` around what may be missing.',
  },
  RULES_REQUIRED: {
    ...FORBIDDEN,
    meaning: 'The issuer block has no allow rule, and `mayfly.require-rules` says that it must.',
    cause: 'An issuer block was added without rules.',
    remedy: 'The operator adds `rules` to the issuer block.',
  },
  ISSUER_RATE_LIMITED: {
    ...LIMITED,
    meaning: 'All tokens of this issuer block together asked for more certificates than its limit allows.',
    cause: 'Many jobs at once, or a job that runs in a circle.',
    remedy:
      'Try again after `Retry-After` seconds; the operator raises `rate-limit.issuer` of the issuer block.',
  },
  PRINCIPAL_RATE_LIMITED: {
    ...LIMITED,
    meaning: 'This name asked for more certificates than the limit for one name allows.',
    cause:
      'A client that asks again and again, or a build that signs each file with a certificate of its own.',
    remedy: 'Try again after `Retry-After` seconds; the operator raises `rate-limit.principal`.',
  },
  TOKEN_REPLAYED: {
    ...FORBIDDEN,
    meaning: 'The token was used before, and its issuer block takes each only once.',
    cause: 'A client that tried again with the same token, or somebody who got hold of it.',
    remedy: 'Get a new token for each certificate. If nobody tried twice, the token leaked: look where.',
  },
  REPLAY_GUARD_UNAVAILABLE: {
    grpc: 14,
    fulcioMessage: 'the service cannot tell whether the token was used before',
    retryAfter: 5,
    instead: {
      sentence: 'the store of used tokens takes nothing at the moment',
      hint: 'Try again later; the cause is in the log of the server.',
    },
    meaning: 'The store of used tokens cannot be written, so no token of the issuer block can be accepted.',
    cause: 'The disk is full or failing, or the database cannot be reached.',
    remedy: 'The operator finds the cause in the service log.',
  },
  RATE_LIMITS_UNAVAILABLE: {
    grpc: 14,
    fulcioMessage: 'it is not known whether a rate limit is reached',
    retryAfter: 5,
    instead: {
      sentence: 'the rate limits, which several services share, cannot be asked at the moment',
      hint: 'Try again later; the cause is in the log of the server.',
    },
    meaning: 'The rate limits are in a database that several services share, and it does not answer.',
    cause: 'The database is away, as it then is for the log.',
    remedy:
      'The operator finds the cause in the service log; it goes on by itself when the database answers.',
  },
};
