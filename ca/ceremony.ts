/**
 * Making a CA: a root that signs one intermediate and then goes offline, and the intermediate that issues. Both
 * follow Fulcio's certificate specification.
 */
import { createPublicKey, webcrypto, type KeyObject } from 'node:crypto';
import type { Clock } from '../core/clock.ts';
import { CeremonyError } from './ceremony-error.ts';
import { newSerial, serialHex } from './serial.ts';
import { generateKey } from './signers/key-types.ts';
import * as x509 from './x509.ts';

/** What the keys of a CA may be. */
export const CA_KEY_TYPES = ['p256', 'p384', 'rsa3072', 'rsa4096'] as const;

/** One of {@link CA_KEY_TYPES}. */
export type CaKeyType = (typeof CA_KEY_TYPES)[number];

/** What is asked of a new CA. */
export interface CeremonyRequest {
  /** O of both subjects. */
  readonly organization: string;
  /** CN of the root; the intermediate's is this and ` intermediate`. */
  readonly commonName: string;
  /** Text of {@link CaKeyType}; both keys are of this type, so that the chain has one signature scheme. */
  readonly keyType: string;
  readonly clock: Clock;
  /** Puts `INSECURE DEV` into both names. */
  readonly dev: boolean;
}

/** A new CA. Keep the root key away from the server. */
export interface AuthorityChain {
  readonly rootKey: KeyObject;
  readonly intermediateKey: KeyObject;
  readonly rootDer: Uint8Array;
  readonly intermediateDer: Uint8Array;
}

const YEAR = 365.25 * 24 * 3600 * 1000;
const ROOT_LIFETIME = 10 * YEAR;
const INTERMEDIATE_LIFETIME = 3 * YEAR;
/** Upper bound of CN and O in X.509 (ub-common-name, ub-organization-name). */
const MAX_NAME = 64;

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

const PARAMETERS: Readonly<Record<CaKeyType, SigningParameters>> = {
  p256: EC('P-256', 'SHA-256'),
  p384: EC('P-384', 'SHA-384'),
  rsa3072: RSA,
  rsa4096: RSA,
};

/** Makes both keys and both certificates: the root for ten years, the intermediate for three and never past its root.
 * Rejects with {@link CeremonyError} for a key type or a name that does not do. */
export async function createAuthorityChain(request: CeremonyRequest): Promise<AuthorityChain> {
  const keyType = caKeyType(request.keyType);
  const names = subjectNames(request);
  const [rootKey, intermediateKey] = await Promise.all([generateKey(keyType), generateKey(keyType)]);
  const now = Math.floor(request.clock() / 1000) * 1000;
  const root = { key: rootKey, name: names.root, keyType };
  const rootCert = await certify(root, root, now, now + ROOT_LIFETIME, rootExtensions());
  const notAfter = Math.min(now + INTERMEDIATE_LIFETIME, rootCert.notAfter.getTime());
  const intermediate = { key: intermediateKey, name: names.intermediate, keyType };
  const extensions = await intermediateExtensions(rootCert);
  const intermediateCert = await certify(intermediate, root, now, notAfter, extensions);
  return { rootKey, intermediateKey, rootDer: derOf(rootCert), intermediateDer: derOf(intermediateCert) };
}

function caKeyType(text: string): CaKeyType {
  const found = CA_KEY_TYPES.find((type) => type === text);
  if (found !== undefined) return found;
  if (text === 'ed25519') {
    throw new CeremonyError('KEY_TYPE_UNSUITABLE', 'a CA with an Ed25519 key cannot be used', {
      hint: 'Common clients verify SCTs only below an ECDSA or RSA issuer: use p256, p384, rsa3072 or rsa4096.',
    });
  }
  throw new CeremonyError('KEY_TYPE_UNSUITABLE', 'the key type of the CA is not known', {
    hint: `Use one of ${CA_KEY_TYPES.join(', ')}.`,
  });
}

function subjectNames({ organization, commonName, dev }: CeremonyRequest): {
  root: x509.Name;
  intermediate: x509.Name;
} {
  const mark = dev ? 'INSECURE DEV ' : '';
  const additions = [mark, ' intermediate']
    .filter((part) => part !== '')
    .map((part) => `"${part}"`)
    .join(' and ');
  const name = (cn: string): x509.Name => {
    const o = `${mark}${organization}`;
    if (
      [organization, commonName].some((part) => part.trim() === '') ||
      Math.max(o.length, cn.length) > MAX_NAME
    ) {
      throw new CeremonyError(
        'NAME_UNSUITABLE',
        'the organization or the common name of the CA is empty or too long',
        {
          hint: `Each needs at least one character and may have ${MAX_NAME}, with what Mayfly adds: ${additions}.`,
        },
      );
    }
    // Typed values: the library reads bare strings as a notation, with quotes and number signs that mean something.
    return new x509.Name([{ O: [{ utf8String: o }] }, { CN: [{ utf8String: cn }] }]);
  };
  return { root: name(`${mark}${commonName}`), intermediate: name(`${mark}${commonName} intermediate`) };
}

interface Party {
  readonly key: KeyObject;
  readonly name: x509.Name;
  readonly keyType: CaKeyType;
}

const CA_KEY_USAGE: x509.KeyUsageFlags = x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign;

const rootExtensions = (): x509.Extension[] => [
  new x509.KeyUsagesExtension(CA_KEY_USAGE, true),
  new x509.BasicConstraintsExtension(true, undefined, true),
];

const intermediateExtensions = async (root: x509.X509Certificate): Promise<x509.Extension[]> => [
  new x509.KeyUsagesExtension(CA_KEY_USAGE, true),
  new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.codeSigning], false),
  new x509.BasicConstraintsExtension(true, 0, true),
  await x509.AuthorityKeyIdentifierExtension.create(root.publicKey, false, CRYPTO),
];

const CRYPTO = webcrypto as Crypto;

async function certify(
  subject: Party,
  issuer: Party,
  notBefore: number,
  notAfter: number,
  extensions: x509.Extension[],
): Promise<x509.X509Certificate> {
  const { import: imported, sign } = PARAMETERS[issuer.keyType];
  const publicKey = webKey(createPublicKey(subject.key), imported, 'verify');
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

/** Node's own CryptoKey and the DOM's are one thing with two declarations. */
const webKey = (
  key: KeyObject,
  algorithm: SigningParameters['import'],
  usage: 'sign' | 'verify',
): CryptoKey => key.toCryptoKey(algorithm, usage === 'verify', [usage]) as CryptoKey;

const derOf = (cert: x509.X509Certificate): Uint8Array => new Uint8Array(cert.rawData);
