/** How the keys of an issuer are fetched: what all its definitions say about that, brought together and checked. */
import { X509Certificate } from 'node:crypto';
import { decodePem } from '../../core/pem.ts';
import { DefinitionError } from '../core/definition-error.ts';
import type { IssuerDefinition } from '../core/issuer-definition.ts';
import { keyLocationOf } from './key-location.ts';
import type { KeyLocation } from './key-location.ts';
import { readNamedFile } from './named-file.ts';
import { readStaticKeySet, staticKeys } from './static-keys.ts';
import type { StaticKeys } from './static-keys.ts';

/** How the keys of one issuer, or of the issuers that one pattern describes, are fetched. */
export interface KeyRoute {
  /** The issuer's URL, or the pattern. */
  readonly url: string;
  /** PEM. */
  readonly caCert: string | undefined;
  /** Which document is fetched first; undefined for a pattern, whose issuers have theirs at the usual URL. */
  readonly location: KeyLocation | undefined;
  /** Hosts that may have a private address. */
  readonly namedHosts: ReadonlySet<string>;
  /** Whether it is fetched with the certificates and the token of the cluster around this service. */
  readonly isInCluster: boolean;
  /** Keys that the operator handed over, so that none are fetched. */
  readonly staticKeys: StaticKeys | undefined;
  /** Two routes have the same one exactly when the keys of either may be used for the other. */
  readonly identity: string;
}

/** Whose keys a route leads to. */
interface RouteSubject {
  /** The issuer's URL; the pattern, if that is all that is known. */
  readonly url: string;
  readonly isMeta: boolean;
  readonly isInCluster: boolean;
}

/** The route to the keys of the issuer that all of `definitions` (at least one) describe. What one of them says counts for
 * all. Throws {@link DefinitionError} when they contradict each other, or when a setting cannot be used. */
export function keyRoute(definitions: readonly IssuerDefinition[], subject: RouteSubject): KeyRoute {
  const { url, isMeta, isInCluster } = subject;
  const caCert = certificatesOf(definitions, url);
  const location = isMeta ? undefined : keyLocationOf(single(definitions, LOCATION_FIELDS), url);
  const extraHosts = definitions.flatMap(({ jwksHosts = [] }) =>
    jwksHosts.map((host) => hostName(host, url)),
  );
  if (isMeta) refuseForMeta(definitions, url);
  const hosts = location === undefined ? [] : [new URL(url).hostname, location.url.hostname, ...extraHosts];
  const keySet = keySetOf(definitions, subject);
  if (keySet !== undefined) refuseBeside(location, url);
  const locationFields = location === undefined ? [] : [location.kind, location.url.href, location.issuer];
  const namedHosts = new Set(hosts);
  const identity = JSON.stringify([
    url,
    isMeta,
    isInCluster,
    caCert,
    [...namedHosts].toSorted(),
    keySet?.text,
    locationFields,
  ]);
  return { url, caCert, location, namedHosts, isInCluster, staticKeys: keySet?.keys, identity };
}

/** What the definitions say of each of these settings. */
function single(
  definitions: readonly IssuerDefinition[],
  fields: typeof LOCATION_FIELDS,
): Readonly<Record<LocationField, string | undefined>> {
  return Object.fromEntries(
    fields.map(([field, name]) => [name, only(definitions, field, (definition) => definition[name])]),
  ) as Record<LocationField, string | undefined>;
}

type LocationField = 'discoveryUrl' | 'discoveryIssuer' | 'jwksUrl';

const LOCATION_FIELDS: readonly (readonly [field: string, name: LocationField])[] = [
  ['discovery-url', 'discoveryUrl'],
  ['discovery-issuer', 'discoveryIssuer'],
  ['jwks-url', 'jwksUrl'],
];

function refuseForMeta(definitions: readonly IssuerDefinition[], url: string): void {
  for (const [field, name] of LOCATION_FIELDS)
    if (definitions.some((definition) => definition[name] !== undefined)) throw notForMeta(url, field);
  if (definitions.some(({ jwksHosts = [] }) => jwksHosts.length > 0)) throw notForMeta(url, 'jwks-hosts');
}

/** Keys that were handed over are not fetched. */
function refuseBeside(location: KeyLocation | undefined, issuer: string): void {
  if (location?.isNamed !== true) return;
  const field = location.kind === 'jwks' ? 'jwks-url' : 'discovery-url';
  const sentence = `${field} of ${issuer} has no effect: the issuer block holds the keys`;
  throw new DefinitionError('FIELD_INVALID', sentence, {
    hint: 'Keep one of them.',
    metadata: { issuer, field },
  });
}

const MAX_CERTIFICATES = 256 * 1024;

/** Certificates of the text and of the file together. */
function certificatesOf(definitions: readonly IssuerDefinition[], issuer: string): string | undefined {
  const text = only(definitions, 'ca-cert', ({ caCert }) => (caCert === '' ? undefined : caCert));
  if (text !== undefined) checkCertificates(text, definitions[0], 'ca-cert');
  const path = only(definitions, 'ca-cert-file', ({ caCertFile }) => caCertFile);
  if (path === undefined) return text;
  const field = 'ca-cert-file';
  const hint = 'It holds certificates as PEM, from "-----BEGIN CERTIFICATE-----" on.';
  const pem = readNamedFile({ path, field, issuer, size: MAX_CERTIFICATES, hint });
  checkCertificates(pem, definitions[0], field, path);
  return text === undefined ? pem : `${text}\n${pem}`;
}

/** The keys that the definitions hand over, and their text. */
function keySetOf(
  definitions: readonly IssuerDefinition[],
  { url, isMeta }: RouteSubject,
): { readonly text: string; readonly keys: StaticKeys } | undefined {
  const source = only(definitions, 'jwks', (definition) => definition.staticKeys);
  if (source === undefined) return undefined;
  if (isMeta) throw notForMeta(url, source.kind === 'inline' ? 'jwks' : 'jwks-file');
  const jwks = readStaticKeySet(source, url);
  return { text: JSON.stringify(jwks), keys: staticKeys(jwks, source, url) };
}

/** The one value that the definitions give. */
function only<T>(
  definitions: readonly IssuerDefinition[],
  field: string,
  read: (definition: IssuerDefinition) => T | undefined,
): T | undefined {
  const given = definitions.map(read).filter((value) => value !== undefined);
  const [first] = given;
  if (given.every((value) => JSON.stringify(value) === JSON.stringify(first))) return first;
  const url = definitions[0]?.url ?? '';
  throw new DefinitionError('FIELD_INVALID', `the issuer blocks of ${url} have different ${field}`, {
    hint: 'An issuer has one set of keys, however many issuer blocks it has. Write it into one of them.',
    metadata: { issuer: url, field },
  });
}

function notForMeta(issuer: string, field: string): DefinitionError {
  return new DefinitionError('FIELD_INVALID', `the meta issuer ${issuer} cannot have ${field}`, {
    hint: 'It would hold for every issuer that the pattern fits. Write an issuer block with the exact URL.',
    metadata: { issuer, field },
  });
}

/** As `URL.hostname` has it. */
function hostName(text: string, issuer: string): string {
  const bare = /^[^\s/?#@:\\]+$|^\[[0-9a-fA-F:.]+\]$/.test(text);
  const url = bare ? URL.parse(`https://${text}`) : null;
  if (url !== null) return url.hostname;
  throw new DefinitionError(
    'FIELD_INVALID',
    `"${text}" in jwks-hosts of ${issuer} is not the name of a host`,
    {
      hint: 'Write names or addresses without scheme, port and path, an IPv6 address in brackets.',
      metadata: { issuer, field: 'jwks-hosts' },
    },
  );
}

function checkCertificates(
  pem: string,
  definition: IssuerDefinition | undefined,
  field: string,
  path?: string,
): void {
  try {
    const blocks = decodePem(pem).filter(({ label }) => label === 'CERTIFICATE');
    for (const { bytes } of blocks) new X509Certificate(bytes);
    if (blocks.length > 0) return;
  } catch {
    // The error below has Fulcio's words.
  }
  const { url = '', isMeta = false } = definition ?? {};
  const subject = isMeta ? 'meta issuer' : 'issuer';
  const where = path === undefined ? '' : ` in ${path}`;
  throw new DefinitionError('FIELD_INVALID', `failed to parse CA certificate for ${subject} ${url}${where}`, {
    metadata: { issuer: url, field },
    hint:
      path === undefined
        ? 'It takes the PEM text itself, from "-----BEGIN CERTIFICATE-----" on; mayfly.ca-cert-file takes the name of a file.'
        : 'The file holds certificates as PEM, from "-----BEGIN CERTIFICATE-----" on.',
  });
}
