/** Why nothing that a public key signs is believed: the one rule for all who verify signatures. */
import type { PublicKeyInfo } from './public-key.ts';
import { rsaWeakness } from './rsa-weakness.ts';

const MIN_BITS = 2048;
/** What OpenSSL still computes in a fraction of a millisecond. No authority or log has more than 4,096. */
const MAX_BITS = 8192;
/** Nearly all keys have 65537. The time of a check grows with the length of the exponent, up to milliseconds for one that is as long as the modulus. */
const MAX_EXPONENT_BYTES = 4;

/** The weakness of a key, as the end of a sentence that begins with "the key"; undefined if none is known. An RSA key must have between 2,048 and 8,192 bits and an odd exponent
 * from 3 to 2³²−1, and no known weakness. Takes less than 2 ms, whatever the key, and bounds what a check of a signature takes. */
export function keyWeakness(key: PublicKeyInfo): string | undefined {
  if (key.type !== 'rsa') return undefined;
  if (key.bits < MIN_BITS) return 'is too short';
  if (key.bits > MAX_BITS) return `is too long: it has more than ${MAX_BITS} bits`;
  if (!isUsualExponent(key.exponent)) return 'has an exponent that is not an odd number from 3 to 2³²−1';
  return rsaWeakness(key.modulus);
}

const isUsualExponent = (exponent: Uint8Array): boolean =>
  exponent.length <= MAX_EXPONENT_BYTES &&
  (exponent.at(-1) ?? 0) % 2 === 1 &&
  (exponent.length > 1 || (exponent[0] ?? 0) >= 3);
