/** A CA that has nothing to do with the log: root, issuing CA, and one for signing precertificates, which signs what a test asks for. */
import { webcrypto } from 'node:crypto';
import * as x509 from '../../../ca/x509.ts';
import { Tag } from '../../../core/der-tag.ts';
import { POISON_OID } from '../../../ct-log/format/sct.ts';

const CODE_SIGNING = '1.3.6.1.5.5.7.3.3';
const PRECERTIFICATE_SIGNING = '1.3.6.1.4.1.11129.2.4.4';
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const DAY = 24 * 3600 * 1000;

/** A certificate with its key. */
interface Holder {
  readonly certificate: x509.X509Certificate;
  readonly keys: CryptoKeyPair;
}

/** How a certificate deviates from a good one. */
export interface Deviation {
  readonly usages?: readonly string[];
  readonly extensions?: readonly x509.Extension[];
  /** Who signs; the issuing CA without it. */
  readonly by?: Holder;
  readonly notAfter?: number;
  readonly keyUsage?: x509.KeyUsageFlags;
  /** Whose certificate it is; new ones without them. */
  readonly keys?: CryptoKeyPair;
  readonly serial?: string;
}

/** It. */
export interface OutsideCa {
  readonly root: Holder;
  readonly issuing: Holder;
  /** Signs precertificates for `issuing`. */
  readonly precertificateSigner: Holder;
  /** DER of a certificate, and of a precertificate. */
  certificate(deviation?: Deviation): Promise<Uint8Array>;
  precertificate(deviation?: Deviation): Promise<Uint8Array>;
  /** Another CA below the root or below another one. */
  authority(name: string, below: Holder, extensions?: readonly x509.Extension[]): Promise<Holder>;
}

/** The poison of RFC 6962 §3.1. */
export const POISON = new x509.Extension(POISON_OID, true, Uint8Array.of(Tag.null, 0));

/** DER of a certificate of such a CA. */
export const derOf = ({ certificate }: Holder): Uint8Array => new Uint8Array(certificate.rawData);

const newKeys = (): Promise<CryptoKeyPair> =>
  webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']) as Promise<CryptoKeyPair>;

const randomSerial = (): string =>
  `01${Buffer.from(webcrypto.getRandomValues(new Uint8Array(15))).toString('hex')}`;

/** Makes one with new keys. */
export async function outsideCa(organization = 'Outside'): Promise<OutsideCa> {
  const authority: OutsideCa['authority'] = async (name, below, extensions = []) => {
    const keys = await newKeys();
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: randomSerial(),
      subject: `O=${organization}, CN=${name}`,
      issuer: below.certificate.subject,
      notBefore: new Date(Date.now() - DAY),
      notAfter: new Date(Date.now() + 100 * DAY),
      publicKey: keys.publicKey,
      signingKey: below.keys.privateKey,
      signingAlgorithm: ALGORITHM,
      extensions: [
        new x509.BasicConstraintsExtension(true, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
        await x509.AuthorityKeyIdentifierExtension.create(below.keys.publicKey),
        ...extensions,
      ],
    });
    return { certificate, keys };
  };
  const rootKeys = await newKeys();
  const root: Holder = {
    keys: rootKeys,
    certificate: await x509.X509CertificateGenerator.createSelfSigned({
      serialNumber: randomSerial(),
      name: `O=${organization}, CN=Root`,
      notBefore: new Date(Date.now() - DAY),
      notAfter: new Date(Date.now() + 1000 * DAY),
      keys: rootKeys,
      signingAlgorithm: ALGORITHM,
      extensions: [
        new x509.BasicConstraintsExtension(true, 2, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
      ],
    }),
  };
  const issuing = await authority('Issuing', root, [new x509.ExtendedKeyUsageExtension([CODE_SIGNING])]);
  const precertificateSigner = await authority('Precertificates', issuing, [
    new x509.ExtendedKeyUsageExtension([PRECERTIFICATE_SIGNING]),
  ]);
  const certificate: OutsideCa['certificate'] = async ({
    usages = [CODE_SIGNING],
    extensions = [],
    by = issuing,
    notAfter = Date.now() + DAY,
    serial = randomSerial(),
    keys,
    keyUsage = x509.KeyUsageFlags.digitalSignature,
  } = {}) => {
    const { publicKey } = keys ?? (await newKeys());
    const made = await x509.X509CertificateGenerator.create({
      serialNumber: serial,
      subject: 'CN=somebody',
      issuer: by.certificate.subject,
      notBefore: new Date(notAfter - 2 * DAY),
      notAfter: new Date(notAfter),
      publicKey,
      signingKey: by.keys.privateKey,
      signingAlgorithm: ALGORITHM,
      extensions: [
        new x509.KeyUsagesExtension(keyUsage, true),
        await x509.AuthorityKeyIdentifierExtension.create(by.keys.publicKey),
        ...(usages.length === 0 ? [] : [new x509.ExtendedKeyUsageExtension([...usages])]),
        ...extensions,
      ],
    });
    return new Uint8Array(made.rawData);
  };
  return {
    root,
    issuing,
    precertificateSigner,
    authority,
    certificate,
    precertificate: (deviation = {}) =>
      certificate({ ...deviation, extensions: [...(deviation.extensions ?? []), POISON] }),
  };
}
