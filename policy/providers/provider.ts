/** What is known of any provider of tokens. */
import type { IssuerDefinition, IssuerType } from '../../oidc/core/issuer-definition.ts';
import { NUMBER, oneOf, TEXT, TEXT_OR_LIST, type ClaimShape } from './claim-shape.ts';

/** What decides whose tokens an issuer block takes. */
export type IssuerFacts = Pick<IssuerDefinition, 'url' | 'isMeta' | 'type' | 'ciProvider'>;

/** Shapes by the name of the claim; what is inside a claim, by its names with a line feed between them. */
export type ClaimShapes = Readonly<Record<string, ClaimShape>>;

/** A provider of tokens. */
export interface Provider {
  readonly title: string;
  /** The preset that prints its issuer block. */
  readonly preset: string;
  /** Whether an issuer block is for it. */
  readonly isOf: (issuer: IssuerFacts) => boolean;
  /** The issuer types by which its tokens can get a certificate. */
  readonly types: readonly IssuerType[];
  readonly claims: ClaimShapes;
  /** Of an issuer that vouches for addresses of whatever domain: the claim that says whose an account is. */
  readonly membership?: string | undefined;
}

/** Claims of a shape, by their names with blanks between them. */
export const claims = (...rows: readonly (readonly [shape: ClaimShape, names: string])[]): ClaimShapes =>
  Object.fromEntries(rows.flatMap(([shape, names]) => names.split(' ').map((name) => [name, shape])));

/** The same for what is inside the claim `outer`. */
export const inside = (outer: string, inner: ClaimShapes): ClaimShapes =>
  Object.fromEntries(Object.entries(inner).map(([name, shape]) => [`${outer}\n${name}`, shape]));

/** Fits issuer blocks by their URL or pattern. */
export const at =
  (pattern: RegExp) =>
  ({ url }: IssuerFacts): boolean =>
    pattern.test(url);

/** Whether the certificates of an issuer block are named by a claim: an instance of one's own has any URL. */
export const isNamedBy = ({ type, ciProvider }: IssuerFacts, claim: string): boolean =>
  type === 'ci-provider' && ciProvider?.subjectTemplate.includes(`.${claim} `) === true;

/** What stands in the tokens of every issuer (RFC 7519, OpenID Connect Core). */
export const COMMON = claims([TEXT, 'iss sub jti'], [TEXT_OR_LIST, 'aud'], [NUMBER, 'exp iat nbf auth_time']);

export const TRUTH_AS_TEXT = oneOf('true', 'false');
