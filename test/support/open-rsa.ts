/** RSA keys made of numbers alone, which need no private key. */
import { createHash } from 'node:crypto';

/** The usual exponent. */
export const F4 = 65_537n;
export const numberOf = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
export const bytesOf = (n: bigint): Buffer =>
  Buffer.from(n.toString(16).padStart(Math.ceil(n.toString(16).length / 2) * 2, '0'), 'hex');

function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let [out, factor] = [1n, base % modulus];
  for (let e = exponent; e > 0n; e >>= 1n) {
    if ((e & 1n) === 1n) out = (out * factor) % modulus;
    factor = (factor * factor) % modulus;
  }
  return out;
}

function inverse(a: bigint, modulus: bigint): bigint {
  let [r, next, s, following] = [modulus, a % modulus, 0n, 1n];
  while (next !== 0n) {
    const quotient = r / next;
    [r, next] = [next, r - quotient * next];
    [s, following] = [following, s - quotient * following];
  }
  return ((s % modulus) + modulus) % modulus;
}

/** A key that anybody can make who knows the modulus: `order` is what its factors make known. */
export interface OpenRsa {
  readonly what: string;
  readonly modulus: bigint;
  readonly order: bigint;
}

/** RSASSA-PKCS1-v1_5 with SHA-256. */
export function signOpenly({ modulus, order }: Pick<OpenRsa, 'modulus' | 'order'>, text: Uint8Array): Buffer {
  const info = Buffer.from('3031300d060960864801650304020105000420', 'hex');
  const tail = Buffer.concat([info, createHash('sha256').update(text).digest()]);
  const length = bytesOf(modulus).length;
  const padding = Buffer.alloc(length - tail.length - 3, 0xff);
  const padded = Buffer.concat([Buffer.from([0, 1]), padding, Buffer.from([0]), tail]);
  const signature = bytesOf(power(numberOf(padded), inverse(F4, order), modulus));
  // As long as the modulus, as RFC 8017 section 8.2.1 has it: one in 256 is shorter as a number.
  return Buffer.concat([Buffer.alloc(length - signature.length), signature]);
}

/** A key with a prime number for its modulus. */
export function openRsa(prime: Buffer): {
  readonly modulus: Buffer;
  readonly sign: (text: Uint8Array) => Buffer;
} {
  const modulus = numberOf(prime);
  return { modulus: prime, sign: (text) => signOpenly({ modulus, order: modulus - 1n }, text) };
}
