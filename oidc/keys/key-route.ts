/** How the keys of an issuer are got: what all its definitions say about that, brought together and checked. */
import { X509Certificate } from 'node:crypto';
import { decodePem } from '../../core/pem.ts';
import { DefinitionError } from '../definition-error.ts';
import type { IssuerDefinition } from '../issuer-definition.ts';
import { placeOf } from './key-place.ts';
import type { KeyPlace } from './key-place.ts';
import { readNamedFile } from './named-file.ts';
import { readStaticKeySet, staticKeys } from './static-keys.ts';
import type { StaticKeys } from './static-keys.ts';

/** See the top of the file. */
export interface KeyRoute {
  /** The issuer's URL, or the pattern. */
  readonly url: string;
  /** PEM. */
  readonly caCert: string | undefined;
  /** Which document is asked for first; undefined for a pattern, whose issuers have theirs at the usual place. */
  readonly place: KeyPlace | undefined;
  /** Hosts that may have a private address. */
  readonly namedHosts: ReadonlySet<string>;
  /** Whether it is asked with the certificates and the token of the cluster around this service. */
  readonly isInCluster: boolean;
  /** Keys for which nobody has to be asked. */
  readonly staticKeys: StaticKeys | undefined;
  /** Equal for two routes exactly when keys that came by the one may be used by the other. */
  readonly identity: string;
}

/** How an issuer is asked. */
export interface Asked {
  /** The issuer's URL; the pattern, if that is all that is known. */
  readonly url: string;
  readonly isMeta: boolean;
  readonly isInCluster: boolean;
}

/** The way to the keys of the issuer that all of `definitions` (at least one) describe. What one of them says counts for
 * all; throws {@link DefinitionError} when they contradict each other or say something that cannot be. */
export function keyRoute(definitions: readonly IssuerDefinition[], asked: Asked): KeyRoute {
  const { url, isMeta, isInCluster } = asked;
  const caCert = certificatesOf(definitions, url);
  const place = isMeta ? undefined : placeOf(single(definitions, PLACE_FIELDS), url);
  const extraHosts = definitions.flatMap(({ jwksHosts = [] }) =>
    jwksHosts.map((host) => hostName(host, url)),
  );
  if (isMeta) refuseForMeta(definitions, url);
  const hosts = place === undefined ? [] : [new URL(url).hostname, place.url.hostname, ...extraHosts];
  const keySet = keySetOf(definitions, asked);
  if (keySet !== undefined) refuseBeside(place, url);
  const places = place === undefined ? [] : [place.kind, place.url.href, place.issuer];
  const namedHosts = new Set(hosts);
  const identity = JSON.stringify([
    ...[url, isMeta, isInCluster, caCert, [...namedHosts].toSorted(), keySet?.text],
    places,
  ]);
  return { url, caCert, place, namedHosts, isInCluster, staticKeys: keySet?.keys, identity };
}

/** What the definitions say of each of these settings. */
function single(
  definitions: readonly IssuerDefinition[],
  fields: typeof PLACE_FIELDS,
): Readonly<Record<PlaceName, string | undefined>> {
  return Object.fromEntries(
    fields.map(([field, name]) => [name, only(definitions, field, (definition) => definition[name])]),
  ) as Record<PlaceName, string | undefined>;
}

type PlaceName = 'discoveryUrl' | 'discoveryIssuer' | 'jwksUrl';

const PLACE_FIELDS: readonly (readonly [field: string, name: PlaceName])[] = [
  ['discovery-url', 'discoveryUrl'],
  ['discovery-issuer', 'discoveryIssuer'],
  ['jwks-url', 'jwksUrl'],
];

function refuseForMeta(definitions: readonly IssuerDefinition[], url: string): void {
  for (const [field, name] of PLACE_FIELDS)
    if (definitions.some((definition) => definition[name] !== undefined)) throw notForMeta(url, field);
  if (definitions.some(({ jwksHosts = [] }) => jwksHosts.length > 0)) throw notForMeta(url, 'jwks-hosts');
}

/** Nobody is asked for keys that were handed over. */
function refuseBeside(place: KeyPlace | undefined, issuer: string): void {
  if (place?.isNamed !== true) return;
  const field = place.kind === 'jwks' ? 'jwks-url' : 'discovery-url';
  const sentence = `${field} of ${issuer} has no effect: the entry holds the keys`;
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
  { url, isMeta }: Asked,
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
  throw new DefinitionError('FIELD_INVALID', `the entries of the issuer ${url} have different ${field}`, {
    hint: 'An issuer has one set of keys, however many entries it has. Write it into one of them.',
    metadata: { issuer: url, field },
  });
}

function notForMeta(issuer: string, field: string): DefinitionError {
  return new DefinitionError('FIELD_INVALID', `the meta issuer ${issuer} cannot have ${field}`, {
    hint: 'It would hold for every issuer that the pattern fits. Write an entry with the exact URL.',
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
    // Said below, in the words that Fulcio's users know.
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
