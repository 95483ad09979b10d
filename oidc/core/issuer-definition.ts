/** The issuer types that exist; what each of them means stands in `types/issuer-types.ts`. */
export const ISSUER_TYPES = [
  'email',
  'uri',
  'username',
  'spiffe',
  'kubernetes',
  'ci-provider',
  'chainguard-identity',
  'github-workflow',
  'gitlab-pipeline',
  'codefresh-workflow',
  'buildkite-job',
] as const;

/** One of {@link ISSUER_TYPES}. */
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
  /** Values that a template finds under a name whatever the token claims. */
  readonly pinned?: ReadonlyMap<string, string> | undefined;
  /** Extension number (2–6, 9–23) → claim name, or text with `{{ .claim }}`. A blank text leaves the extension out. */
  readonly extensionTemplates: ReadonlyMap<number, string>;
  /** The same for the URI in the subject alternative name; required. */
  readonly subjectTemplate: string;
}

/** Keys that the operator hands over, for an issuer that cannot or must not be asked (RFC 7517 §5). */
export type StaticKeySet =
  | { readonly kind: 'inline'; readonly jwks: unknown }
  /** Read again whenever the configuration is. */
  | { readonly kind: 'file'; readonly path: string };

/** One way in which tokens of an OpenID provider are accepted, and what they mean. Several definitions may share an
 * issuer; the token's audience then chooses among them. */
export interface IssuerDefinition {
  /** What audit lines, metrics and `mayfly explain` call its issuer block; unique within a configuration. */
  readonly name: string;
  /** Must equal the token's `iss` and the discovery document's `issuer` exactly; for a meta issuer the pattern, in
   * which each `*` stands for one or more of `-_a-zA-Z0-9`. */
  readonly url: string;
  /** Whether `url` is a pattern (of `meta-issuers`). */
  readonly isMeta: boolean;
  /** The audiences (`client-id`) of which a token must be for at least one; never empty. */
  readonly audiences: readonly string[];
  readonly type: IssuerType;
  /** With `issuerClaim`: the values that a certificate may name as issuer; undefined allows all of them. */
  readonly issuerClaimValues?: readonly string[] | undefined;
  /** Type spiffe: required. */
  readonly spiffeTrustDomain?: string | undefined;
  /** How far the issuer's clock may be off, in seconds, for `exp` and beyond Fulcio's own five minutes for `nbf`;
   * default 0. */
  readonly leewaySeconds?: number | undefined;
  /** Instead of discovery and the issuer's own JWKS. */
  readonly staticKeys?: StaticKeySet | undefined;
  /** Type email only: JSONPath (`$.a.b`, `['x']`, `[0]`) of the claim that the certificate names as issuer. */
  readonly issuerClaim?: string | undefined;
  /** Type uri: URL whose scheme and host name the subject must share. Type username: the bare domain that stands
   * behind the name. */
  readonly subjectDomain?: string | undefined;
  /** Type ci-provider: required. */
  readonly ciProvider?: CiProviderDefinition | undefined;
  /** PEM certificates trusted for this issuer's HTTPS beside the system's own. */
  readonly caCert?: string | undefined;
  /** A file of more of them; read again whenever the configuration is. */
  readonly caCertFile?: string | undefined;
  /** Where the discovery document is, if not below `url`. Not for meta issuers, as the next two. */
  readonly discoveryUrl?: string | undefined;
  /** What the discovery document names as its issuer, if not `url`. */
  readonly discoveryIssuer?: string | undefined;
  /** Where the keys are: no discovery document is asked for then. */
  readonly jwksUrl?: string | undefined;
  /** Hosts (names or addresses, without port) that the issuer's `jwks_uri` may name although their addresses are private;
   * its own host may always. Not for meta issuers. */
  readonly jwksHosts?: readonly string[] | undefined;
  /** Only shown by the configuration call; never decides what a proof signs. */
  readonly challengeClaim?: string | undefined;
  /** Type email: take addresses whose `email_verified` is false or absent. */
  readonly skipEmailVerification: boolean;
  readonly description?: string | undefined;
  readonly contact?: string | undefined;
}
