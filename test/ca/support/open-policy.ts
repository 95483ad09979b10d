import type { IssuancePolicy } from '../../../ca/issuance-policy.ts';
import { DEFAULT_SIGNING_ALGORITHMS, permitAlgorithms } from '../../../ca/signing-algorithms.ts';
import type { Identity } from '../../../oidc/identity.ts';
import type { Principal } from '../../../oidc/core/principal.ts';

/** An identity as if its token had been verified; only for tests of what comes after. */
export const identityOf = (
  principal: Principal,
  claims: Readonly<Record<string, unknown>> = {},
): Identity => ({
  principal,
  token: { issuer: principal.issuer, subject: principal.subject, claims } as unknown as Identity['token'],
  definition: {
    name: 'test',
    url: principal.issuer,
    isMeta: false,
    audiences: ['sigstore'],
    type: 'email',
    skipEmailVerification: false,
  },
});

/** Takes every token for that principal's and allows everything; `over` replaces single decisions. */
export function openPolicy(principal: Principal, over: Partial<IssuancePolicy> = {}): IssuancePolicy {
  const permit = permitAlgorithms(DEFAULT_SIGNING_ALGORITHMS);
  return {
    identify: () => Promise.resolve(identityOf(principal)),
    keyDemands: () => ({ permit, csr: true }),
    authorize: () => ({ lifetimeSeconds: 600 }),
    requireStillAllowed: () => undefined,
    ...over,
  };
}
