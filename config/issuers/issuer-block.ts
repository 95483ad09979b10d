import { isIssuerType, type IssuerDefinition } from '../../oidc/core/issuer-definition.ts';
import type { ConfiguredIssuer } from '../../policy/issuer-policy-definition.ts';
import type { Path, Report } from '../findings/report.ts';
import type { IssuerValues } from '../schema/fulcio-schema.ts';
import type { MayflyConfig } from '../settings/mayfly-config.ts';
import { ciProviderNamed, type CiProviders } from './ci-providers.ts';
import { checkIssuerClaim } from './issuer-claim.ts';
import { keyPlaceOf, staticKeysOf } from './issuer-keys.ts';
import { issuerPolicyOf } from './issuer-policy.ts';
import { tryToCompile } from './issuer-type.ts';
import { checkIssuerUrl } from './issuer-url.ts';

/** Where an issuer block stands. */
export interface IssuerBlockPosition {
  readonly path: Path;
  /** The URL or pattern that is its key. */
  readonly key: string;
  readonly isMeta: boolean;
  /** What it is called if it does not say so itself. */
  readonly defaultName: string;
}

/** What the rest of the file says that an issuer block depends on. */
export interface IssuerBlockContext {
  readonly providers: CiProviders;
  readonly mayfly: MayflyConfig;
  /** Where relative paths start. */
  readonly directory: string;
  readonly report: Report;
}

/** What an issuer block means; reports everything that makes it impossible, and an audience that others share. Undefined
 * where there is a problem, and for a type that does not exist, which `checkType` reports. */
export function issuerBlockOf(
  block: IssuerValues,
  place: IssuerBlockPosition,
  context: IssuerBlockContext,
): ConfiguredIssuer | undefined {
  const { providers, mayfly, directory, report } = context;
  const { path } = place;
  const before = report.problems.length;
  const audiences = [...new Set([block['client-id']].flat())];
  checkIssuerUrl(block, place, report);
  findSharedAudience(audiences, path, report);
  checkIssuerClaim(block, place, mayfly.requireRules, report);
  const policy = issuerPolicyOf(block.mayfly, [...path, 'mayfly'], mayfly, report);
  if (!isIssuerType(block.type)) return undefined;
  const hasProvider = block.type === 'ci-provider';
  const ciProvider = hasProvider
    ? ciProviderNamed(block['ci-provider'] ?? '', place, providers, report)
    : undefined;
  const staticKeys = staticKeysOf(block.mayfly, path, directory, report);
  const definition: IssuerDefinition = {
    url: block['issuer-url'] ?? place.key,
    name: block.mayfly.name ?? place.defaultName,
    isMeta: place.isMeta,
    audiences,
    type: block.type,
    issuerClaim: given(block['issuer-claim']),
    issuerClaimValues: block.mayfly['issuer-claim-values'],
    subjectDomain: given(block['subject-domain']),
    spiffeTrustDomain: given(block['spiffe-trust-domain']),
    ciProvider,
    caCert: given(block['ca-cert']),
    ...keyPlaceOf(block.mayfly, directory),
    challengeClaim: given(block['challenge-claim']),
    skipEmailVerification: block['skip-email-verification'],
    jwksHosts: block.mayfly['jwks-hosts'],
    leewaySeconds: block.mayfly.leeway,
    staticKeys,
    description: given(block.description),
    contact: given(block.contact),
  };
  // A provider's templates were judged where they stand, once for all issuers that use it.
  if (!hasProvider) tryToCompile(definition, path, report);
  const isMissing = hasProvider && ciProvider === undefined;
  return isMissing || report.problems.length > before ? undefined : { definition, policy };
}

const given = (text: string | undefined): string | undefined => (text === '' ? undefined : text);

function findSharedAudience(audiences: readonly string[], path: Path, report: Report): void {
  if (audiences.includes('sigstore'))
    report.finding(
      'SHARED_AUDIENCE',
      [...path, 'client-id'],
      'the audience "sigstore" is shared with every other Sigstore service',
      {
        hint: 'Who receives a token made for another service can use it here while it lasts. A client-id of your own prevents that.',
      },
    );
}
