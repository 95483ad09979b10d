import { generateKeyPairSync } from 'node:crypto';
import { expect } from 'chai';
import fc from 'fast-check';
import { readVerificationKey } from '../../../oidc/keys/verification-key.ts';

const rsa = (bits: number, exponent = 65_537): Record<string, unknown> => ({
  ...generateKeyPairSync('rsa', { modulusLength: bits, publicExponent: exponent }).publicKey.export({
    format: 'jwk',
  }),
  kid: 'k',
});

describe('A key of an issuer', () => {
  it('is refused when it is RSA with less than 2048 bits', () => {
    expect(readVerificationKey(rsa(2048))).not.to.equal(undefined);
    expect(readVerificationKey(rsa(1024))).to.equal(undefined);
    expect(readVerificationKey(rsa(2047))).to.equal(undefined);
  });

  it('does not become longer by zeros in front', () => {
    const key = rsa(1024);
    const modulus = Buffer.concat([Buffer.alloc(128), Buffer.from(key.n as string, 'base64url')]);
    expect(readVerificationKey({ ...key, n: modulus.toString('base64url') })).to.equal(undefined);
  });

  it('is refused when it is too long to work with', () => {
    const modulus = Buffer.alloc(1025, 255).toString('base64url');
    expect(readVerificationKey({ kty: 'RSA', e: 'AQAB', n: modulus })).to.equal(undefined);
  });

  it('is refused when its exponent makes no key, or one that is slow to use', () => {
    const key = rsa(2048);
    const withExponent = (hex: string): unknown =>
      readVerificationKey({ ...key, e: Buffer.from(hex, 'hex').toString('base64url') });
    for (const good of ['03', '010001', '00010001', '7fffffff'])
      expect(withExponent(good), good).not.to.equal(undefined);
    for (const bad of ['', '00', '01', '0001', '02', '010000', '80000001', `7f${'ff'.repeat(200)}`])
      expect(withExponent(bad), bad).to.equal(undefined);
    for (const e of [undefined, null, 65_537, ['AQAB'], 'AQ==', '+', 'A'.repeat(3000)])
      expect(readVerificationKey({ ...key, e }), JSON.stringify(e)).to.equal(undefined);
  });

  it('fits its own key id, and tokens without one', () => {
    const key = readVerificationKey(rsa(2048));
    expect(key?.fits('RS256', 'k')).to.equal(true);
    expect(key?.fits('PS512', undefined)).to.equal(true);
    expect(key?.fits('RS256', 'other')).to.equal(false);
    expect(key?.fits('ES256', 'k')).to.equal(false);
  });

  it('fits only the algorithm that it names', () => {
    const key = readVerificationKey({ ...rsa(2048), alg: 'RS384' });
    expect(key?.fits('RS384', 'k')).to.equal(true);
    expect(key?.fits('RS256', 'k')).to.equal(false);
  });

  it('is imported once for each algorithm, and is no key when its numbers are none', async () => {
    const key = readVerificationKey(rsa(2048));
    expect(key?.import('RS256')).to.equal(key?.import('RS256'));
    expect((await key?.import('RS256'))?.handle.type).to.equal('public');
    const broken = readVerificationKey({ kty: 'EC', crv: 'P-256', x: 'AQ', y: 'AQ' });
    expect(await broken?.import('ES256')).to.equal(undefined);
  });

  it('never comes with its secret', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const key = readVerificationKey(privateKey.export({ format: 'jwk' }));
    expect((await key?.import('ES256'))?.handle.type).to.equal('public');
  });

  it('never makes the reader fail, whatever stands in its place', async () => {
    const member = fc.oneof(
      fc.jsonValue(),
      fc.constantFrom('RSA', 'EC', 'OKP', 'P-256', 'Ed25519', 'AQAB', 'sig'),
    );
    const jwk = fc.record(
      { kty: member, crv: member, n: member, e: member, x: member, y: member },
      { requiredKeys: [] },
    );
    await fc.assert(
      fc.asyncProperty(fc.oneof(jwk, fc.jsonValue()), async (value) => {
        const key = readVerificationKey(value);
        for (const algorithm of ['RS256', 'ES256', 'EdDSA'] as const) {
          if (key?.fits(algorithm, undefined) === true) await key.import(algorithm);
        }
      }),
    );
  });
});
