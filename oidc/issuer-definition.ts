/** The issuer types that exist; what each of them means stands in `issuer-types.ts`. */
export const ISSUER_TYPES = ['email', 'uri', 'ci-provider'] as const;

/** See {@link ISSUER_TYPES}. */
export type IssuerType = (typeof ISSUER_TYPES)[number];

/** Whether `text` names one of {@link ISSUER_TYPES}. */
export const isIssuerType = (text: string): text is IssuerType =>
  (ISSUER_TYPES as readonly string[]).includes(text);

/** How the claims of a CI provider become a name and extensions (Fulcio's `ci-issuer-metadata`). */
export interface CiProviderDefinition {
  /** The key under which the configuration holds it; for people. */
  readonly name: string;
  /** Values that a template finds when the token has no claim of that name. A claim of that name wins. */
  readonly defaults: ReadonlyMap<string, string>;
  /** Extension number (2–6, 9–23) → claim name, or text with `{{ .claim }}`. A blank text leaves the extension out. */
  readonly extensionTemplates: ReadonlyMap<number, string>;
  /** The same for the URI in the subject alternative name; required. */
  readonly subjectTemplate: string;
}

/** One OpenID provider whose tokens are accepted, and what its tokens mean. */
export interface IssuerDefinition {
  /** Must equal the token's `iss` and the discovery document's `issuer` exactly. */
  readonly url: string;
  /** The one audience (`client-id`) that a token must be for. */
  readonly audience: string;
  readonly type: IssuerType;
  /** Type email only: JSONPath (`$.a.b`, `['x']`, `[0]`) of the claim that the certificate names as issuer. */
  readonly issuerClaim?: string | undefined;
  /** Type uri: URL whose scheme and host name the subject must share. */
  readonly subjectDomain?: string | undefined;
  /** Type ci-provider: required. */
  readonly ciProvider?: CiProviderDefinition | undefined;
  /** PEM certificates trusted for this issuer's HTTPS beside the system's own. */
  readonly caCert?: string | undefined;
  /** Only shown by the configuration call; never decides what a proof signs. */
  readonly challengeClaim?: string | undefined;
  /** Type email: take addresses whose `email_verified` is false or absent. */
  readonly skipEmailVerification: boolean;
  readonly description?: string | undefined;
  readonly contact?: string | undefined;
}
