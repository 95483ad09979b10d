import { createHmac } from 'node:crypto';
import { expect } from 'chai';
import { exportSPKI, importJWK } from 'jose';
import { AudienceChoice } from '../../oidc/audience-choice.ts';
import type { Authenticator } from '../../oidc/authenticate.ts';
import { IssuerKeys } from '../../oidc/keys/issuer-keys.ts';
import { createDocumentFetcher } from '../../oidc/keys/fetch-document.ts';
import { parseToken } from '../../oidc/token.ts';
import { TokenError } from '../../oidc/core/token-error.ts';
import { verifyToken } from '../../oidc/verify-token.ts';
import { emailDefinition } from '../support/issuer-definitions.ts';
import { makeIssuerKey, startIssuer } from '../support/oidc-issuer.ts';
import type { SignOptions, TestIssuer } from '../support/oidc-issuer.ts';
import { rawToken, tokenPart } from '../support/raw-token.ts';
import { createAuthenticator } from '../support/authenticator.ts';
import { failureOf } from '../support/failure.ts';

const NOW = Date.UTC(2026, 10, 22, 10);
const SECONDS = NOW / 1000;
const SIGSTORE = new AudienceChoice([{ name: 'one', audiences: ['sigstore'], leeway: 0 }]);
const PERSON = { email: 'sue@example.com', email_verified: true };

describe('Verifying a token', () => {
  let issuer: TestIssuer;
  let authenticator: Authenticator;

  before(async () => {
    issuer = await startIssuer({ alg: 'RS256', algorithms: ['RS256', 'PS256', 'HS256', 'none'] });
    authenticator = createAuthenticator({ issuers: [emailDefinition(issuer.url)], clock: () => NOW });
  });

  after(async () => {
    await authenticator.close();
    await issuer.close();
  });

  const sign = (claims: Readonly<Record<string, unknown>> = {}, options: SignOptions = {}): Promise<string> =>
    issuer.sign({ ...PERSON, ...claims }, { now: NOW, ...options });

  async function refusal(token: string): Promise<TokenError> {
    const error = await failureOf(() => authenticator.identify(token));
    expect(error).to.be.instanceOf(TokenError);
    return error as TokenError;
  }

  describe('takes', () => {
    const good: readonly (readonly [string, Record<string, unknown>, SignOptions?])[] = [
      ['a token as issuers give it', {}],
      ['a token without a key id', {}, { header: { kid: undefined } }],
      ['a token with an empty key id', {}, { header: { kid: '' } }],
      ['an audience in a list', { aud: ['other', 'sigstore'] }],
      ['a token that expires within the second', { exp: SECONDS + 0.001 }],
      ['a token that is valid from in five minutes', { nbf: SECONDS + 300 }],
      ['a token issued in the future', { iat: SECONDS + 86_400 }],
      [
        'a header that points at other keys',
        {},
        { header: { jku: 'http://127.0.0.1:1/', x5u: 'http://127.0.0.1:1/' } },
      ],
    ];
    for (const [what, claims, options] of good) {
      it(what, async () => {
        const { principal } = await authenticator.identify(await sign(claims, options));
        expect(principal.challenge).to.equal('sue@example.com');
      });
    }
  });

  it('names what was certain of a refused token, and nothing before its signature was', async () => {
    const certainOf = async (claims: Readonly<Record<string, unknown>>, options: SignOptions = {}) =>
      (await refusal(await sign(claims, options))).certain;
    const issuerBlock = emailDefinition(issuer.url).name;
    expect(await certainOf({}, { key: await makeIssuerKey() })).to.equal(undefined);
    expect(await certainOf({ aud: 'other' })).to.deep.equal({ issuer: issuer.url, issuerBlock: undefined });
    for (const claims of [{ exp: SECONDS - 1 }, { nbf: SECONDS + 900 }, { email: undefined }])
      expect(await certainOf(claims)).to.deep.equal({ issuer: issuer.url, issuerBlock });
  });

  it('refuses an expired token and says how long ago', async () => {
    const error = await refusal(await sign({ exp: SECONDS - 250 }));
    expect(error.code).to.equal('TOKEN_EXPIRED');
    expect(error.message).to.equal("the token expired 4 min ago by the server's clock");
  });

  it('allows an expiry no leeway', async () => {
    expect((await refusal(await sign({ exp: SECONDS }))).code).to.equal('TOKEN_EXPIRED');
  });

  it('refuses a token that is valid only later', async () => {
    const error = await refusal(await sign({ nbf: SECONDS + 301 }));
    expect(error.code).to.equal('TOKEN_NOT_YET_VALID');
    expect(error.message).to.contain('in 5 min');
  });

  it('refuses another audience and names both', async () => {
    const error = await refusal(await sign({ aud: 'https://github.com/octo-org' }));
    expect(error.code).to.equal('AUDIENCE_MISMATCH');
    expect(error.message).to.equal(
      'the token is for "https://github.com/octo-org", this issuer wants "sigstore"',
    );
  });

  it('compares an audience whole, and exactly', async () => {
    for (const aud of [
      'Sigstore',
      'sigstore ',
      'sigstore,other',
      'sigst',
      [],
      [['sigstore']],
      { sigstore: true },
      null,
      1,
    ]) {
      expect((await refusal(await sign({ aud }))).code, JSON.stringify(aud)).to.equal('AUDIENCE_MISMATCH');
    }
    expect((await refusal(await sign({}, { without: ['aud'] }))).code).to.equal('AUDIENCE_MISMATCH');
  });

  it('does not repeat an endless audience', async () => {
    const error = await refusal(await sign({ aud: 'x'.repeat(5000) }));
    expect(error.message.length).to.be.lessThan(400);
  });

  it('refuses a token that never expires', async () => {
    expect((await refusal(await sign({}, { without: ['exp'] }))).code).to.equal('CLAIM_MISSING');
  });

  it('refuses times that are not numbers', async () => {
    for (const time of ['1', '', null, true, [SECONDS + 60], {}, 1e13, -1e13, 1e300, 3.2e19]) {
      const expiry = await refusal(await rawSigned({ exp: time }));
      const start = await refusal(await rawSigned({ nbf: time }));
      expect([expiry.code, start.code], JSON.stringify(time)).to.deep.equal([
        'CLAIM_INVALID',
        'CLAIM_INVALID',
      ]);
    }
  });

  // jose's own signer looks at the times.
  async function rawSigned(claims: Record<string, unknown>): Promise<string> {
    const payload = { iss: issuer.url, aud: 'sigstore', sub: 's', exp: SECONDS + 60, ...PERSON, ...claims };
    const input = `${tokenPart({ alg: 'RS256', kid: issuer.key.kid })}.${tokenPart(payload)}`;
    const signature = await crypto.subtle.sign(
      'RSASSA-PKCS1-v1_5',
      issuer.key.privateKey,
      Buffer.from(input),
    );
    return `${input}.${Buffer.from(signature).toString('base64url')}`;
  }

  it('refuses a subject that is not text', async () => {
    expect((await refusal(await rawSigned({ sub: 7 }))).code).to.equal('CLAIM_INVALID');
  });

  it('refuses an issuer that nobody configured, and does not repeat it', async () => {
    for (const iss of ['https://evil.example', `${issuer.url}/`, issuer.url.toUpperCase(), '__proto__']) {
      const error = await refusal(await sign({ iss }));
      expect(error.code).to.equal('ISSUER_UNKNOWN');
      expect(`${error.message}${error.hint ?? ''}`).not.to.contain(iss);
    }
  });

  it('refuses a token that was changed after it was signed, and says nothing of its claims', async () => {
    const [header = '', payload = '', signature = ''] = (await sign({ aud: 'other' })).split('.');
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>;
    const error = await refusal(
      `${header}.${tokenPart({ ...claims, email: 'eve@example.com' })}.${signature}`,
    );
    expect(error.code).to.equal('TOKEN_SIGNATURE_INVALID');
    expect(JSON.stringify([error.message, error.hint, error.metadata])).not.to.match(/eve|other/);
  });

  it("refuses a key that is not the issuer's, under its key id and under others", async () => {
    const key = await makeIssuerKey('RS256', issuer.key.kid);
    expect((await refusal(await sign({}, { key }))).code).to.equal('TOKEN_SIGNATURE_INVALID');
    for (const kid of ['other', '../../etc/passwd', "' OR 1=1 --", '__proto__', 'constructor']) {
      expect((await refusal(await sign({}, { key, header: { kid } }))).code, kid).to.equal('KEY_UNKNOWN');
    }
  });

  it('does not believe a key that the token brings along', async () => {
    const key = await makeIssuerKey('RS256', 'mine');
    const token = await sign({}, { key, header: { jwk: key.publicJwk, jku: 'http://127.0.0.1:1/jwks' } });
    expect((await refusal(token)).code).to.equal('KEY_UNKNOWN');
    const unnamed = await sign({}, { key, header: { kid: undefined, jwk: key.publicJwk } });
    expect((await refusal(unnamed)).code).to.equal('TOKEN_SIGNATURE_INVALID');
  });

  it('does not take the public key for a shared secret', async () => {
    const publicKey = await importJWK(issuer.key.publicJwk, 'RS256');
    const secret = await exportSPKI(publicKey as CryptoKey);
    const input = `${tokenPart({ alg: 'HS256', kid: issuer.key.kid })}.${tokenPart({ iss: issuer.url })}`;
    const signature = createHmac('sha256', secret).update(input).digest('base64url');
    expect((await refusal(`${input}.${signature}`)).code).to.equal('ALGORITHM_REFUSED');
  });

  it('refuses an algorithm that the issuer does not announce, and says what it announces', async () => {
    const key = await makeIssuerKey('ES256', issuer.key.kid);
    const error = await refusal(await sign({}, { key }));
    expect(error.code).to.equal('ALGORITHM_REFUSED');
    expect(error.hint).to.contain('RS256, PS256');
  });

  it('does not use a key for an algorithm other than its own', async () => {
    // The key says RS256; PS256 is announced too.
    const token = rawToken({ alg: 'PS256', kid: issuer.key.kid }, { iss: issuer.url });
    const error = await refusal(token);
    expect(error.code).to.equal('KEY_UNKNOWN');
    expect(error.message).to.contain('by PS256 with a key that its issuer publishes for RS256');
  });

  it('refuses a token of another issuer even if the keys of this one verify it', async () => {
    const fetcher = createDocumentFetcher();
    const clock = (): number => NOW;
    const keys = new IssuerKeys({ issuer: issuer.url, fetch: fetcher.fetch, clock });
    for (const url of ['https://other.example', `${issuer.url}/`]) {
      const policy = { url, issuerBlocks: SIGSTORE, keys, clock };
      const error = await failureOf(async () => verifyToken(parseToken(await sign()), policy));
      expect(error).to.be.instanceOf(TokenError).with.property('code', 'ISSUER_UNKNOWN');
    }
    await fetcher.close();
  });

  it('takes every algorithm that an issuer may announce', async () => {
    for (const alg of [
      'RS256',
      'RS384',
      'RS512',
      'PS256',
      'PS384',
      'PS512',
      'ES256',
      'ES384',
      'ES512',
      'EdDSA',
    ]) {
      const other = await startIssuer({ alg });
      const door = createAuthenticator({ issuers: [emailDefinition(other.url)], clock: Date.now });
      expect((await door.identify(await other.sign(PERSON))).principal.challenge, alg).to.equal(
        'sue@example.com',
      );
      await door.close();
      await other.close();
    }
  });
});
