/**
 * Keys with which anybody can sign: points of small order and other spellings of a point, moduli that anybody can take
 * apart. Refused wherever a key comes from: clients, issuers, logs, witnesses, chains.
 */
import { createPublicKey, generatePrimeSync, getDiffieHellman, verify } from 'node:crypto';
import { expect } from 'chai';
import type { JWK } from 'jose';
import { platformCrypto } from '../../cli/verify/platform-crypto.ts';
import { fromHex, toBase64 } from '../../core/bytes.ts';
import * as der from '../../core/der-writer.ts';
import { FormatError } from '../../core/errors.ts';
import { encodePem } from '../../core/pem.ts';
import { makeVkey, parseVkey } from '../../tlog/format/vkey.ts';
import { readVerificationKey, VerificationKey } from '../../oidc/keys/verification-key.ts';
import { anything } from '../../verify/identity-policy.ts';
import { verifyCertificate } from '../../verify/verify-certificate.ts';
import { VerifyError } from '../../verify/verify-error.ts';
import { makeIssuerKey, type IssuerKey } from '../support/oidc-issuer.ts';
import { bytesOf, F4, numberOf, signOpenly, type OpenRsa } from '../support/open-rsa.ts';
import { sha256 } from '../support/parsers.ts';
import { rawToken } from '../support/raw-token.ts';
import { bodyV2, clientKey, post, refusalOf } from '../support/test-service.ts';
import { KEYS, makeWorld, type TestKey } from '../support/verify-world.ts';
import { outcomeOf } from './support/attack.ts';
import { startWorld, type World } from './support/world.ts';
import { failureOf } from '../support/failure.ts';

/** One of each order, with either sign, and second spellings of two of them. */
const POINTS: readonly string[] = [
  `01${'00'.repeat(31)}`,
  `01${'00'.repeat(30)}80`,
  `ec${'ff'.repeat(30)}7f`,
  '00'.repeat(32),
  `${'00'.repeat(31)}80`,
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa',
  `ed${'ff'.repeat(30)}7f`,
  `ee${'ff'.repeat(30)}ff`,
];
/** Holds on OpenSSL 3.0 for any text and the first of them: R is that point and S is nothing. */
const FOR_ANYTHING = Buffer.from(`01${'00'.repeat(63)}`, 'hex');

const ed25519Spki = (point: string): Uint8Array =>
  der.sequence(der.sequence(der.oid('1.3.101.112')), der.bitString(fromHex(point)));

const PRIME = numberOf(getDiffieHellman('modp14').getPrime());
const COFACTOR = generatePrimeSync(2038, { bigint: true });
const OPEN: readonly OpenRsa[] = [
  { what: 'a prime number', modulus: PRIME, order: PRIME - 1n },
  { what: 'a prime number times 757', modulus: COFACTOR * 757n, order: (COFACTOR - 1n) * 756n },
];

describe('hostile: keys that anybody can use', () => {
  let world: World;
  before(
    async () =>
      (world = await startWorld({ issuer: { alg: 'ES256', algorithms: ['RS256', 'ES256', 'EdDSA'] } })),
  );
  after(() => world.close());

  const payload = (): string =>
    JSON.stringify({
      iss: world.issuer.url,
      aud: 'sigstore',
      sub: 's',
      exp: Math.floor(Date.now() / 1000) + 300,
      email: 'alice@example.com',
      email_verified: true,
    });

  /** Publishes a key that has no private half. */
  async function publish(jwk: JWK, alg: string): Promise<void> {
    const key: IssuerKey = await makeIssuerKey('ES256');
    world.issuer.published.splice(1);
    world.issuer.published.push({ ...key, alg, kid: jwk.kid ?? '', publicJwk: jwk });
    world.service.skew += 1000 * 60 * 60;
  }

  for (const [i, point] of POINTS.entries()) {
    it(`no issuer signs with ${point.slice(0, 8)}…${point.slice(-2)}`, async () => {
      const jwk = { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(point, 'hex').toString('base64url') };
      expect(readVerificationKey(jwk, 0)).to.not.be.instanceOf(VerificationKey);
      if (i > 0) return;
      await publish({ ...jwk, kid: 'small' }, 'EdDSA');
      const token = rawToken({ alg: 'EdDSA', kid: 'small' }, payload(), FOR_ANYTHING.toString('base64url'));
      expect(await outcomeOf(world, token)).to.equal('KEY_UNUSABLE');
    });

    it(`no client, log or witness does either`, async () => {
      const pem = encodePem('PUBLIC KEY', ed25519Spki(point));
      const token = await world.honest();
      const proof = FOR_ANYTHING.toString('base64');
      const response = await post(
        `${world.service.url}/api/v2/signingCert`,
        bodyV2(token, { ...clientKey(), pem, proof }),
      );
      expect((await refusalOf(response)).details[0].reason).to.equal('KEY_MALFORMED');
      for (const type of ['ed25519', 'cosignature'] as const)
        expect(() => makeVkey(sha256, 'log', type, fromHex(point))).to.throw(FormatError);
      const vkey = `log+00000000+${toBase64(Uint8Array.of(1, ...fromHex(point)))}`;
      expect(() => parseVkey(sha256, vkey)).to.throw(FormatError, /Ed25519/);
    });
  }

  it('makes no log to be trusted, and no CA', async () => {
    const { trust, certificate } = makeWorld();
    const [log] = trust.logs;
    if (log === undefined) throw new Error('no log');
    const policy = { identity: anything, issuer: anything };
    const open = { ...log, ed25519PublicKey: fromHex(POINTS[0] ?? '') };
    const failure: unknown = await failureOf(
      verifyCertificate({
        certificate,
        policy,
        crypto: platformCrypto,
        trust: { ...trust, logs: [open] },
      }),
    );
    expect(failure).to.be.instanceOf(VerifyError).with.property('code', 'BAD_TRUST');
    const key: TestKey = { ...KEYS.ed25519, spki: ed25519Spki(POINTS[0] ?? '') };
    const bent = makeWorld({
      intermediate: (plan) => ({ ...plan, key }),
      leaf: (plan) => ({ ...plan, signer: KEYS.ed25519 }),
    });
    const answer = await verifyCertificate({ ...bent, policy, crypto: platformCrypto });
    expect(answer.steps.find(({ ok }) => !ok)).to.include({ name: 'chain' });
    expect(answer.steps.find(({ ok }) => !ok)?.detail).to.include('small order');
  });

  it('would hold for OpenSSL, were they looked at by nobody else', () => {
    for (const open of OPEN) {
      const jwk = { kty: 'RSA', e: 'AQAB', n: bytesOf(open.modulus).toString('base64url') };
      const text = Buffer.from('anything');
      const key = createPublicKey({ key: jwk, format: 'jwk' });
      expect(verify('sha256', text, key, signOpenly(open, text)), open.what).to.equal(true);
    }
  });

  for (const open of OPEN) {
    it(`is no issuer's key when its modulus is ${open.what}`, async () => {
      const jwk = { kty: 'RSA', e: 'AQAB', n: bytesOf(open.modulus).toString('base64url'), kid: 'open' };
      await publish(jwk, 'RS256');
      const input = rawToken({ alg: 'RS256', kid: 'open' }, payload(), '').slice(0, -1);
      const signature = signOpenly(open, Buffer.from(input));
      for (let i = 0; i < 2; i++)
        expect(await outcomeOf(world, `${input}.${signature.toString('base64url')}`)).to.equal(
          'KEY_UNUSABLE',
        );
    });

    it(`is no client's key when its modulus is ${open.what}`, async () => {
      const numbers = der.sequence(
        der.unsignedInteger(bytesOf(open.modulus)),
        der.unsignedInteger(bytesOf(F4)),
      );
      const pem = encodePem('RSA PUBLIC KEY', numbers);
      const proof = signOpenly(open, Buffer.from('alice@example.com')).toString('base64');
      const size = world.service.log.status().size;
      const response = await post(
        `${world.service.url}/api/v2/signingCert`,
        bodyV2(await world.honest(), { ...clientKey(), pem, proof }),
      );
      const refusal = await refusalOf(response);
      expect(refusal.details[0].reason).to.equal('KEY_INSECURE');
      expect(world.service.log.status().size).to.equal(size);
    });
  }

  it('has no point beside its curve, for a client or an issuer', async () => {
    for (const [crv, alg, length] of [
      ['P-256', 'ES256', 32],
      ['P-384', 'ES384', 48],
      ['P-521', 'ES512', 66],
    ] as const) {
      for (const [x, y] of [
        [0, 0],
        [1, 1],
        [255, 255],
      ] as const) {
        const coordinate = (byte: number): string => Buffer.alloc(length, byte).toString('base64url');
        const key = readVerificationKey({ kty: 'EC', crv, x: coordinate(x), y: coordinate(y) }, 0);
        if (!(key instanceof VerificationKey)) throw new Error('the numbers are looked at on import');
        expect(await key.import(alg), `${crv} ${x}`).to.equal(undefined);
      }
    }
  });

  it('and an honest token goes through as before', async () => {
    expect(await outcomeOf(world, await world.honest())).to.equal('issued');
  });
});
