/** What Fulcio shows of the configuration, whatever it is asked by. */
import { challengeClaimOf } from '../../oidc/types/issuer-types.ts';
import type { ConfiguredIssuer } from '../../policy/issuer-policy-definition.ts';
import type { PolicySnapshot } from '../../policy/snapshot.ts';

/** What Fulcio shows of one issuer block. */
export interface ShownIssuer {
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
const issuersOf = (configured: readonly ConfiguredIssuer[]): ShownIssuer[] =>
  configured.map(({ definition }) => ({
    [definition.isMeta ? 'wildcardIssuerUrl' : 'issuerUrl']: definition.url,
    audience: definition.audiences[0] ?? '',
    challengeClaim: challengeClaimOf(definition),
    spiffeTrustDomain: definition.spiffeTrustDomain ?? '',
    issuerType: definition.type,
    subjectDomain: definition.subjectDomain ?? '',
    skipEmailVerification: definition.skipEmailVerification,
  }));

/** Holds the policy that is in force. */
export interface PolicySource {
  readonly current: PolicySnapshot;
}

/** The answer that `make` makes of the issuers of the configuration in force. It is made anew when another one is, and not before. */
export function configurationAnswers<Answer>(
  policy: PolicySource,
  make: (issuers: readonly ShownIssuer[]) => Answer,
): () => Answer {
  let made: { readonly of: PolicySnapshot; readonly answer: Answer } | undefined;
  return () => {
    const { current } = policy;
    if (made?.of !== current) made = { of: current, answer: make(issuersOf(current.issuers)) };
    return made.answer;
  };
}
