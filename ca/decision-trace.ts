import type { TokenTrace } from '../oidc/verify-token.ts';

/**
 * How far the decision over one request came. Issuing fills it as its steps succeed, so that a refusal can be told
 * with what was known by then; a field that is missing was not reached. Nothing here is a stranger's word: entry, issuer
 * and principal are set only after the token's signature was verified.
 */
export interface DecisionTrace extends TokenTrace {
  /** As the certificate names it; the token's `iss` until that is known. */
  issuer?: string | undefined;
  /** The name in the certificate. */
  principal?: string | undefined;
  /** Name of the rule that allowed it. A refusal names its rule in the metadata of the error. */
  rule?: string | undefined;
  /** Lower-case hexadecimal: of the precertificate that the log took, or may have taken. */
  serial?: string | undefined;
  /** Its place in the log. */
  leafIndex?: number | undefined;
}
