/** What decides over a request, as issuing sees it: one immutable policy for the whole of a request. */
import type { Identity } from '../oidc/identity.ts';
import type { EntryClaim } from '../tlog/core/committed.ts';
import type { AlgorithmGate } from './signing-algorithms.ts';
import type { ProvenKey } from './possession.ts';

/** What the issuer block that accepted a token demands of the key. */
export interface KeyDemands {
  readonly permit: AlgorithmGate;
  /** Whether a certificate signing request will do in place of a proof over the challenge. */
  readonly csr: boolean;
}

/** A request that may have its certificate. */
export interface Grant {
  readonly lifetimeSeconds: number;
  /** The rule that decided; undefined when none had to. */
  readonly rule?: string | undefined;
  /** Refunds the limits that counted the request, and the token where it was marked as used; undefined when neither was done. To be called when it is refused and its entry is
   * certainly not in the log; with `token`, which refunds that alone, when it may be there, and the service is at fault that no certificate was made. */
  readonly refund?: ((only?: 'token') => void) | undefined;
  /** The token, where it is used up with the entry in the log; undefined where it was used up before, or need not be. */
  readonly claim?: TokenClaim | undefined;
}

/** What uses up a token with an entry. */
export interface TokenClaim extends EntryClaim {
  /** The refusal of a token that was used up before. */
  readonly refusal: () => Error;
}

/** The decisions. A configuration that is loaded later is another policy. */
export interface IssuancePolicy {
  /** Who asks. Rejects with TokenError, which names what is certain of the token. */
  identify(token: string): Promise<Identity>;
  keyDemands(identity: Identity): KeyDemands;
  /** Whether this identity may have a certificate for this key; counts against limits, and not when it is refused. Throws or rejects with
   * PolicyError. Answers at once where nothing has to be waited for. `token` is the one that was identified: it may
   * have to be remembered. */
  authorize(identity: Identity, key: ProvenKey, token: string): Grant | Promise<Grant>;
  /** Throws when this policy refuses what an older one let through. The newest policy is asked just before a certificate
   * leaves. A rule may refuse it, or issuer, audience, name or key are not accepted any more. Counts nothing. Throws
   * PolicyError, TokenError or RequestError. */
  requireStillAllowed(identity: Identity, key: ProvenKey): void;
}
