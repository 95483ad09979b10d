import { challengeClaimOf } from '../../oidc/types/issuer-types.ts';
import type { ConfiguredIssuer } from '../../policy/issuer-policy-definition.ts';

/** The JSON of `GET /api/v2/configuration`: one object for each issuer block. As Fulcio's gateway does, empty fields are there
 * too. Of several audiences the first is shown: a client needs only one. */
export function configurationJson(configured: readonly ConfiguredIssuer[]): string {
  const issuers = configured.map(({ definition }) => ({
    [definition.isMeta ? 'wildcardIssuerUrl' : 'issuerUrl']: definition.url,
    audience: definition.audiences[0] ?? '',
    challengeClaim: challengeClaimOf(definition),
    spiffeTrustDomain: definition.spiffeTrustDomain ?? '',
    issuerType: definition.type,
    subjectDomain: definition.subjectDomain ?? '',
    skipEmailVerification: definition.skipEmailVerification,
  }));
  return JSON.stringify({ issuers });
}
