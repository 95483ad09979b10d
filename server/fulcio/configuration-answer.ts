import { challengeClaimOf } from '../../oidc/types/issuer-types.ts';
import type { ConfiguredIssuer } from '../../policy/issuer-policy-definition.ts';

/** What Fulcio shows of one issuer block. */
interface ShownIssuer {
  /** One of the two. */
  readonly issuerUrl?: string;
  readonly wildcardIssuerUrl?: string;
  readonly audience: string;
  readonly challengeClaim: string;
  readonly spiffeTrustDomain: string;
  readonly issuerType: string;
  readonly subjectDomain: string;
  readonly skipEmailVerification: boolean;
}

/** One object for each issuer block. As Fulcio's gateway does, empty fields are there too. Of several audiences the first is shown:
 * a client needs only one. */
export const issuersOf = (configured: readonly ConfiguredIssuer[]): ShownIssuer[] =>
  configured.map(({ definition }) => ({
    [definition.isMeta ? 'wildcardIssuerUrl' : 'issuerUrl']: definition.url,
    audience: definition.audiences[0] ?? '',
    challengeClaim: challengeClaimOf(definition),
    spiffeTrustDomain: definition.spiffeTrustDomain ?? '',
    issuerType: definition.type,
    subjectDomain: definition.subjectDomain ?? '',
    skipEmailVerification: definition.skipEmailVerification,
  }));

/** The JSON of `GET /api/v2/configuration`. */
export const configurationJson = (configured: readonly ConfiguredIssuer[]): string =>
  JSON.stringify({ issuers: issuersOf(configured) });
