import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import type { SignatureAlgorithm } from '../../../core/signature-algorithm.ts';
import type { Signer } from '../../../signers/signer.ts';
import type { LogSigners } from '../../../ct-log/log-keys.ts';

function signer(key: KeyObject, publicKey: KeyObject, algorithm: SignatureAlgorithm): Signer {
  const hash = algorithm === 'ed25519' ? null : 'sha256';
  return {
    publicKey: publicKey.export({ format: 'der', type: 'spki' }),
    algorithm,
    sign: (data) => Promise.resolve(sign(hash, data, key)),
  };
}

/** A P-256 signer with a new key. */
export function ecdsaSigner(): Signer {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return signer(privateKey, publicKey, 'ecdsa-p256-sha256');
}

/** New keys of a log. */
export function logSigners(): LogSigners {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  return { treeHead: ecdsaSigner(), checkpoint: signer(privateKey, publicKey, 'ed25519') };
}

/** The same keys as PEM, to hand them to a child process, and back. */
export interface KeyTexts {
  readonly treeHead: string;
  readonly checkpoint: string;
}

/** New keys of a log, as text. */
export function newKeyTexts(): KeyTexts {
  const pem = (key: KeyObject): string => key.export({ format: 'pem', type: 'pkcs8' }).toString();
  return {
    treeHead: pem(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey),
    checkpoint: pem(generateKeyPairSync('ed25519').privateKey),
  };
}

/** The signers of {@link newKeyTexts}. */
export function signersOf(texts: KeyTexts): LogSigners {
  const read = (text: string, algorithm: SignatureAlgorithm): Signer =>
    signer(createPrivateKey(text), createPublicKey(text), algorithm);
  return {
    treeHead: read(texts.treeHead, 'ecdsa-p256-sha256'),
    checkpoint: read(texts.checkpoint, 'ed25519'),
  };
}

/** The public key of a signer, for node:crypto. */
export const publicKeyOf = ({ publicKey }: Signer): KeyObject =>
  createPublicKey({ key: Buffer.from(publicKey), format: 'der', type: 'spki' });
