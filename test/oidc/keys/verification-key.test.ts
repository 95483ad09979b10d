import { generateKeyPairSync } from 'node:crypto';
import { expect } from 'chai';
import fc from 'fast-check';
import { constants, sign } from 'node:crypto';
import { isSignedBy } from '../../../oidc/keys/signature-check.ts';
import { readVerificationKey, VerificationKey } from '../../../oidc/keys/verification-key.ts';

const rsa = (bits: number, exponent = 65_537): Record<string, unknown> => ({
  ...generateKeyPairSync('rsa', { modulusLength: bits, publicExponent: exponent }).publicKey.export({
    format: 'jwk',
  }),
  kid: 'k',
});

/** The key, undefined when it is skipped. */
function keyOf(jwk: unknown): VerificationKey | undefined {
  const key = readVerificationKey(jwk, 0);
  return key instanceof VerificationKey ? key : undefined;
}

/** Why it is skipped. */
function whyNot(jwk: unknown, index = 0): string {
  const key = readVerificationKey(jwk, index);
  return key instanceof VerificationKey
    ? 'taken'
    : `${key.name}: ${key.why}${key.isFault ? '' : ' (not for us)'}`;
}

/** A pair with a modulus of 2047 bits, as the product of two primes of 1024 bits has it that begin with 10. */
const SHORT = generateKeyPairSync('rsa', { modulusLength: 2047 });

describe('A key of an issuer', () => {
  it('is refused when it is RSA with less than 2048 bits', () => {
    expect(keyOf(rsa(2048))).not.to.equal(undefined);
    for (const bits of [512, 1024, 2028, 2046]) {
      expect(keyOf(rsa(bits))).to.equal(undefined);
      expect(whyNot(rsa(bits))).to.equal(`key "k": RSA of ${bits} bits, where at least 2048 are wanted`);
    }
  });

  it('may have 2047 bits, which is a key of 2048 bits to its owner', async () => {
    const key = keyOf({ ...SHORT.publicKey.export({ format: 'jwk' }), kid: 'k' });
    const input = 'e30.e30';
    for (const [algorithm, padding] of [
      ['RS256', constants.RSA_PKCS1_PADDING],
      ['PS256', constants.RSA_PKCS1_PSS_PADDING],
    ] as const) {
      const made = sign('sha256', Buffer.from(input), {
        key: SHORT.privateKey,
        padding,
        ...(algorithm === 'PS256' ? { saltLength: constants.RSA_PSS_SALTLEN_DIGEST } : {}),
      });
      const imported = await key?.import(algorithm);
      if (imported === undefined) throw new Error('the key was not imported');
      const token = `${input}.${made.toString('base64url')}`;
      expect(await isSignedBy(token, imported, algorithm), algorithm).to.equal(true);
      made[100] = (made[100] ?? 0) ^ 1;
      const forged = `${input}.${made.toString('base64url')}`;
      expect(await isSignedBy(forged, imported, algorithm), algorithm).to.equal(false);
    }
  });

  it('is skipped with its name and the reason', () => {
    const good = rsa(2048);
    const modulus = Buffer.from(good['n'] as string, 'base64url');
    const ec = { kty: 'EC', crv: 'P-256', x: 'AQ', y: 'AQ', kid: 'e' };
    const table: readonly [jwk: unknown, why: string][] = [
      [
        { ...good, alg: 'RSA' },
        'key "k": its "alg" is "RSA"; a key of type RSA signs with RS256, RS384, RS512, PS256, PS384, PS512',
      ],
      [{ ...ec, alg: 'RS256' }, 'key "e": its "alg" is "RS256"; a key of type EC P-256 signs with ES256'],
      [
        { ...good, n: Buffer.concat([Buffer.of(251), modulus.subarray(1)]).toString('base64') },
        'key "k": its "n" is not base64url but ordinary base64 or padded',
      ],
      [{ ...good, n: 'a b' }, 'key "k": its "n" is not base64url but something else'],
      [{ ...good, n: undefined }, 'key "k": it has no "n"'],
      [{ ...good, e: 'AQ' }, 'key "k": its exponent is not an odd number from 3 to 2^31-1'],
      [{ ...ec, y: undefined }, 'key "e": it has no "y"'],
      [
        { kty: 'oct', k: 'c2VjcmV0', kid: 's' },
        'key "s": it is a symmetric key, which must never be published',
      ],
      [{ kid: 'x\u202e' }, 'key "x\\u{202e}": it has no "kty"'],
      [null, 'key 8 of the set: it is not a JSON object'],
      [
        { ...good, kid: 7, alg: 'RSA' },
        'key 8 of the set: its "alg" is "RSA"; a key of type RSA signs with RS256, RS384, RS512, PS256, PS384, PS512',
      ],
      [{ ...good, use: 'enc' }, 'key "k": its "use" is "enc", not "sig" (not for us)'],
      [
        { ...good, alg: 'RSA-OAEP' },
        'key "k": its "alg" is "RSA-OAEP"; a key of type RSA signs with RS256, RS384, RS512, PS256, PS384, PS512 (not for us)',
      ],
      [{ ...good, key_ops: ['encrypt'] }, 'key "k": its "key_ops" do not hold "verify" (not for us)'],
      [
        { ...ec, crv: 'secp256k1' },
        'key "e": keys of type "EC" on the curve "secp256k1" are not understood (not for us)',
      ],
      [
        { kty: 'AKP', alg: 'ML-DSA-65', pub: 'AQ' },
        'key 8 of the set: keys of type "AKP" are not understood (not for us)',
      ],
    ];
    for (const [jwk, why] of table) expect(whyNot(jwk, 7)).to.equal(why);
  });

  it('does not become longer by zeros in front', () => {
    const key = rsa(1024);
    const modulus = Buffer.concat([Buffer.alloc(128), Buffer.from(key.n as string, 'base64url')]);
    expect(keyOf({ ...key, n: modulus.toString('base64url') })).to.equal(undefined);
  });

  it('is refused when it is too long to work with', () => {
    const modulus = Buffer.alloc(1025, 255).toString('base64url');
    expect(keyOf({ kty: 'RSA', e: 'AQAB', n: modulus })).to.equal(undefined);
  });

  it('is refused when its exponent makes no key, or one that is slow to use', () => {
    const key = rsa(2048);
    const withExponent = (hex: string): unknown =>
      keyOf({ ...key, e: Buffer.from(hex, 'hex').toString('base64url') });
    for (const good of ['03', '010001', '00010001', '7fffffff'])
      expect(withExponent(good), good).not.to.equal(undefined);
    for (const bad of ['', '00', '01', '0001', '02', '010000', '80000001', `7f${'ff'.repeat(200)}`])
      expect(withExponent(bad), bad).to.equal(undefined);
    for (const e of [undefined, null, 65_537, ['AQAB'], 'AQ==', '+', 'A'.repeat(3000)])
      expect(keyOf({ ...key, e }), JSON.stringify(e)).to.equal(undefined);
  });

  it('fits its own key id, and tokens without one', () => {
    const key = keyOf(rsa(2048));
    expect(key?.fits('RS256', 'k')).to.equal(true);
    expect(key?.fits('PS512', undefined)).to.equal(true);
    expect(key?.fits('RS256', 'other')).to.equal(false);
    expect(key?.fits('ES256', 'k')).to.equal(false);
  });

  it('fits only the algorithm that it names', () => {
    const key = keyOf({ ...rsa(2048), alg: 'RS384' });
    expect(key?.fits('RS384', 'k')).to.equal(true);
    expect(key?.fits('RS256', 'k')).to.equal(false);
  });

  it('is imported once for each algorithm, and is no key when its numbers are none', async () => {
    const key = keyOf(rsa(2048));
    expect(key?.import('RS256')).to.equal(key?.import('RS256'));
    expect((await key?.import('RS256'))?.handle.type).to.equal('public');
    const broken = keyOf({ kty: 'EC', crv: 'P-256', x: 'AQ', y: 'AQ' });
    expect(await broken?.import('ES256')).to.equal(undefined);
  });

  it('never comes with its secret', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const key = keyOf(privateKey.export({ format: 'jwk' }));
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
        const key = keyOf(value);
        for (const algorithm of ['RS256', 'ES256', 'EdDSA'] as const) {
          if (key?.fits(algorithm, undefined) === true) await key.import(algorithm);
        }
      }),
    );
  });
});
