import { generateKeyPairSync, webcrypto, type KeyObject } from 'node:crypto';
import { localSigner } from '../../../signers/local-signer.ts';
import * as x509 from '../../../ca/x509.ts';
import type { Signer } from '../../../signers/signer.ts';
import { NOW } from './authority.ts';

/** What may be wrong with a CA certificate. */
export interface CaOptions {
  readonly name: string;
  readonly parent?: CaNode;
  readonly curve?: 'P-256' | 'P-384';
  readonly notBefore?: number;
  readonly notAfter?: number;
  readonly ca?: boolean;
  readonly pathLength?: number;
  readonly usages?: x509.ExtendedKeyUsageType[];
  readonly keyUsage?: x509.KeyUsageFlags | null;
  readonly extra?: x509.Extension[];
  readonly hash?: string;
  /** The issuer's name, where it must not be the parent's. */
  readonly issuerName?: string;
  /** Hexadecimal. */
  readonly serial?: string;
  /** Whose key it is for, where it is not a new one. */
  readonly keyOf?: CaNode;
}

export interface CaNode {
  readonly name: string;
  readonly der: Uint8Array;
  readonly privateKey: KeyObject;
  readonly keys: CryptoKeyPair;
  readonly signer: Signer;
}

const DAY = 86_400_000;
const BOTH: x509.KeyUsageFlags = x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign;

/** A CA certificate with @peculiar/x509, every part of which can be wrong. */
export async function caNode(options: CaOptions): Promise<CaNode> {
  const { privateKey, keys } = options.keyOf ?? newKeys(options.curve ?? 'P-256');
  const cert = await x509.X509CertificateGenerator.create(
    {
      serialNumber: options.serial ?? '11',
      subject: `CN=${options.name}`,
      issuer: `CN=${options.issuerName ?? options.parent?.name ?? options.name}`,
      notBefore: new Date(options.notBefore ?? NOW - DAY),
      notAfter: new Date(options.notAfter ?? NOW + DAY),
      publicKey: keys.publicKey,
      signingKey: (options.parent?.keys ?? keys).privateKey,
      signingAlgorithm: { name: 'ECDSA', hash: options.hash ?? 'SHA-256' },
      extensions: [
        ...(options.ca === undefined || options.ca
          ? [new x509.BasicConstraintsExtension(true, options.pathLength, true)]
          : []),
        ...(options.keyUsage === null ? [] : [new x509.KeyUsagesExtension(options.keyUsage ?? BOTH, true)]),
        ...(options.usages === undefined ? [] : [new x509.ExtendedKeyUsageExtension(options.usages)]),
        ...(options.extra ?? []),
      ],
    },
    webcrypto as Crypto,
  );
  const der = new Uint8Array(cert.rawData);
  return { name: options.name, der, privateKey, keys, signer: localSigner(privateKey) };
}

function newKeys(namedCurve: string): Pick<CaNode, 'privateKey' | 'keys'> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve });
  const algorithm = { name: 'ECDSA', namedCurve };
  return {
    privateKey,
    keys: {
      privateKey: privateKey.toCryptoKey(algorithm, false, ['sign']) as CryptoKey,
      publicKey: publicKey.toCryptoKey(algorithm, true, ['verify']) as CryptoKey,
    },
  };
}
