/** From a request to a certificate: the steps of the product, in their order. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../core/clock.ts';
import { parsePublicKey } from '../core/public-key.ts';
import type { Identity } from '../oidc/identity.ts';
import { ModulusJudge } from '../oidc/keys/modulus-judge.ts';
import { mayPass, SignerError } from '../signers/signer-error.ts';
import { TokenError } from '../oidc/core/token-error.ts';
import { isClaimTaken } from '../tlog/core/committed.ts';
import type { Authority } from './authority.ts';
import { signCertificate } from './certificate.ts';
import {
  refusedDecision,
  type Caller,
  type CertainFacts,
  type IssuedDecision,
  type RefusedDecision,
} from './decision.ts';
import type { Grant, IssuancePolicy } from './issuance-policy.ts';
import { GOOD_KEYS } from './key-policy.ts';
import { proveKey, type ProvenKey } from './possession.ts';
import { signPrecertificate } from './precertificate.ts';
import { isNotLogged, placeOf, type Logged, type PrecertificateLog } from './precertificate-log.ts';
import type { LeafContent } from './profile.ts';
import { RequestError } from './request-error.ts';
import { newSerial, serialHex } from './serial.ts';
import type { SigningRequest } from './signing-request.ts';
import { leafValidity } from './validity.ts';

/** What issuing needs. */
interface IssuanceOptions {
  /** `current` is the policy that is in force now. A request is decided by the one that it began with. */
  readonly policy: { readonly current: IssuancePolicy };
  readonly authority: Authority;
  readonly log: PrecertificateLog;
  readonly clock: Clock;
  /** `refusal` is what is known to keep every certificate from being recorded now; undefined while nothing is. */
  readonly audit?: { refusal(): Error | undefined } | undefined;
}

/** The place of one request in the limits on what is under way at once. */
export interface ConcurrencySlot {
  /** The token is verified: takes a place, before anything else is done. Throws what refuses the request. */
  admit(): void;
  /** The key will be looked at for milliseconds: from now on the request holds a place among those that wait for that, and no
   * other. Nothing is counted or used up yet. Throws what refuses the request. */
  toKeyCheck(): void;
  /** The key was looked at: the request holds its first place again. */
  fromKeyCheck(): void;
}

/** A certificate that is signed, and that {@link Issuance.refusalMeanwhile} is asked about before it leaves. */
export interface PendingCertificate {
  readonly outcome: 'pending';
  /** What is decided if nothing refuses the certificate any more. */
  readonly decision: IssuedDecision;
  /** What it was decided by. */
  readonly policy: IssuancePolicy;
  readonly identity: Identity;
  readonly key: ProvenKey;
}

/**
 * Issues certificates, in two steps: {@link issue} makes one, and {@link refusalMeanwhile} has the last word right before it
 * leaves.
 *
 * A deny rule that is loaded is a promise: from then on no certificate leaves that it forbids. So after each wait the newest
 * policy is asked, unless it is the one that decided:
 *
 * 1. when the log has committed the entry, in {@link issue}: what would be refused is not signed;
 * 2. when the key has signed, in `SigningCalls.sign`: what would be refused is not audited as issued;
 * 3. when the audit has its line, in `SigningCalls.release`, in the turn in which the certificate leaves: this one is the
 *    guarantee.
 */
export class Issuance {
  readonly #options: IssuanceOptions;

  constructor(options: IssuanceOptions) {
    this.#options = options;
  }

  /**
   * Issues one certificate, or says why not; never rejects. The error of a refusal is a `TokenError`, `RequestError`,
   * `PolicyError`, the log's, the audit's or the signer's own error, a `ReleaseError`, or what `slot` throws when there is too
   * much to do. After the log has committed the entry, a
   * failure leaves an entry without a certificate in the log, which is harmless and true: the CA had the intention.
   */
  async issue(
    request: SigningRequest,
    caller: Caller,
    slot?: ConcurrencySlot,
  ): Promise<PendingCertificate | RefusedDecision> {
    const { authority, log } = this.#options;
    const policy = this.#options.policy.current;
    let facts: CertainFacts = NOTHING;
    // A request that is refused counts against no limit, but for one that left an entry in the log or cost much time.
    let refundable: Grant | undefined;
    try {
      const identity = await policy.identify(request.token);
      const verified = factsOf(identity);
      facts = verified;
      slot?.admit();
      const key = proveKey(request.key, identity.principal, policy.keyDemands(identity));
      // Before a limit counts the request or the token is used up.
      this.#requireIssuable();
      const isRsa = key.type.startsWith('RSA');
      if (isRsa) slot?.toKeyCheck();
      // Also where the answer is there at once: waiting lets other requests catch up, and all of them sign in a row.
      const grant = await policy.authorize(identity, key, request.token);
      refundable = grant;
      if (isRsa) {
        const weakness = await weaknessOf(key);
        slot?.fromKeyCheck();
        if (weakness !== undefined) {
          refundable = undefined;
          throw new RequestError('KEY_INSECURE', `the key ${weakness}`, { hint: GOOD_KEYS });
        }
      }
      const content = this.#contentOf(identity, key, grant);
      const precertificate = await signPrecertificate(authority, content);
      const serial = serialHex(content.serial);
      // By the time of the answer another log may have followed it.
      const { origin } = log.identity;
      let entry: Logged;
      try {
        entry = await log.append(precertificate.entry, grant.claim);
      } catch (error) {
        if (grant.claim !== undefined && isClaimTaken(error)) throw grant.claim.refusal();
        if (isNotLogged(error)) throw error;
        refundable = undefined;
        grant.refund?.('token');
        facts = { ...verified, serial, log: origin };
        throw error;
      }
      refundable = undefined;
      const place = placeOf(entry);
      const logged = { ...verified, serial, log: place?.origin ?? origin, leafIndex: place?.leafIndex };
      facts = logged;
      // The log may have taken its time: what is refused by now is not signed.
      this.#requireStillAllowed(policy, identity, key);
      const certificate =
        grant.claim === undefined
          ? await signCertificate(authority, precertificate, entry).catch((error: unknown) => {
              if (error instanceof SignerError) grant.refund?.('token');
              throw error;
            })
          : await insisting(() => signCertificate(authority, precertificate, entry));
      const decision: IssuedDecision = {
        outcome: 'issued',
        caller,
        ...logged,
        rule: grant.rule,
        treeSize: place?.treeSize,
        certificate,
        extensions: identity.principal.extensions,
        notAfter: content.validity.notAfter,
      };
      return { outcome: 'pending', decision, policy, identity, key };
    } catch (error) {
      refundable?.refund?.();
      return refusedDecision(caller, error, error instanceof TokenError ? (error.certain ?? facts) : facts);
    }
  }

  /** The second step, before the audit and again in the very turn in which the certificate leaves. Returns the refusal of a policy that was loaded
   * meanwhile; undefined when the certificate may leave. */
  refusalMeanwhile({ decision, policy, identity, key }: PendingCertificate): RefusedDecision | undefined {
    try {
      this.#requireStillAllowed(policy, identity, key);
      return undefined;
    } catch (error) {
      return refusedDecision(decision.caller, error, decision);
    }
  }

  /** Throws what the newest policy refuses, when it is not the one that decided. */
  #requireStillAllowed(decidedBy: IssuancePolicy, identity: Identity, key: ProvenKey): void {
    const { current } = this.#options.policy;
    if (current !== decidedBy) current.requireStillAllowed(identity, key);
  }

  /** Throws what is known now to keep every certificate from leaving. It is asked before a token counts as used, so that the
   * token still works when that is over. */
  #requireIssuable(): void {
    const shortestLifetimeSeconds = 1;
    this.#validity(shortestLifetimeSeconds);
  }

  /** The validity of a certificate that is made now. Throws what keeps every certificate from leaving now. */
  #validity(lifetimeSeconds: number): LeafContent['validity'] {
    const { authority, log, audit, clock } = this.#options;
    const validity = leafValidity(clock(), lifetimeSeconds, authority.validity);
    // Only after the clock was read: a clock that has jumped is one of the log's reasons to refuse.
    const refusal = log.refusal() ?? authority.signer.remote?.refusal() ?? audit?.refusal();
    if (refusal !== undefined) throw refusal;
    return validity;
  }

  #contentOf({ principal }: Identity, key: ProvenKey, { lifetimeSeconds }: Grant): LeafContent {
    return { key, principal, validity: this.#validity(lifetimeSeconds), serial: newSerial() };
  }
}

/** Milliseconds for which a request whose token is used up for good waits for a key that does not sign, and the longest between two tries. */
const INSISTING_MS = 8_000;
const LONGEST_PAUSE = 500;

/** A signature for a request that cannot be made again, because its token is used up. Rejects as `sign` does, when that goes on, or does not pass by itself. */
async function insisting<T>(sign: () => Promise<T>): Promise<T> {
  const end = performance.now() + INSISTING_MS;
  for (let pause = 50; ; pause = Math.min(2 * pause, LONGEST_PAUSE))
    try {
      return await sign();
    } catch (error) {
      if (!(error instanceof SignerError) || !mayPass(error) || performance.now() > end) throw error;
      await delay(pause);
    }
}

const NOTHING: CertainFacts = {};

const factsOf = ({ principal, definition }: Identity) => ({
  issuerBlock: definition.name,
  issuer: principal.issuer,
  principal: principal.san.value,
});

/** One for all clients' keys. */
const JUDGE = new ModulusJudge();

/** Why anybody can use the key; undefined when nobody is known to. Takes milliseconds, in another thread, and so comes after
 * the limits. */
async function weaknessOf({ spki }: ProvenKey): Promise<string | undefined> {
  const info = parsePublicKey(spki);
  return info.type === 'rsa' ? JUDGE.weaknessOf(info.modulus) : undefined;
}
