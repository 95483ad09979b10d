import { buildkiteIssuer } from './buildkite-issuer.ts';
import { chainguardIssuer } from './chainguard-issuer.ts';
import { ciProviderIssuer } from './ci-provider-issuer.ts';
import { codefreshIssuer } from './codefresh-issuer.ts';
import { DefinitionError } from '../core/definition-error.ts';
import { emailIssuer } from './email-issuer.ts';
import { githubIssuer } from './github-issuer.ts';
import { gitlabIssuer } from './gitlab-issuer.ts';
import { ISSUER_TYPES, isIssuerType } from '../core/issuer-definition.ts';
import type { IssuerDefinition, IssuerType } from '../core/issuer-definition.ts';
import { kubernetesIssuer } from './kubernetes-issuer.ts';
import type { Principal } from '../core/principal.ts';
import { spiffeIssuer } from './spiffe-issuer.ts';
import { uriIssuer } from './uri-issuer.ts';
import { usernameIssuer } from './username-issuer.ts';
import type { VerifiedToken } from '../verify-token.ts';

/** Reads the principal out of a verified token of one issuer. Throws {@link TokenError}. */
export type PrincipalReader = (token: VerifiedToken) => Principal;

/** What a type of issuers means. */
interface IssuerTypeRow {
  /** The claim that a proof of possession signs, as the configuration call shows it. */
  readonly challengeClaim: string;
  /** Compiles a definition of this type once; throws {@link DefinitionError} when it lacks what the type needs. */
  readonly compile: (definition: IssuerDefinition) => PrincipalReader;
  /** For types that Fulcio has deprecated: the type to use instead. */
  readonly replacement?: IssuerType | undefined;
}

const BY_SUBJECT = { challengeClaim: 'sub' } as const;
const DEPRECATED = { ...BY_SUBJECT, replacement: 'ci-provider' } as const;

/** Every type there is. A new one is a new file and a new row. */
export const ISSUER_TYPE_TABLE: Readonly<Record<IssuerType, IssuerTypeRow>> = {
  email: { challengeClaim: 'email', compile: emailIssuer },
  uri: { ...BY_SUBJECT, compile: uriIssuer },
  username: { ...BY_SUBJECT, compile: usernameIssuer },
  spiffe: { ...BY_SUBJECT, compile: spiffeIssuer },
  kubernetes: { ...BY_SUBJECT, compile: kubernetesIssuer },
  'ci-provider': { ...BY_SUBJECT, compile: ciProviderIssuer },
  'chainguard-identity': { ...BY_SUBJECT, compile: chainguardIssuer },
  'github-workflow': { ...DEPRECATED, compile: githubIssuer },
  'gitlab-pipeline': { ...DEPRECATED, compile: gitlabIssuer },
  'codefresh-workflow': { ...DEPRECATED, compile: codefreshIssuer },
  'buildkite-job': { ...DEPRECATED, compile: buildkiteIssuer },
};

/** Checks a definition and prepares all that is the same for every token of its issuer. Throws
 * {@link DefinitionError}. */
export function compileIssuer(definition: IssuerDefinition): PrincipalReader {
  const { type, url } = definition;
  // The type may come from a file that nothing has checked.
  if (!isIssuerType(type)) {
    throw new DefinitionError(
      'ISSUER_TYPE_UNKNOWN',
      `the issuer ${url} has the unknown type "${String(type)}"`,
      {
        hint: `Types are: ${ISSUER_TYPES.join(', ')}.`,
        metadata: { issuer: url, field: 'type' },
      },
    );
  }
  // A pattern's issuer-claim is ignored unless its type is email, as in Fulcio.
  const hasIssuerClaim = (definition.issuerClaim ?? '') !== '' && !definition.isMeta;
  if (type !== 'email' && hasIssuerClaim) {
    throw new DefinitionError('FIELD_INVALID', 'only email issuers can use issuer claim mapping', {
      hint: `Take issuer-claim out of ${url}.`,
      metadata: { issuer: url, field: 'issuer-claim' },
    });
  }
  return ISSUER_TYPE_TABLE[type].compile(definition);
}

/** The claim that the configuration call shows for an issuer: what its definition says, else what its type signs. */
export const challengeClaimOf = (definition: IssuerDefinition): string =>
  definition.challengeClaim !== undefined && definition.challengeClaim !== ''
    ? definition.challengeClaim
    : ISSUER_TYPE_TABLE[definition.type].challengeClaim;
