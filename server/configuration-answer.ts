import type { IssuerDefinition } from '../oidc/issuer-definition.ts';

/** What `GET /api/v2/configuration` tells of one issuer, before its JSON. */
export interface ShownIssuer {
  readonly definition: IssuerDefinition;
  /** A pattern with `*` (Fulcio's meta-issuers) instead of one address. */
  readonly isWildcard: boolean;
}

/** The claim that clients should prove possession over, when the configuration names none. */
const challengeClaimOf = ({ challengeClaim, type }: IssuerDefinition): string =>
  challengeClaim ?? (type === 'email' ? 'email' : 'sub');

/** The JSON of the configuration call. As Fulcio's gateway does, empty fields are there too. */
export function configurationJson(issuers: readonly ShownIssuer[]): string {
  const shown = issuers.map(({ definition, isWildcard }) => ({
    [isWildcard ? 'wildcardIssuerUrl' : 'issuerUrl']: definition.url,
    audience: definition.audience,
    challengeClaim: challengeClaimOf(definition),
    spiffeTrustDomain: '',
    issuerType: definition.type,
    subjectDomain: definition.subjectDomain ?? '',
    skipEmailVerification: definition.skipEmailVerification,
  }));
  return JSON.stringify({ issuers: shown });
}
