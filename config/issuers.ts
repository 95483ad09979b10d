import { X509Certificate } from 'node:crypto';
import { decodePem } from '../core/pem.ts';
import {
  ISSUER_TYPES,
  isIssuerType,
  type CiProviderDefinition,
  type IssuerDefinition,
} from '../oidc/issuer-definition.ts';
import { EXTENSION_NUMBERS, type CiProviderEntry, type IssuerEntry } from './fulcio-schema.ts';
import { isLoopback } from './addresses.ts';
import { nearest } from './nearest.ts';
import type { Path, Shaper } from './shape.ts';
import { uriDomainProblem } from './uri-domain.ts';

/** Types that Fulcio knows and this version does not. */
const FULCIO_TYPES = [
  ...['username', 'spiffe', 'kubernetes', 'github-workflow', 'gitlab-pipeline', 'codefresh-workflow'],
  ...['buildkite-job', 'chainguard-identity'],
];

/** The definition of an issuer's entry; reports whatever makes it impossible, and warns of what it opens.
 * A type that {@link checkType} refuses gives nothing. */
export function issuerOf(
  key: string,
  entry: IssuerEntry,
  providers: ReadonlyMap<string, CiProviderDefinition>,
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
    shaper.problem([...path, 'issuer-claim'], 'only email issuers can use issuer claim mapping');
  if (entry['skip-email-verification'])
    shaper.warning(
      [...path, 'skip-email-verification'],
      'addresses that the issuer does not call verified are taken',
      'Whoever can register any address at this issuer can sign as anybody. Use it only where the issuer owns all its addresses.',
    );
  const type = entry.type;
  if (!isIssuerType(type)) return undefined;
  const ciProvider = TYPE_CHECKS[type](key, entry, path, shaper, providers);
  if (shaper.problems.length > before) return undefined;
  return {
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
}

/** The definition of a CI provider's entry. */
export function ciProviderOf(name: string, entry: CiProviderEntry, shaper: Shaper): CiProviderDefinition {
  const templates = new Map<number, string>();
  for (const [key, number] of EXTENSION_NUMBERS) {
    const template =
      (entry['extension-templates'] as Readonly<Record<string, string | undefined>>)[key] ?? '';
    if (template.trim() !== '') templates.set(number, template);
  }
  const subjectTemplate = entry['subject-alternative-name-template'];
  if (subjectTemplate.trim() === '')
    shaper.problem(
      ['ci-issuer-metadata', name, 'subject-alternative-name-template'],
      'SubjectAlternativeNameTemplate should not be empty',
      'Without it the certificate would have no name.',
    );
  const defaults = new Map(Object.entries(entry['default-template-values']));
  return { name, defaults, extensionTemplates: templates, subjectTemplate };
}

type TypeCheck = (
  key: string,
  entry: IssuerEntry,
  path: Path,
  shaper: Shaper,
  providers: ReadonlyMap<string, CiProviderDefinition>,
) => CiProviderDefinition | undefined;

/** What each type demands beyond the fields that all share. */
const TYPE_CHECKS: Readonly<Record<IssuerDefinition['type'], TypeCheck>> = {
  email: () => undefined,
  uri: (key, entry, path, shaper) => {
    const problem = uriDomainProblem(entry['subject-domain'] ?? '', entry['issuer-url'] ?? key);
    if (problem !== undefined)
      shaper.problem(
        [...path, 'subject-domain'],
        problem,
        'The subject domain is a URL with the scheme and domain of the issuer, e.g. "https://example.com".',
      );
    return undefined;
  },
  'ci-provider': (key, entry, path, shaper, providers) => {
    const name = entry['ci-provider'] ?? '';
    const provider = providers.get(name);
    if (provider === undefined) {
      const near = nearest(name, [...providers.keys()]);
      const known = providers.size === 0 ? 'there is none' : `there are ${[...providers.keys()].join(', ')}`;
      shaper.problem(
        [...path, 'ci-provider'],
        name === '' ? 'is missing' : `metadata not found for ci provider ${name}, issuer: ${key}`,
        near === undefined ? `It names an entry of ci-issuer-metadata; ${known}.` : `Did you mean "${near}"?`,
      );
    }
    return provider;
  },
};

function checkUrl(key: string, entry: IssuerEntry, path: Path, shaper: Shaper): void {
  const url = entry['issuer-url'] ?? key;
  if (!/^https?:\/\/[^/]/.test(url) || URL.parse(url) === null) {
    const hint = 'Write it exactly as the tokens of this issuer have it in "iss".';
    shaper.problem([...path, 'issuer-url'], `the issuer "${url.slice(0, 200)}" is not an http(s) URL`, hint);
  } else if (url.startsWith('http:') && !isLoopback(new URL(url).hostname))
    shaper.warning(
      path,
      'is reached over plain HTTP',
      'Whoever can change traffic on the way to it decides who gets certificates. Use https.',
    );
  if (url !== key)
    shaper.warning(
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
