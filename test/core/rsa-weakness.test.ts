import { expect } from 'chai';
import { readRequestKey } from '../../ca/request-key.ts';
import { RequestError } from '../../ca/request-error.ts';
import { rsaWeakness, smallFactor } from '../../core/rsa-weakness.ts';
import { sequence, unsignedInteger } from '../../core/der-writer.ts';
import { encodePem } from '../../core/pem.ts';
import { testKey } from '../ca/support/keys.ts';

const E = Uint8Array.of(1, 0, 1);

const bytesOf = (n: bigint): Uint8Array => {
  const hex = n.toString(16);
  return new Uint8Array(Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex'));
};

const primes = (limit: number): bigint[] => {
  const out: bigint[] = [];
  for (let n = 2n; n < BigInt(limit); n++) if (out.every((p) => n % p !== 0n)) out.push(n);
  return out;
};
const SMALL = primes(752);
const hasSmallFactor = (n: bigint): boolean => SMALL.some((p) => n % p === 0n);

/** A fixed pseudo-random odd number of that many bits. */
function number(bits: number, seed: bigint): bigint {
  let out = 1n;
  for (let i = 0n; out < 1n << BigInt(bits); i++) out = out * 6364136223846793005n + seed + i;
  return (out >> BigInt(out.toString(2).length - bits)) | 1n;
}

/** The next number from `start` on, in steps, without a small factor. */
function withoutSmallFactor(start: bigint, step = 2n): bigint {
  let n = start;
  while (hasSmallFactor(n)) n += step;
  return n;
}

/** ⌊√n⌋, bit by bit. */
function squareRoot(n: bigint): bigint {
  let root = 0n;
  for (let bit = 1n << BigInt(n.toString(2).length >> 1); bit > 0n; bit >>= 1n) {
    if ((root + bit) ** 2n <= n) root += bit;
  }
  return root;
}

describe('core/rsa-weakness', () => {
  it('finds nothing in keys that OpenSSL makes', () => {
    for (const type of ['RSA-2048', 'RSA-3072', 'RSA-4096'] as const) {
      const { n } = testKey(type).publicKey.export({ format: 'jwk' });
      expect(rsaWeakness(Buffer.from(n ?? '', 'base64url'))).to.equal(undefined);
    }
  });

  it('finds every prime factor below 752 and none above', () => {
    const cofactor = withoutSmallFactor(number(2040, 7n));
    for (const prime of SMALL)
      expect(rsaWeakness(bytesOf(cofactor * prime)), String(prime)).to.match(/below 752/);
    expect(rsaWeakness(bytesOf(cofactor * 757n))).to.equal(undefined);
  });

  it('is joined by the exponent for keys of requests', () => {
    const modulus = bytesOf(withoutSmallFactor(number(2048, 9n)));
    for (const e of [Uint8Array.of(3), Uint8Array.of(1), Uint8Array.of(1, 0, 3)]) {
      const pkcs1 = sequence(unsignedInteger(modulus), unsignedInteger(e));
      const content = new Uint8Array(Buffer.from(encodePem('RSA PUBLIC KEY', pkcs1)));
      expect(() => readRequestKey(content))
        .to.throw(RequestError, 'exponent')
        .with.property('code', 'KEY_INSECURE');
    }
  });

  it('has a longer look for factors below 65,536', () => {
    for (const prime of [757, 4099, 32_749, 65_521])
      expect(smallFactor(bytesOf(BigInt(prime) ** 128n)), String(prime)).to.equal(prime);
    for (const type of ['RSA-2048', 'RSA-4096'] as const) {
      const { n } = testKey(type).publicKey.export({ format: 'jwk' });
      expect(smallFactor(Buffer.from(n ?? '', 'base64url'))).to.equal(undefined);
    }
    expect(smallFactor(bytesOf(65_537n ** 120n))).to.equal(undefined);
  });

  it('finds the ROCA fingerprint, and its absence when one residue differs', () => {
    // p = k·M + (65537^a mod M), as the broken generator makes its primes, with M the product of the primes up to 701.
    const M = primes(702).reduce((product, p) => product * p, 1n);
    const power = (a: bigint): bigint => {
      let out = 1n;
      for (let i = 0n; i < a; i++) out = (out * 65537n) % M;
      return out;
    };
    const rocaLike = (a: bigint, seed: bigint): bigint => {
      const bits = 1024 - M.toString(2).length;
      let k = number(bits, seed);
      while (hasSmallFactor(k * M + power(a))) k += 1n;
      return k * M + power(a);
    };
    const p = rocaLike(1234n, 3n);
    const q = rocaLike(4321n, 5n);
    expect(rsaWeakness(bytesOf(p * q))).to.match(/ROCA/);
    expect(rsaWeakness(bytesOf(p * withoutSmallFactor(q + 2n)))).to.equal(undefined);
  });

  it('finds factors that lie close together, up to a hundred rounds of Fermat', () => {
    const p = withoutSmallFactor(number(1024, 11n));
    const near = withoutSmallFactor(p + 2n ** 500n);
    expect(rsaWeakness(bytesOf(p * near))).to.match(/too close/);
    expect(rsaWeakness(bytesOf(p * p))).to.match(/too close/);
    const far = withoutSmallFactor(p + 2n ** 1020n);
    expect(rsaWeakness(bytesOf(p * far))).to.equal(undefined);
  });

  it('goes on for a hundred rounds and no more', () => {
    const roundsOf = (p: bigint, q: bigint): bigint => (p + q) / 2n - squareRoot(p * q) - 1n;
    const p = withoutSmallFactor(number(1024, 11n));
    // q − p = 2·√(2·rounds·p) makes Fermat's method find them in that many rounds.
    const apart = (rounds: bigint): bigint => withoutSmallFactor(p + 2n * squareRoot(2n * rounds * p));
    for (const rounds of [2n, 50n, 98n]) {
      const q = apart(rounds);
      expect(Number(roundsOf(p, q))).to.be.within(Number(rounds) - 1, Number(rounds) + 1);
      expect(rsaWeakness(bytesOf(p * q)), String(rounds)).to.match(/too close/);
    }
    expect(rsaWeakness(bytesOf(p * apart(103n)))).to.equal(undefined);
  });

  it('is asked for every RSA key of a request', () => {
    const p = withoutSmallFactor(number(1024, 11n));
    const modulus = p * withoutSmallFactor(p + 2n);
    const pkcs1 = sequence(unsignedInteger(bytesOf(modulus)), unsignedInteger(E));
    const content = new Uint8Array(Buffer.from(encodePem('RSA PUBLIC KEY', pkcs1)));
    expect(() => readRequestKey(content))
      .to.throw(RequestError, 'too close')
      .with.property('code', 'KEY_INSECURE');
  });
});
