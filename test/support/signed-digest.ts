import { privateEncrypt, sign, type KeyObject } from 'node:crypto';
import { p256, p384, p521 } from '@noble/curves/nist.js';

const CURVES = { prime256v1: p256, secp384r1: p384, secp521r1: p521 } as const;

/** The start of a DigestInfo of SHA-256 (RFC 8017 §9.2). */
const SHA256_INFO = Buffer.from('3031300d060960864801650304020105000420', 'hex');

/** The signature over a digest by ECDSA or RSA (PKCS#1 v1.5, SHA-256), over a message by Ed25519: what key services make, and OpenSSL by Node
 * does not. `isRaw`: those of ECDSA are r‖s. */
export function signedDigest(key: KeyObject, input: Uint8Array, isRaw = false): Buffer {
  if (key.asymmetricKeyType === 'ed25519') return sign(null, input, key);
  if (key.asymmetricKeyType === 'rsa') return privateEncrypt(key, Buffer.concat([SHA256_INFO, input]));
  const { d = '' } = key.export({ format: 'jwk' });
  const curve = CURVES[(key.asymmetricKeyDetails?.namedCurve ?? '') as keyof typeof CURVES];
  const format = isRaw ? 'compact' : 'der';
  return Buffer.from(curve.sign(input, Buffer.from(d, 'base64url'), { prehash: false, lowS: false, format }));
}
