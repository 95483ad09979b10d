/** The kinds of private key that Mayfly itself may hold. */
import { createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import type { SignatureAlgorithm } from '../core/signature-algorithm.ts';
import { KeyFileError } from './key-error.ts';

/** A kind of key, as the command line names it. */
export type KeyType = 'p256' | 'p384' | 'p521' | 'rsa2048' | 'rsa3072' | 'rsa4096' | 'ed25519';

const generate = promisify(generateKeyPair);

const GENERATORS: Readonly<Record<KeyType, () => Promise<{ privateKey: KeyObject }>>> = {
  p256: () => generate('ec', { namedCurve: 'P-256' }),
  p384: () => generate('ec', { namedCurve: 'P-384' }),
  p521: () => generate('ec', { namedCurve: 'P-521' }),
  rsa2048: () => generate('rsa', { modulusLength: 2048 }),
  rsa3072: () => generate('rsa', { modulusLength: 3072 }),
  rsa4096: () => generate('rsa', { modulusLength: 4096 }),
  ed25519: () => generate('ed25519'),
};

/** All of them. */
export const KEY_TYPES = Object.keys(GENERATORS) as readonly KeyType[];

/** A new private key, off the event loop. */
export async function generateKey(type: KeyType): Promise<KeyObject> {
  return (await GENERATORS[type]()).privateKey;
}

const CURVE_ALGORITHMS: ReadonlyMap<string, SignatureAlgorithm> = new Map([
  ['prime256v1', 'ecdsa-p256-sha256'],
  ['secp384r1', 'ecdsa-p384-sha384'],
  ['secp521r1', 'ecdsa-p521-sha512'],
]);

/** How a key signs. Throws {@link KeyFileError} `KEY_FILE_UNSUPPORTED` for a kind that is not in the table. */
export function algorithmOf(key: KeyObject): SignatureAlgorithm {
  const algorithm =
    key.asymmetricKeyType === 'ec'
      ? CURVE_ALGORITHMS.get(key.asymmetricKeyDetails?.namedCurve ?? '')
      : OTHER_ALGORITHMS.get(key.asymmetricKeyType ?? '');
  if (algorithm !== undefined) return algorithm;
  throw new KeyFileError('KEY_FILE_UNSUPPORTED', 'the key is of a kind that Mayfly does not sign with', {
    hint: 'Use ECDSA P-256, P-384 or P-521, RSA, or (for checkpoints only) Ed25519.',
  });
}

/** The same of a public key in a DER SubjectPublicKeyInfo. Throws what {@link algorithmOf} throws, and for bytes that are none KeyFileError
 * `KEY_FILE_MALFORMED`. */
export function publicKeyAlgorithm(spki: Uint8Array): SignatureAlgorithm {
  return algorithmOf(readPublicKey(spki));
}

/** A public key. Throws {@link KeyFileError} `KEY_FILE_MALFORMED`. */
export function readPublicKey(spki: Uint8Array): KeyObject {
  try {
    return createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
  } catch {
    throw new KeyFileError('KEY_FILE_MALFORMED', 'the public key cannot be read');
  }
}

const OTHER_ALGORITHMS: ReadonlyMap<string, SignatureAlgorithm> = new Map([
  ['rsa', 'rsa-pkcs1-sha256'],
  ['ed25519', 'ed25519'],
]);
