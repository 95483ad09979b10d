/**
 * Where a private key is: the path of a file, or a URI. The URIs of key services are those of Sigstore, letter by letter, and tokens
 * are named by `pkcs11:` (RFC 7512), so that a deployment's references can be taken over as they are. What is said of one that is wrong
 * never holds its text: somebody may have put a PIN into it.
 */
import { MayflyError } from '../core/errors.ts';
import { parsePkcs11Uri, type Pkcs11Reference } from './pkcs11-uri.ts';

/** Codes of {@link KeyReferenceError}. */
type KeyReferenceReason = 'KEY_URI_MALFORMED' | 'KEY_URI_UNKNOWN';

/** A reference to a key that cannot be understood. */
export class KeyReferenceError extends MayflyError<KeyReferenceReason> {}

/** A key file. */
export interface FileReference {
  readonly kind: 'file';
  readonly path: string;
}

/** A key of AWS KMS. */
export interface AwsReference {
  readonly kind: 'awskms';
  readonly uri: string;
  /** HOST or HOST:PORT that is spoken to by HTTPS; undefined: AWS itself, as the environment says. */
  readonly endpoint: string | undefined;
  /** Key id, `alias/NAME` or the ARN of either. */
  readonly keyId: string;
}

/** A key of Google Cloud KMS. */
export interface GcpReference {
  readonly kind: 'gcpkms';
  readonly uri: string;
  /** `projects/…/locations/…/keyRings/…/cryptoKeys/…`. */
  readonly key: string;
  /** Undefined: the newest one that is enabled when the key is opened. */
  readonly version: string | undefined;
}

/** A key of Azure Key Vault. */
export interface AzureReference {
  readonly kind: 'azurekms';
  readonly uri: string;
  readonly host: string;
  readonly key: string;
  /** Undefined: the newest one when the key is opened. */
  readonly version: string | undefined;
}

/** A key of the transit engine of OpenBao or Vault. */
export interface TransitReference {
  readonly kind: 'transit';
  readonly uri: string;
  /** Whose variables of the environment say where it is. */
  readonly product: 'vault' | 'openbao';
  readonly key: string;
  /** Undefined: the newest one when the key is opened. */
  readonly version: string | undefined;
}

/** A key outside the process. */
export type RemoteReference =
  Pkcs11Reference | AwsReference | GcpReference | AzureReference | TransitReference;

/** Where a key is. */
export type KeyReference = FileReference | RemoteReference;

/** Two letters at least: `C:` begins a path. */
const SCHEME = /^([a-z][a-z0-9+.-]+):/i;

/** Longer than any reference. */
const MAX_LENGTH = 2048;

/** What a text refers to. Throws {@link KeyReferenceError}. */
export function parseKeyReference(text: string): KeyReference {
  if (text.length > MAX_LENGTH)
    throw malformed('the reference to the key is too long', 'Name a path or a URI.');
  const [, scheme] = SCHEME.exec(text) ?? [];
  if (scheme === undefined) {
    if (text === '' || text.includes('\0'))
      throw malformed('the path of the key file is empty or damaged', 'Name a path or a URI.');
    return { kind: 'file', path: text };
  }
  const parse = PARSERS.get(scheme);
  if (parse !== undefined) return parse(text);
  throw new KeyReferenceError('KEY_URI_UNKNOWN', `no keys can be reached by "${scheme}:"`, {
    hint: NEIGHBOURS.get(scheme.toLowerCase()) ?? KNOWN,
  });
}

/** The text of a reference, for messages: it never holds a secret. */
export const referenceText = (reference: KeyReference): string =>
  reference.kind === 'file' ? reference.path : reference.uri;

const malformed = (message: string, hint: string): KeyReferenceError =>
  new KeyReferenceError('KEY_URI_MALFORMED', message, { hint });

/** HOST or HOST:PORT, and no user in front of it. */
const HOST = /^[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::\d{1,5})?$/;

const UUID = '(?:mrk-)?[A-Fa-f0-9]{8}-?[A-Fa-f0-9]{4}-?[A-Fa-f0-9]{4}-?[A-Fa-f0-9]{4}-?[A-Fa-f0-9]{12}';
const ALIAS = 'alias/[A-Za-z0-9/_-]{1,250}';
const ARN = 'arn:(?:aws|aws-us-gov|aws-cn):kms:[a-z0-9-]+:\\d{12}:';
const AWS = new RegExp(`^awskms://([^/]*)/(${UUID}|${ALIAS}|${ARN}key/${UUID}|${ARN}${ALIAS})$`);

function awsReference(uri: string): AwsReference {
  const [, endpoint, keyId] = AWS.exec(uri) ?? [];
  const isHost = endpoint === '' || HOST.test(endpoint ?? '-');
  if (keyId === undefined || !isHost)
    throw malformed(
      'this is no reference to a key of AWS KMS',
      'Write awskms://[ENDPOINT]/ and then the key id, alias/NAME or an ARN, such as awskms:///alias/mayfly-ca: three slashes without an endpoint.',
    );
  return { kind: 'awskms', uri, endpoint: endpoint === '' ? undefined : endpoint, keyId };
}

const NAME = '[A-Za-z0-9_.:-]+';
const GCP = new RegExp(
  `^gcpkms://(projects/${NAME}/locations/${NAME}/keyRings/${NAME}/cryptoKeys/${NAME})(?:/(?:cryptoKeyVersions|versions)/(\\d{1,9}))?$`,
);

function gcpReference(uri: string): GcpReference {
  const [, key, version] = GCP.exec(uri) ?? [];
  if (key === undefined)
    throw malformed(
      'this is no reference to a key of Google Cloud KMS',
      'Write gcpkms://projects/PROJECT/locations/LOCATION/keyRings/RING/cryptoKeys/KEY/cryptoKeyVersions/VERSION.',
    );
  return { kind: 'gcpkms', uri, key, version };
}

const AZURE = /^azurekms:\/\/([^/]+)\/([A-Za-z0-9-]{1,127})(?:\/([a-z0-9]{1,64})?)?$/;

function azureReference(uri: string): AzureReference {
  const [, host, key, version] = AZURE.exec(uri) ?? [];
  if (host === undefined || key === undefined || !HOST.test(host))
    throw malformed(
      'this is no reference to a key of Azure Key Vault',
      'Write azurekms://VAULT.vault.azure.net/KEY/VERSION: the host of the vault, not its short name.',
    );
  return { kind: 'azurekms', uri, host, key, version };
}

/** Sigstore's form ends with the key; the version is ours. */
const TRANSIT =
  /^(hashivault|openbao):\/\/([A-Za-z0-9_](?:[\w.-]{0,126}[A-Za-z0-9_])?)(?:\?version=([1-9]\d{0,8}))?$/;

function transitReference(uri: string): TransitReference {
  const [, scheme, key, version] = TRANSIT.exec(uri) ?? [];
  if (key === undefined)
    throw malformed(
      'this is no reference to a key of the transit engine',
      'Write hashivault://KEY or openbao://KEY, and ?version=N behind it where the key was rotated. Address and engine are in VAULT_ADDR (BAO_ADDR) and TRANSIT_SECRET_ENGINE_PATH.',
    );
  return { kind: 'transit', uri, product: scheme === 'openbao' ? 'openbao' : 'vault', key, version };
}

function pkcs11Reference(uri: string): Pkcs11Reference {
  const reference = parsePkcs11Uri(uri);
  if ('fault' in reference) throw malformed(reference.fault, reference.hint);
  return reference;
}

const PARSERS: ReadonlyMap<string, (uri: string) => RemoteReference> = new Map<
  string,
  (uri: string) => RemoteReference
>([
  ['pkcs11', pkcs11Reference],
  ['awskms', awsReference],
  ['gcpkms', gcpReference],
  ['azurekms', azureReference],
  ['hashivault', transitReference],
  ['openbao', transitReference],
]);

const KNOWN =
  'Name the path of a key file, or a URI that begins with pkcs11:, awskms://, gcpkms://, azurekms://, hashivault:// or openbao://.';

/** What other programs call the same. */
const NEIGHBOURS: ReadonlyMap<string, string> = new Map([
  ['file', 'Name the path of the key file alone, without file:.'],
  ['aws-kms', 'Write awskms://, without the hyphen: that spelling is of Tink.'],
  ['gcp-kms', 'Write gcpkms://, without the hyphen: that spelling is of Tink.'],
  ['cloudkms', 'Write gcpkms:// and the name of the key version.'],
  ['azure-kms', 'Write azurekms://, without the hyphen.'],
  ['vault', 'Write hashivault://KEY, or openbao://KEY.'],
  ['bao', 'Write openbao://KEY.'],
  ['hcvault', 'Write hashivault://KEY, or openbao://KEY.'],
]);
