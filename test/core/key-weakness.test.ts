import { expect } from 'chai';
import { keyWeakness } from '../../core/key-weakness.ts';
import type { PublicKeyInfo } from '../../core/public-key.ts';
import { testKey } from '../ca/support/keys.ts';

const modulusOf = (type: 'RSA-2048' | 'RSA-3072'): Uint8Array =>
  Buffer.from(testKey(type).publicKey.export({ format: 'jwk' }).n ?? '', 'base64url');

const rsa = (modulus: Uint8Array, exponent: readonly number[], bits = modulus.length * 8): PublicKeyInfo => ({
  type: 'rsa',
  bits,
  modulus,
  exponent: Uint8Array.from(exponent),
});

describe('core/key-weakness', () => {
  it('finds nothing in keys of 2,048 to 8,192 bits, with odd exponents from 3 to 2^32-1', () => {
    const usual = [[3], [5], [17], [1, 0, 1], [0xff, 0xff, 0xff, 0xff]];
    for (const exponent of usual) {
      expect(keyWeakness(rsa(modulusOf('RSA-2048'), exponent))).to.equal(undefined);
      expect(keyWeakness(rsa(modulusOf('RSA-3072'), exponent))).to.equal(undefined);
    }
    expect(keyWeakness({ type: 'ec', curve: 'P-256', point: new Uint8Array(65) })).to.equal(undefined);
    expect(keyWeakness({ type: 'ed25519', key: new Uint8Array(32) })).to.equal(undefined);
  });

  it('finds lengths beside these', () => {
    const modulus = modulusOf('RSA-2048');
    expect(keyWeakness(rsa(modulus, [1, 0, 1], 2047))).to.equal('is too short');
    expect(keyWeakness(rsa(modulus, [1, 0, 1], 8192))).to.equal(undefined);
    expect(keyWeakness(rsa(modulus, [1, 0, 1], 8193))).to.match(/^is too long/);
  });

  it('finds exponents with which a check takes long, or that anybody can sign with', () => {
    const wrong = [[], [0], [1], [2], [4], [1, 0, 0], [1, 0, 0, 0, 1], Array<number>(383).fill(0xff)];
    for (const exponent of wrong)
      expect(keyWeakness(rsa(modulusOf('RSA-3072'), exponent)), String(exponent)).to.match(/exponent/);
  });

  it('finds what shows in the modulus', () => {
    const modulus = Buffer.from(modulusOf('RSA-2048'));
    modulus.writeUInt8(modulus.readUInt8(255) & 0xfe, 255);
    expect(keyWeakness(rsa(modulus, [1, 0, 1]))).to.match(/prime factor below 752/);
  });
});
