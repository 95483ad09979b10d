/** RSA moduli that anybody can factor, as far as a check of some milliseconds finds them. */
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { toHex } from '../../core/bytes.ts';
import * as der from '../../core/der-writer.ts';
import { keyBits } from '../../core/public-key.ts';
import { smallFactor } from '../../core/rsa-weakness.ts';

/** Why the modulus (unsigned, big-endian, at most 8,192 bits) is not secure, as the end of a sentence that begins with "the
 * key"; undefined when no weakness was found. Takes as long as one signature with the key: some 20 ms for 4096 bits. */
export function opennessOf(modulus: Uint8Array): string | undefined {
  const factor = smallFactor(modulus);
  if (factor !== undefined) return `has a modulus with the prime factor ${factor}`;
  return isLikePrime(modulus) ? 'has a prime number for its modulus' : undefined;
}

const VERSION = der.unsignedInteger(Uint8Array.of(0));
const DH_KEY_AGREEMENT = der.oid('1.2.840.113549.1.3.1');
const TWO = der.unsignedInteger(Uint8Array.of(2));
const DER_OF_ONE = '020101';

/**
 * Fermat's test with base 2, of an odd number n: 2^(n−1) mod n is 1 for every prime, and for no product of primes that were
 * chosen at random.
 *
 * Nothing in the runtime raises a number to a power quickly but key agreement does: the public key of the private key n−1
 * with base 2 modulo n is that power. Node's own test for primes takes one round for a product, as this does, but 64 or 128
 * for a prime, whatever is asked for. That takes seconds, in which one caller with a prime would delay all others.
 */
function isLikePrime(modulus: Uint8Array): boolean {
  const exponent = Uint8Array.from(modulus);
  // Odd, so that nothing is carried.
  exponent[exponent.length - 1] = (exponent.at(-1) ?? 0) - 1;
  const parameters = der.sequence(der.unsignedInteger(modulus), TWO);
  const key = der.sequence(
    VERSION,
    der.sequence(DH_KEY_AGREEMENT, parameters),
    der.octetString(der.unsignedInteger(exponent)),
  );
  const agreement = createPrivateKey({ key: Buffer.from(key), format: 'der', type: 'pkcs8' });
  const spki = createPublicKey(agreement).export({ format: 'der', type: 'spki' });
  return toHex(keyBits(spki)) === DER_OF_ONE;
}
