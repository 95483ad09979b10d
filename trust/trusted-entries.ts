/** Entries of a trusted root, made from certificates and logs as they lie in a data directory. */
import { parseCertificate } from '../core/certificate.ts';
import { describeName, nameValue } from '../core/distinguished-name.ts';
import { FormatError } from '../core/errors.ts';
import { parsePublicKey } from '../core/public-key.ts';
import type { CtLogIdentity } from '../ct-log/log-identity.ts';
import type { LogKeyDetails, TrustedAuthority, TrustedLogInstance } from './format/trusted-root.ts';

/** A CA or a timestamp authority from its chain, trusted from when its first certificate begins and without an end. The chain has passed
 * `readChain`. `uri` is taken over as it is. */
export function trustedAuthority(chain: readonly Uint8Array[], uri: string): TrustedAuthority {
  const [first, root] = [chain[0], chain.at(-1)].map((der) => parseCertificate(der ?? new Uint8Array()));
  if (first === undefined || root === undefined) throw new TypeError('a chain has a certificate');
  return { ...displayNames(root.subject), uri, chain, window: { start: first.notBefore } };
}

/** A log of certificates or of artifacts, trusted from its birth and without an end; `baseUrl` is taken over as it is. */
export const trustedLog = (
  { publicKey, logId, createdAt }: Pick<CtLogIdentity, 'publicKey' | 'logId' | 'createdAt'>,
  baseUrl: string,
): TrustedLogInstance => ({
  baseUrl,
  publicKey,
  keyDetails: logKeyDetails(publicKey),
  window: { start: createdAt },
  logId,
});

/** What Sigstore calls a key of this kind, with the hash that logs sign with it. Throws {@link FormatError} for one that its clients do not
 * take. */
export function logKeyDetails(spki: Uint8Array): LogKeyDetails {
  const key = parsePublicKey(spki);
  const kind = key.type === 'ec' ? key.curve : key.type === 'rsa' ? `RSA ${key.bits}` : key.type;
  const details = KEY_DETAILS.get(kind);
  if (details === undefined)
    throw new FormatError('UNSUPPORTED', `clients of Sigstore take no log with a key of kind ${kind}`);
  return details;
}

const KEY_DETAILS: ReadonlyMap<string, LogKeyDetails> = new Map([
  ['P-256', 'PKIX_ECDSA_P256_SHA_256'],
  ['P-384', 'PKIX_ECDSA_P384_SHA_384'],
  ['P-521', 'PKIX_ECDSA_P521_SHA_512'],
  ['ed25519', 'PKIX_ED25519'],
  ['RSA 2048', 'PKIX_RSA_PKCS1V15_2048_SHA256'],
  ['RSA 3072', 'PKIX_RSA_PKCS1V15_3072_SHA256'],
  ['RSA 4096', 'PKIX_RSA_PKCS1V15_4096_SHA256'],
]);

/** Both are there for every name: sigstore-python refuses an authority without a common name. */
function displayNames(subject: Uint8Array): Pick<TrustedAuthority, 'organization' | 'commonName'> {
  const [organization, commonName] = [nameValue(subject, 'O'), nameValue(subject, 'CN')];
  const any = commonName ?? organization ?? (describeName(subject) || 'unnamed');
  return { organization: organization ?? any, commonName: commonName ?? any };
}
