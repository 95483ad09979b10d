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
import {
  rateLimiter,
  sharedLimiter,
  type AnyLimiter,
  type RateLimiter,
  type SharedBuckets,
  type Taken,
} from './rate-limit.ts';
import { replayKey } from './replay/replay-key.ts';
import type { RuleInput } from './rules/bindings.ts';
import { compileRules, type Rules, type RuleTrace } from './rules/rules.ts';

/** What decides whether a token was used before, or, where the log decides that, knows some that are. */
export type ReplayCheck = Pick<ReplayGuard, 'wasUsed'> &
  (
    | Pick<ReplayGuard, 'markUsed' | 'release'>
    | {
        /** Takes it for used, until that is taken back by the function that it returns, the log has decided, or a moment has passed. */
        readonly hold: (key: Uint8Array) => () => void;
      }
  );

/** One use of what an issuer block allows. */
export interface PolicyUse {
  /** Whose limit it counts against. */
  readonly who: string;
  /** The token, where the block wants a replay guard: 32 bytes of `replayKey`, and until when it would be accepted, in
   * milliseconds since the epoch. */
  readonly token?: { readonly key: Uint8Array; readonly expires: number } | undefined;
}

/** Refunds what a use took from the limits, and has its token work again where it was marked as used; of these `only` the second, for a
 * request that may have left an entry in the log, and no certificate. */
export type Refund = (only?: 'token') => void;

/** Counts uses in another place than here, as {@link IssuerPolicy.count} does: where several threads decide, one counts. */
export interface UseCounter {
  /** `issuerBlock` is the name of the block. */
  count(issuerBlock: string, use: PolicyUse): Promise<Refund | undefined>;
}

/** What issuer blocks are compiled with. */
interface IssuerPolicyContext {
  /** For issuer blocks that name none. */
  readonly permittedAlgorithms: readonly string[];
  readonly clock: Clock;
  /** Needed by issuer blocks that want one. */
  readonly replayGuard: ReplayCheck | undefined;
  /** Whether the log uses up tokens, with the entries of their certificates: then each {@link Grant} says which. */
  readonly claimsTokens?: boolean | undefined;
  /** Where limits are counted; undefined: here. */
  readonly buckets?: SharedBuckets | undefined;
  /** With it, neither limits nor guard are asked here. */
  readonly counter?: UseCounter | undefined;
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
    const limiters = (whose: keyof Limiters, limit: RateLimit | undefined): AnyLimiter | undefined =>
      limiter(limit, [whose, issuer.definition.name], context, before?.[whose]);
    this.#limiters = {
      issuer: limiters('issuer', policy.issuerRateLimit),
      principal: limiters('principal', policy.principalRateLimit),
    };
    this.#plainGrant = { lifetimeSeconds: policy.lifetimeSeconds };
  }

  /** Answers at once where there is nothing to ask elsewhere. */
  authorize(identity: Identity, key: ProvenKey, token: string): Grant | Promise<Grant> {
    const rule = this.#judge(identity, key);
    const { counter } = this.#context;
    const isCounted =
      this.#isGuarded || this.#limiters.issuer !== undefined || this.#limiters.principal !== undefined;
    if (!isCounted) return this.#grant(rule, undefined, undefined);
    const use = this.#useOf(identity, token);
    const claim = this.#context.claimsTokens === true ? use.token : undefined;
    const refund = counter === undefined ? this.count(use) : counter.count(this.issuer.definition.name, use);
    return refund instanceof Promise
      ? refund.then((known) => this.#grant(rule, known, claim))
      : this.#grant(rule, refund, claim);
  }

  /** Counts a use against the limits, and marks its token as used where the block wants that and the log does not. Throws or rejects with PolicyError,
   * and has counted nothing then. Answers at once where there is nothing to ask elsewhere. */
  count({ who, token }: PolicyUse): Refund | undefined | Promise<Refund | undefined> {
    // The guard may have been switched off since another thread asked for it.
    if (token === undefined || !this.#isGuarded) return this.#count(who);
    if (this.#guard.wasUsed(token.key)) throw this.#replayed();
    const guard = this.#guard;
    if ('hold' in guard) return this.#countHeld(who, guard.hold(token.key));
    const refund = this.#count(who);
    // At once where that is possible: from then on another request with this token takes nothing.
    return refund instanceof Promise
      ? refund.then((known) => this.#markUsed(guard, token, known))
      : this.#markUsed(guard, token, refund);
  }

  #countHeld(who: string, release: () => void): ReturnType<IssuerPolicy['count']> {
    const both =
      (refund: Refund | undefined): Refund =>
      (only) => {
        release();
        refund?.(only);
      };
    try {
      const refund = this.#count(who);
      if (!(refund instanceof Promise)) return both(refund);
      return refund.then(both, (error: unknown) => {
        release();
        throw error;
      });
    } catch (error) {
      release();
      throw error;
    }
  }

  get #isGuarded(): boolean {
    return this.issuer.policy.replayGuard !== 'off';
  }

  #useOf(
    { principal: { issuer, san }, token: { claims }, token: verified }: Identity,
    token: string,
  ): PolicyUse {
    const who = `${issuer}\0${san.value}`;
    const { replayGuard } = this.issuer.policy;
    if (replayGuard === 'off') return { who };
    const { definition } = this.issuer;
    const end = Math.ceil((Number(claims['exp']) + (definition.leewaySeconds ?? 0)) * 1000);
    const expires = Math.min(end, Number.MAX_SAFE_INTEGER);
    return { who, token: { key: replayKey(token, verified, replayGuard), expires } };
  }

  #grant(rule: string | undefined, refund: Grant['refund'], token: PolicyUse['token']): Grant {
    const plain = rule === undefined ? this.#plainGrant : { ...this.#plainGrant, rule };
    const refundable = refund === undefined ? plain : { ...plain, refund };
    if (token === undefined) return refundable;
    return { ...refundable, claim: { ...token, refusal: () => this.#replayed() } };
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
  #count(who: string): Refund | undefined | Promise<Refund | undefined> {
    const { issuer: all, principal: own } = this.#limiters;
    if (own === undefined && all === undefined) return undefined;
    const ofOwn = own?.take(who);
    return ofOwn instanceof Promise ? ofOwn.then((taken) => this.#countAll(taken)) : this.#countAll(ofOwn);
  }

  #countAll(ofOwn: Taken | undefined): Refund | Promise<Refund> {
    const { issuer: all, principal: own } = this.#limiters;
    const { name } = this.issuer.definition;
    if (ofOwn?.ok === false) throw limited('PRINCIPAL_RATE_LIMITED', name, ofOwn.retryAfterSeconds);
    const judge = (ofAll: Taken | undefined): Refund => {
      if (ofAll?.ok === false) {
        if (ofOwn !== undefined) own?.refund(ofOwn);
        throw limited('ISSUER_RATE_LIMITED', name, ofAll.retryAfterSeconds);
      }
      return (only) => {
        if (only === 'token') return;
        if (ofOwn !== undefined) own?.refund(ofOwn);
        if (ofAll !== undefined) all?.refund(ofAll);
      };
    };
    const ofAll = all?.take('');
    if (!(ofAll instanceof Promise)) return judge(ofAll);
    return ofAll.then(judge, (error: unknown) => {
      if (ofOwn !== undefined) own?.refund(ofOwn);
      throw error;
    });
  }

  async #markUsed(
    guard: Pick<ReplayGuard, 'markUsed' | 'release'>,
    { key, expires }: NonNullable<PolicyUse['token']>,
    refund: Refund | undefined,
  ): Promise<Refund | undefined> {
    const both: Refund = (only) => {
      guard.release?.(key);
      refund?.(only);
    };
    try {
      if (await guard.markUsed(key, expires)) return both;
    } catch (error) {
      refund?.();
      throw error;
    }
    refund?.();
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
  readonly issuer: AnyLimiter | undefined;
  readonly principal: AnyLimiter | undefined;
}

function limiter(
  limit: RateLimit | undefined,
  scope: readonly string[],
  { clock, buckets }: IssuerPolicyContext,
  before?: AnyLimiter,
): AnyLimiter | undefined {
  if (limit === undefined) return undefined;
  if (buckets !== undefined) return sharedLimiter(limit, scope, buckets);
  // A service counts in one way as long as it runs.
  return rateLimiter(limit, clock, before as RateLimiter | undefined);
}

const LIMITED = {
  PRINCIPAL_RATE_LIMITED: 'this identity asked for more certificates than it may have at a time',
  ISSUER_RATE_LIMITED: 'the tokens of this issuer asked for more certificates than they may have at a time',
} as const satisfies Partial<Record<PolicyReason, string>>;

const limited = (reason: keyof typeof LIMITED, issuerBlock: string, retryAfterSeconds: number): PolicyError =>
  new PolicyError(reason, LIMITED[reason], {
    hint: `Try again in ${retryAfterSeconds} s; the operator sets the limit.`,
    metadata: { entry: issuerBlock, retryAfter: String(retryAfterSeconds) },
  });
