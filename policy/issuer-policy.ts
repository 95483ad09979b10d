/**
 * What one issuer block of the configuration decides: its rules, then its limits, then whether the token was used before.
 *
 * A refused request counts against no limit. A token that is known to be used is refused before it is counted: the limit
 * belongs to its owner, and a used token may be in other hands. A request that is counted and refused later, by the guard or
 * by the log, is refunded.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Grant, KeyDemands } from '../ca/issuance-policy.ts';
import { requireDemanded, type ProvenKey } from '../ca/possession.ts';
import { permitAlgorithms } from '../ca/signing-algorithms.ts';
import type { Clock } from '../core/clock.ts';
import type { Identity } from '../oidc/identity.ts';
import type { Principal } from '../oidc/core/principal.ts';
import type { ConfiguredIssuer, RateLimit } from './issuer-policy-definition.ts';
import { PolicyError, ruleRefusal, rulesRequired, type PolicyReason } from './core/policy-error.ts';
import type { ReplayGuard } from './replay/replay-guard.ts';
import { rateLimiter, type RateLimiter } from './rate-limit.ts';
import { replayKey } from './replay/replay-key.ts';
import type { RuleInput } from './rules/bindings.ts';
import { compileRules, type Rules, type RuleTrace } from './rules/rules.ts';

/** What decides whether a token was used before. */
export type ReplayCheck = Pick<ReplayGuard, 'markUsed' | 'wasUsed'>;

/** What issuer blocks are compiled with. */
interface IssuerPolicyContext {
  /** For issuer blocks that name none. */
  readonly permittedAlgorithms: readonly string[];
  readonly clock: Clock;
  /** Needed by issuer blocks that want one. */
  readonly replayGuard: ReplayCheck | undefined;
}

/** The decisions of one issuer block; see `ca/issuance-policy.ts` for what each promises. */
export class IssuerPolicy {
  readonly issuer: ConfiguredIssuer;
  readonly demands: KeyDemands;
  readonly #context: IssuerPolicyContext;
  readonly #rules: Rules;
  readonly #limiters: Limiters;
  readonly #plainGrant: Grant;

  /** Takes over from `previous`, the decisions of the same issuer block in an older configuration, what is the same in both.
   * Throws `RuleError` and `SigningAlgorithmError`. */
  constructor(issuer: ConfiguredIssuer, context: IssuerPolicyContext, previous?: IssuerPolicy) {
    const { policy } = issuer;
    this.issuer = issuer;
    this.#context = context;
    const permit = permitAlgorithms(policy.keyAlgorithms ?? context.permittedAlgorithms);
    this.demands = { permit, csr: policy.csr };
    const known = previous !== undefined && isDeepStrictEqual(previous.issuer.policy.rules, policy.rules);
    this.#rules = known ? previous.#rules : compileRules(policy.rules);
    const before = previous === undefined ? undefined : previous.#limiters;
    this.#limiters = {
      issuer: limiter(policy.issuerRateLimit, context.clock, before?.issuer),
      principal: limiter(policy.principalRateLimit, context.clock, before?.principal),
    };
    this.#plainGrant = { lifetimeSeconds: policy.lifetimeSeconds };
  }

  /** Answers at once where there is no replay guard. */
  authorize(identity: Identity, key: ProvenKey, token: string): Grant | Promise<Grant> {
    const rule = this.#judge(identity, key);
    const { replayGuard } = this.issuer.policy;
    if (replayGuard === 'off') return this.#grant(rule, this.#count(identity));
    const name = replayKey(token, identity.token, replayGuard);
    if (this.#guard.wasUsed(name)) throw this.#replayed();
    return this.#markUsed(identity, name, this.#grant(rule, this.#count(identity)));
  }

  #grant(rule: string | undefined, refund: Grant['refund']): Grant {
    const plain = rule === undefined ? this.#plainGrant : { ...this.#plainGrant, rule };
    return refund === undefined ? plain : { ...plain, refund };
  }

  /** `principal` is what the token stands for here: the certificate has that of `identity`, and a rule may name either. */
  requireStillAllowed(identity: Identity, principal: Principal, key: ProvenKey): void {
    requireDemanded(key, this.demands);
    this.requireAllowed(identity, key);
    if (!isDeepStrictEqual(principal, identity.principal))
      this.requireAllowed({ ...identity, principal }, key);
  }

  /** Asks the rules, and nothing else. Throws PolicyError. */
  requireAllowed(identity: Identity, key: ProvenKey): void {
    this.#judge(identity, key);
  }

  /** What becomes of each rule, for explanations; {@link requireAllowed} says what follows. */
  trace(identity: Identity, key: ProvenKey): RuleTrace {
    return this.#rules.trace(this.#inputOf(identity, key));
  }

  #inputOf({ token, principal }: Identity, { type, provenBy }: ProvenKey): RuleInput {
    return { claims: token.claims, principal, key: { type, provenBy }, now: this.#context.clock() };
  }

  /** The rule that allows; undefined when none has to. Throws PolicyError. */
  #judge(identity: Identity, key: ProvenKey): string | undefined {
    const { policy, definition } = this.issuer;
    if (policy.requireRules && !this.#rules.hasAllow) throw rulesRequired(definition.name);
    if (policy.rules.length === 0) return undefined;
    const decision = this.#rules.decide(this.#inputOf(identity, key));
    if (!decision.allowed) throw ruleRefusal(decision, definition.name);
    return decision.rule;
  }

  /** The principal first: one that asks too often does not use up what all have together. Returns the function that
   * refunds both. */
  #count({ principal: { issuer, san } }: Identity): (() => void) | undefined {
    const { issuer: all, principal: own } = this.#limiters;
    if (own === undefined && all === undefined) return undefined;
    const { name } = this.issuer.definition;
    const who = `${issuer}\0${san.value}`;
    const ofOwn = own?.take(who);
    if (ofOwn?.ok === false) throw limited('PRINCIPAL_RATE_LIMITED', name, ofOwn.retryAfterSeconds);
    const ofAll = all?.take('');
    if (ofAll?.ok === false) {
      if (ofOwn !== undefined) own?.refund(ofOwn);
      throw limited('ISSUER_RATE_LIMITED', name, ofAll.retryAfterSeconds);
    }
    return () => {
      if (ofOwn !== undefined) own?.refund(ofOwn);
      if (ofAll !== undefined) all?.refund(ofAll);
    };
  }

  async #markUsed({ token }: Identity, name: Uint8Array, grant: Grant): Promise<Grant> {
    const { definition } = this.issuer;
    const end = (Number(token.claims['exp']) + (definition.leewaySeconds ?? 0)) * 1000;
    try {
      if (await this.#guard.markUsed(name, Math.min(end, Number.MAX_SAFE_INTEGER))) return grant;
    } catch (error) {
      grant.refund?.();
      throw error;
    }
    grant.refund?.();
    throw this.#replayed();
  }

  get #guard(): ReplayCheck {
    const { replayGuard } = this.#context;
    if (replayGuard === undefined) throw new TypeError(`${this.issuer.definition.name} has no replay guard`);
    return replayGuard;
  }

  #replayed(): PolicyError {
    return new PolicyError('TOKEN_REPLAYED', 'this token was used before, and works only once here', {
      hint: 'Get a new token for each certificate.',
      metadata: { entry: this.issuer.definition.name },
    });
  }
}

interface Limiters {
  /** One bucket, of all tokens together. */
  readonly issuer: RateLimiter | undefined;
  readonly principal: RateLimiter | undefined;
}

const limiter = (
  limit: RateLimit | undefined,
  clock: Clock,
  before?: RateLimiter,
): RateLimiter | undefined => (limit === undefined ? undefined : rateLimiter(limit, clock, before));

const LIMITED = {
  PRINCIPAL_RATE_LIMITED: 'this identity asked for more certificates than it may have at a time',
  ISSUER_RATE_LIMITED: 'the tokens of this issuer asked for more certificates than they may have at a time',
} as const satisfies Partial<Record<PolicyReason, string>>;

const limited = (reason: keyof typeof LIMITED, issuerBlock: string, retryAfterSeconds: number): PolicyError =>
  new PolicyError(reason, LIMITED[reason], {
    hint: `Try again in ${retryAfterSeconds} s; the operator sets the limit.`,
    metadata: { entry: issuerBlock, retryAfter: String(retryAfterSeconds) },
  });
