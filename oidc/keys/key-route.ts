/** How the keys of an issuer are got: what all its definitions say about that, brought together and checked. */
import { X509Certificate } from 'node:crypto';
import { decodePem } from '../../core/pem.ts';
import { DefinitionError } from '../definition-error.ts';
import type { IssuerDefinition } from '../issuer-definition.ts';
import { readStaticKeySet, staticKeys } from './static-keys.ts';
import type { StaticKeys } from './static-keys.ts';

/** See the top of the file. */
export interface KeyRoute {
  /** The issuer's URL, or the pattern. */
  readonly url: string;
  /** PEM. */
  readonly caCert: string | undefined;
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
  const caCert = only(definitions, 'ca-cert', ({ caCert }) => (caCert === '' ? undefined : caCert));
  if (caCert !== undefined) checkCertificates(caCert, definitions[0]);
  const extraHosts = definitions.flatMap(({ jwksHosts = [] }) =>
    jwksHosts.map((host) => hostName(host, url)),
  );
  if (isMeta && extraHosts.length > 0) throw notForMeta(url, 'jwks-hosts');
  const namedHosts = isMeta ? [] : [new URL(url).hostname, ...extraHosts];
  const keySet = keySetOf(definitions, asked);
  const identity = JSON.stringify([url, isMeta, isInCluster, caCert, namedHosts.toSorted(), keySet?.text]);
  return { url, caCert, namedHosts: new Set(namedHosts), isInCluster, staticKeys: keySet?.keys, identity };
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

function checkCertificates(pem: string, definition: IssuerDefinition | undefined): void {
  try {
    const blocks = decodePem(pem).filter(({ label }) => label === 'CERTIFICATE');
    for (const { bytes } of blocks) new X509Certificate(bytes);
    if (blocks.length > 0) return;
  } catch {
    // Said below, in the words that Fulcio's users know.
  }
  const { url = '', isMeta = false } = definition ?? {};
  const subject = isMeta ? 'meta issuer' : 'issuer';
  throw new DefinitionError('FIELD_INVALID', `failed to parse CA certificate for ${subject} ${url}`, {
    metadata: { issuer: url, field: 'ca-cert' },
    hint: 'It takes the PEM text itself, from "-----BEGIN CERTIFICATE-----" on, and no name of a file.',
  });
}
