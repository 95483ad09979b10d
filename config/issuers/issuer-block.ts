import { resolve } from 'node:path';
import { DefinitionError } from '../../oidc/definition-error.ts';
import {
  isIssuerType,
  type CiProviderDefinition,
  type IssuerDefinition,
  type StaticKeySet,
} from '../../oidc/issuer-definition.ts';
import { compileIssuer } from '../../oidc/types/issuer-types.ts';
import type { ConfiguredIssuer } from '../../policy/issuer-policy-definition.ts';
import type { CiProviders } from './ci-providers.ts';
import { entryPolicyOf } from './issuer-policy.ts';
import type { MayflyIssuerValues } from '../schema/issuer-schema.ts';
import type { IssuerValues } from '../schema/fulcio-schema.ts';
import { checkAddress, checkAudiences, checkIssuerClaim } from './issuer-checks.ts';
import type { MayflyConfig } from '../settings/mayfly-config.ts';
import { nearest } from '../../core/nearest.ts';
import type { Path, Report } from '../findings/report.ts';

/** Where an entry stands. */
export interface IssuerBlockPosition {
  readonly path: Path;
  /** The URL or pattern that is its key. */
  readonly key: string;
  readonly isMeta: boolean;
  /** What it is called if it does not say so itself. */
  readonly defaultName: string;
}

/** What the rest of the file says that an entry depends on. */
export interface IssuerBlockContext {
  readonly providers: CiProviders;
  readonly mayfly: MayflyConfig;
  /** Where relative paths start. */
  readonly directory: string;
  readonly report: Report;
}

/** What an entry of an issuer means; reports whatever makes it impossible, and finds what it opens. A type that
 * does not exist gives nothing: `checkType` refuses it. */
export function issuerBlockOf(
  place: IssuerBlockPosition,
  entry: IssuerValues,
  context: IssuerBlockContext,
): ConfiguredIssuer | undefined {
  const { report } = context;
  const before = report.problems.length;
  checkAddress(place, entry, report);
  checkAudiences(place.path, audiencesOf(entry), report);
  checkIssuerClaim(place, entry, context.mayfly.requireRules, report);
  const policy = entryPolicyOf(entry.mayfly, [...place.path, 'mayfly'], context.mayfly, report);
  if (!isIssuerType(entry.type)) return undefined;
  const ciProvider = providerOf(place, entry, context);
  const staticKeys = staticKeysOf(entry.mayfly, place.path, context);
  const definition: IssuerDefinition = {
    url: entry['issuer-url'] ?? place.key,
    name: entry.mayfly.name ?? place.defaultName,
    isMeta: place.isMeta,
    audiences: audiencesOf(entry),
    type: entry.type,
    issuerClaim: given(entry['issuer-claim']),
    issuerClaimValues: entry.mayfly['issuer-claim-values'],
    subjectDomain: given(entry['subject-domain']),
    spiffeTrustDomain: given(entry['spiffe-trust-domain']),
    ciProvider,
    caCert: given(entry['ca-cert']),
    ...keyPlaceOf(entry.mayfly, context),
    challengeClaim: given(entry['challenge-claim']),
    skipEmailVerification: entry['skip-email-verification'],
    jwksHosts: entry.mayfly['jwks-hosts'],
    leewaySeconds: entry.mayfly.leeway,
    staticKeys,
    description: given(entry.description),
    contact: given(entry.contact),
  };
  // A provider's templates were judged where they stand, once for all issuers that use it.
  if (entry.type !== 'ci-provider') tryToCompile(definition, place.path, report);
  const isMissing = entry.type === 'ci-provider' && ciProvider === undefined;
  return isMissing || report.problems.length > before ? undefined : { definition, policy };
}

const audiencesOf = (entry: IssuerValues): readonly string[] => [...new Set([entry['client-id']].flat())];

const given = (text: string | undefined): string | undefined => (text === '' ? undefined : text);

/** The provider that an entry of type ci-provider names. */
function providerOf(
  { path, key }: IssuerBlockPosition,
  entry: IssuerValues,
  { providers, report }: IssuerBlockContext,
): CiProviderDefinition | undefined {
  if (entry.type !== 'ci-provider') return undefined;
  const name = entry['ci-provider'] ?? '';
  if (providers.has(name)) return providers.get(name);
  const near = nearest(name, [...providers.keys()]);
  const known =
    providers.size === 0
      ? 'there is none. If it is there with a "#" before each line, take those off too; docs/configuration.md has one for GitHub'
      : `there are ${[...providers.keys()].join(', ')}`;
  report.problem(
    [...path, 'ci-provider'],
    name === '' ? 'is missing' : `metadata not found for ci provider ${name}, issuer: ${key}`,
    near === undefined ? `It names an entry of ci-issuer-metadata; ${known}.` : `Did you mean "${near}"?`,
  );
  return undefined;
}

/** Where the keys of the issuer are, and whom to trust there. */
function keyPlaceOf(
  block: MayflyIssuerValues,
  { directory }: IssuerBlockContext,
): Pick<IssuerDefinition, 'caCertFile' | 'discoveryUrl' | 'discoveryIssuer' | 'jwksUrl'> {
  const file = block['ca-cert-file'];
  return {
    caCertFile: file === undefined ? undefined : resolve(directory, file),
    discoveryUrl: block['discovery-url'],
    discoveryIssuer: block['discovery-issuer'],
    jwksUrl: block['jwks-url'],
  };
}

function staticKeysOf(
  block: MayflyIssuerValues,
  path: Path,
  context: IssuerBlockContext,
): StaticKeySet | undefined {
  const file = block['jwks-file'];
  if (file !== undefined && block.jwks !== undefined) {
    const message = 'has both jwks and jwks-file';
    context.report.problem([...path, 'mayfly', 'jwks-file'], message, 'Keep one of them.');
  }
  // Objects of the usual kind, as another process would hand them over: configurations are compared.
  if (block.jwks !== undefined) return { kind: 'inline', jwks: structuredClone(block.jwks) };
  return file === undefined ? undefined : { kind: 'file', path: resolve(context.directory, file) };
}

/** Has the room that will use the definition say what it would say at start, with the place in the file. */
function tryToCompile(definition: IssuerDefinition, path: Path, report: Report): void {
  try {
    compileIssuer(definition);
  } catch (error) {
    if (!(error instanceof DefinitionError)) throw error;
    const at = [...path, error.metadata['field'] ?? ''];
    // What the schema refuses is no longer there, and that was told.
    if (!report.isWrong(at)) report.problem(at, error.message, error.hint);
  }
}
