/** One certificate of a CA, and what stands in it; keys of the kinds that a CA may have. */
import { webcrypto, type KeyObject } from 'node:crypto';
import { toHex } from '../core/bytes.ts';
import { parseCertificate } from '../core/certificate.ts';
import { subjectKeyIdentifier } from './ca-extensions.ts';
import { CeremonyError } from './ceremony-error.ts';
import { newSerial, serialHex } from './serial.ts';
import * as x509 from './x509.ts';

/** What the keys of a CA may be. */
export const CA_KEY_TYPES = ['p256', 'p384', 'rsa3072', 'rsa4096'] as const;

/** One of {@link CA_KEY_TYPES}. */
export type CaKeyType = (typeof CA_KEY_TYPES)[number];

/** Milliseconds. */
export const YEAR = 365.25 * 24 * 3600 * 1000;
/** How long an intermediate lives, in milliseconds, if its root does. */
export const INTERMEDIATE_LIFETIME = 3 * YEAR;
/** How long a certificate for timestamps lives, in milliseconds, if its root does. */
export const TIMESTAMP_LIFETIME = 10 * YEAR;

const EC = (namedCurve: string, hash: string): SigningParameters => ({
  import: { name: 'ECDSA', namedCurve },
  sign: { name: 'ECDSA', hash },
});
const RSA: SigningParameters = {
  import: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
  sign: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
};

/** How WebCrypto, which the library signs with, calls a key. */
interface SigningParameters {
  readonly import: RsaHashedImportParams | EcKeyImportParams;
  readonly sign: Algorithm | EcdsaParams;
}

/** How each kind of key signs. */
export const PARAMETERS: Readonly<Record<CaKeyType, SigningParameters>> = {
  p256: EC('P-256', 'SHA-256'),
  p384: EC('P-384', 'SHA-384'),
  rsa3072: RSA,
  rsa4096: RSA,
};

/** The kind of a CA's key, private or public. Throws {@link CeremonyError} `KEY_TYPE_UNSUITABLE`. */
export function caKeyTypeOf(key: KeyObject): CaKeyType {
  const { namedCurve, modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
  const found = key.asymmetricKeyType === 'rsa' ? rsaType(modulusLength) : CURVES.get(namedCurve ?? '');
  if (found !== undefined) return found;
  throw new CeremonyError('KEY_TYPE_UNSUITABLE', 'the key is of a kind that no CA here can have', {
    hint: `Use one of ${CA_KEY_TYPES.join(', ')}.`,
  });
}

const CURVES: ReadonlyMap<string, CaKeyType> = new Map([
  ['prime256v1', 'p256'],
  ['secp384r1', 'p384'],
]);

/** All RSA keys sign alike; a CA that was adopted may have 2048 bits. */
const rsaType = (bits: number): CaKeyType | undefined => {
  if (bits < 2048) return undefined;
  return bits < 4096 ? 'rsa3072' : 'rsa4096';
};

const importedAs = (key: KeyObject): SigningParameters['import'] => PARAMETERS[caKeyTypeOf(key)].import;

/** Whom a certificate is for. */
export interface Subject {
  readonly publicKey: KeyObject;
  readonly name: x509.Name;
}

/** Who signs a certificate. */
export interface CertificateSigner {
  readonly key: KeyObject;
  readonly name: x509.Name;
  readonly keyType: CaKeyType;
}

const CA_KEY_USAGE: x509.KeyUsageFlags = x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign;

/** What stands in a root. */
export const rootExtensions = (): x509.Extension[] => [
  new x509.KeyUsagesExtension(CA_KEY_USAGE, true),
  new x509.BasicConstraintsExtension(true, undefined, true),
];

/** What stands in an intermediate below `root`. */
export const intermediateExtensions = async (root: x509.X509Certificate): Promise<x509.Extension[]> => [
  new x509.KeyUsagesExtension(CA_KEY_USAGE, true),
  new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.codeSigning], false),
  new x509.BasicConstraintsExtension(true, 0, true),
  await keyIdentifierOf(root),
];

/** The one use of a key for timestamps, critical (RFC 3161 §2.3). */
export const timestampUsage = (): x509.Extension =>
  new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.timeStamping], true);

/** What stands in a certificate for timestamps below `root`. */
export const timestampExtensions = async (root: x509.X509Certificate): Promise<x509.Extension[]> => [
  new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
  timestampUsage(),
  new x509.BasicConstraintsExtension(false, undefined, true),
  await keyIdentifierOf(root),
];

/** The root's own identifier, which need not be a hash of its key. */
async function keyIdentifierOf(root: x509.X509Certificate): Promise<x509.Extension> {
  const own = subjectKeyIdentifier(parseCertificate(derOf(root)));
  return own === undefined
    ? x509.AuthorityKeyIdentifierExtension.create(root.publicKey, false, CRYPTO)
    : new x509.AuthorityKeyIdentifierExtension(toHex(own), false);
}

/** WebCrypto, as the library wants it. */
export const CRYPTO = webcrypto as Crypto;

/** A certificate for the subject, signed by the issuer; times in milliseconds. */
export async function certify(
  subject: Subject,
  issuer: CertificateSigner,
  notBefore: number,
  notAfter: number,
  extensions: x509.Extension[],
): Promise<x509.X509Certificate> {
  const { import: imported, sign } = PARAMETERS[issuer.keyType];
  const publicKey = webKey(subject.publicKey, importedAs(subject.publicKey), 'verify');
  return x509.X509CertificateGenerator.create(
    {
      serialNumber: serialHex(newSerial()),
      subject: subject.name,
      issuer: issuer.name,
      notBefore: new Date(notBefore),
      notAfter: new Date(notAfter),
      publicKey,
      signingKey: webKey(issuer.key, imported, 'sign'),
      signingAlgorithm: sign,
      extensions: [...extensions, await x509.SubjectKeyIdentifierExtension.create(publicKey, false, CRYPTO)],
    },
    CRYPTO,
  );
}

/** The key as WebCrypto takes it, for {@link SigningParameters}. Node's own CryptoKey and the DOM's are one thing with two declarations. */
export const webKey = (
  key: KeyObject,
  algorithm: SigningParameters['import'],
  usage: 'sign' | 'verify',
): CryptoKey => key.toCryptoKey(algorithm, usage === 'verify', [usage]) as CryptoKey;

/** DER of a certificate. */
export const derOf = (cert: x509.X509Certificate): Uint8Array => new Uint8Array(cert.rawData);
