import { X509Certificate } from 'node:crypto';
import { decodePem } from '../core/pem.ts';
import { DefinitionError } from '../oidc/definition-error.ts';
import {
  ISSUER_TYPES,
  isIssuerType,
  type CiProviderDefinition,
  type IssuerDefinition,
} from '../oidc/issuer-definition.ts';
import { EXTENSION_NUMBERS, type CiProviderEntry, type IssuerEntry } from './fulcio-schema.ts';
import { compileIssuer } from '../oidc/issuer-types.ts';
import { compileTemplate } from '../oidc/template.ts';
import { isLoopback } from './addresses.ts';
import { nearest } from './nearest.ts';
import type { Path, Shaper } from './shape.ts';

/** Types that Fulcio knows and this version does not. */
const FULCIO_TYPES = [
  ...['username', 'spiffe', 'kubernetes', 'github-workflow', 'gitlab-pipeline', 'codefresh-workflow'],
  ...['buildkite-job', 'chainguard-identity'],
];

/** CI providers by name; undefined for one whose entry is wrong and was reported already. */
export type CiProviders = ReadonlyMap<string, CiProviderDefinition | undefined>;

/** The definition of an issuer's entry; reports whatever makes it impossible, and warns of what it opens.
 * A type that {@link checkType} refuses gives nothing. */
export function issuerOf(
  key: string,
  entry: IssuerEntry,
  providers: CiProviders,
  shaper: Shaper,
): IssuerDefinition | undefined {
  const path = ['oidc-issuers', key];
  const before = shaper.problems.length;
  checkUrl(key, entry, path, shaper);
  checkAudience(entry, path, shaper);
  const certificate = entry['ca-cert'] ?? '';
  if (certificate !== '' && !isCertificates(certificate))
    shaper.problem([...path, 'ca-cert'], `failed to parse CA certificate for issuer ${key}`);
  const claim = entry['issuer-claim'] ?? '';
  if (claim !== '' && entry.type !== 'email')
    shaper.problem(
      [...path, 'issuer-claim'],
      'only email issuers can use issuer claim mapping',
      'Take it out: other types name the issuer of the token itself.',
    );
  if (entry['skip-email-verification'])
    shaper.warning(
      [...path, 'skip-email-verification'],
      'addresses that the issuer does not call verified are taken',
      'Whoever can register any address at this issuer can sign as anybody. Use it only where the issuer owns all its addresses.',
    );
  const type = entry.type;
  if (!isIssuerType(type)) return undefined;
  const ciProvider = providerOf(key, entry, providers, shaper);
  if (shaper.problems.length > before) return undefined;
  const definition: IssuerDefinition = {
    url: entry['issuer-url'] ?? key,
    audience: entry['client-id'],
    type,
    issuerClaim: given(claim),
    subjectDomain: given(entry['subject-domain']),
    ciProvider,
    caCert: given(certificate),
    challengeClaim: given(entry['challenge-claim']),
    skipEmailVerification: entry['skip-email-verification'],
    description: given(entry.description),
    contact: given(entry.contact),
  };
  // A provider's templates were judged where they stand, once for all issuers that use it.
  if (type === 'ci-provider') return ciProvider === undefined ? undefined : definition;
  return compile(definition, path, shaper) ? definition : undefined;
}

/** The definition of a CI provider's entry. */
export function ciProviderOf(name: string, entry: CiProviderEntry, shaper: Shaper): CiProviderDefinition {
  const templates = new Map<number, string>();
  for (const [key, number] of EXTENSION_NUMBERS) {
    const template =
      (entry['extension-templates'] as Readonly<Record<string, string | undefined>>)[key] ?? '';
    if (template.trim() === '') continue;
    templates.set(number, template);
    checkTemplate(template, ['ci-issuer-metadata', name, 'extension-templates', key], shaper);
  }
  const subjectTemplate = entry['subject-alternative-name-template'];
  const subjectPath = ['ci-issuer-metadata', name, 'subject-alternative-name-template'];
  checkTemplate(subjectTemplate, subjectPath, shaper);
  if (subjectTemplate.trim() === '')
    shaper.problem(
      subjectPath,
      'SubjectAlternativeNameTemplate should not be empty',
      'Without it the certificate would have no name.',
    );
  const defaults = new Map(Object.entries(entry['default-template-values']));
  return { name, defaults, extensionTemplates: templates, subjectTemplate };
}

/** The provider that an entry of type ci-provider names. */
function providerOf(
  key: string,
  entry: IssuerEntry,
  providers: CiProviders,
  shaper: Shaper,
): CiProviderDefinition | undefined {
  if (entry.type !== 'ci-provider') return undefined;
  const name = entry['ci-provider'] ?? '';
  if (providers.has(name)) return providers.get(name);
  const near = nearest(name, [...providers.keys()]);
  const known =
    providers.size === 0
      ? 'there is none. If it is there with a "#" before each line, take those off too; docs/configuration.md has one for GitHub'
      : `there are ${[...providers.keys()].join(', ')}`;
  shaper.problem(
    ['oidc-issuers', key, 'ci-provider'],
    name === '' ? 'is missing' : `metadata not found for ci provider ${name}, issuer: ${key}`,
    near === undefined ? `It names an entry of ci-issuer-metadata; ${known}.` : `Did you mean "${near}"?`,
  );
  return undefined;
}

/** Has the room that will use the definition say what it would say at start, with the place in the file. */
function compile(definition: IssuerDefinition, path: Path, shaper: Shaper): boolean {
  try {
    compileIssuer(definition);
    return true;
  } catch (error) {
    if (!(error instanceof DefinitionError)) throw error;
    shaper.problem([...path, error.metadata['field'] ?? ''], error.message, error.hint);
    return false;
  }
}

/** Reports a template that cannot be compiled. */
function checkTemplate(text: string, path: Path, shaper: Shaper): void {
  try {
    compileTemplate(text);
  } catch (error) {
    if (!(error instanceof DefinitionError)) throw error;
    shaper.problem(path, error.message, error.hint);
  }
}

function checkUrl(key: string, entry: IssuerEntry, path: Path, shaper: Shaper): void {
  const url = entry['issuer-url'] ?? key;
  const parsed = URL.parse(url);
  if (parsed === null || !/^https?:\/\/[^/]/.test(url) || parsed.username !== '' || /[?#\s]/.test(url)) {
    const hint = 'Write it exactly as the tokens have it in "iss": without user, query and fragment.';
    shaper.problem(
      [...path, 'issuer-url'],
      `"${url.slice(0, 200)}" is not the http(s) URL of an issuer`,
      hint,
    );
  } else if (url.startsWith('http:') && !isLoopback(parsed.hostname))
    shaper.warning(
      path,
      'is reached over plain HTTP',
      'Whoever can change traffic on the way to it decides who gets certificates. Use https.',
    );
  if (url !== key)
    shaper.problem(
      [...path, 'issuer-url'],
      `differs from the key "${key}"`,
      'A token must match both, which none can: make them the same.',
    );
}

function checkAudience(entry: IssuerEntry, path: Path, shaper: Shaper): void {
  const at = [...path, 'client-id'];
  if (entry['client-id'] === '')
    shaper.problem(at, 'must not be empty', 'Name the audience that tokens are made for.');
  else if (entry['client-id'] === 'sigstore')
    shaper.warning(
      at,
      'the audience "sigstore" is shared with every other Sigstore service',
      'Who receives a token made for another service can use it here while it lasts. A client-id of your own prevents that.',
    );
}

/** Reports a type that cannot be used. Looks at the unchecked entry, so that other mistakes in it do not hide this. */
export function checkType(key: string, entry: unknown, shaper: Shaper): void {
  const type = typeof entry === 'object' && entry !== null && 'type' in entry ? entry.type : undefined;
  if (typeof type !== 'string' || isIssuerType(type)) return;
  const supported = `Supported are ${ISSUER_TYPES.join(', ')}.`;
  const at = ['oidc-issuers', key, 'type'];
  if (FULCIO_TYPES.includes(type)) {
    const message = `issuer ${key} has type "${type}", which this version does not support`;
    shaper.problem(at, message, supported);
    return;
  }
  const near = nearest(type, ISSUER_TYPES);
  const hint = near === undefined ? supported : `Did you mean "${near}"? ${supported}`;
  shaper.problem(at, `issuer ${key} has the unknown type "${type.slice(0, 100)}"`, hint);
}

function isCertificates(pem: string): boolean {
  try {
    const blocks = decodePem(pem, 64).filter((block) => block.label === 'CERTIFICATE');
    for (const block of blocks) new X509Certificate(block.bytes);
    return blocks.length > 0;
  } catch {
    return false;
  }
}

const given = (text: string | undefined): string | undefined => (text === '' ? undefined : text);
