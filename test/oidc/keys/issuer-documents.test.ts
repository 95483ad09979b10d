import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import type { Authenticator } from '../../../oidc/authenticate.ts';
import { IssuerFault } from '../../../oidc/keys/issuer-fault.ts';
import { TokenError } from '../../../oidc/core/token-error.ts';
import { emailDefinition } from '../../support/issuer-definitions.ts';
import { makeIssuerKey, startIssuer } from '../../support/oidc-issuer.ts';
import type { Misbehaviour, TestIssuer } from '../../support/oidc-issuer.ts';
import { createAuthenticator } from '../../support/authenticator.ts';
import { failureOf } from '../../support/failure.ts';

const PERSON = { email: 'sue@example.com', email_verified: true };
const LATE = 'it took too long';
const BIG = ' '.repeat(600 * 1024);

describe("An issuer's documents", () => {
  let issuer: TestIssuer;
  let authenticator: Authenticator;

  /** Only what never comes is waited for in vain: a machine may be busy, and slow is no fault here. */
  const open = (timeout = 15_000): Authenticator =>
    createAuthenticator({ issuers: [emailDefinition(issuer.url)], clock: Date.now, timeout });
  beforeEach(async () => {
    issuer = await startIssuer();
    authenticator = open();
  });

  afterEach(async () => {
    await authenticator.close();
    await issuer.close();
  });

  const ask = async (): Promise<unknown> => authenticator.identify(await issuer.sign(PERSON));

  /** The reason for the client, and the sentence for the operator. */
  async function refusal(): Promise<[string, string]> {
    const error = await failureOf(ask);
    if (!(error instanceof TokenError) || !(error.cause instanceof IssuerFault)) throw error;
    expect(error.message).not.to.contain('127.0.0.1');
    return [error.code, error.cause.message];
  }

  /** What is wrong, with which document, how, the reason and a word of the operator's sentence. */
  const BAD: readonly (readonly [string, 'discovery' | 'jwks', Misbehaviour, string, string])[] = [
    ['missing discovery', 'discovery', { status: 404 }, 'ISSUER_UNREACHABLE', 'status 404'],
    ['discovery with another success', 'discovery', { status: 203 }, 'ISSUER_UNREACHABLE', 'status 203'],
    ['discovery that is no JSON', 'discovery', { raw: '<html>' }, 'ISSUER_METADATA_INVALID', 'not JSON'],
    ['discovery that is a list', 'discovery', { raw: '[]' }, 'ISSUER_METADATA_INVALID', 'not a JSON object'],
    ['discovery that is null', 'discovery', { raw: 'null' }, 'ISSUER_METADATA_INVALID', 'not a JSON object'],
    ['oversized discovery', 'discovery', { raw: BIG }, 'ISSUER_METADATA_INVALID', 'more than 262144 bytes'],
    [
      'discovery for another issuer',
      'discovery',
      { patch: { issuer: 'https://accounts.google.com' } },
      'ISSUER_METADATA_INVALID',
      'speaks for "https://accounts.google.com", not for "http://127.0.0.1',
    ],
    [
      'discovery for nobody',
      'discovery',
      { patch: { issuer: undefined } },
      'ISSUER_METADATA_INVALID',
      'speaks for none, not for "http://127.0.0.1',
    ],
    [
      'discovery without keys',
      'discovery',
      { patch: { jwks_uri: undefined } },
      'ISSUER_METADATA_INVALID',
      'no HTTPS "jwks_uri": what is there is none',
    ],
    [
      'discovery with keys at a relative address',
      'discovery',
      { patch: { jwks_uri: '/jwks' } },
      'ISSUER_METADATA_INVALID',
      'no HTTPS "jwks_uri": what is there is "/jwks"',
    ],
    [
      'discovery with a password in the address of keys',
      'discovery',
      { patch: { jwks_uri: 'https://user:secret@issuer.example/jwks' } },
      'ISSUER_METADATA_INVALID',
      'what is there is "https://…@issuer.example/jwks"',
    ],
    [
      'discovery with keys in a file',
      'discovery',
      { patch: { jwks_uri: 'file:///etc/passwd' } },
      'ISSUER_METADATA_INVALID',
      'jwks_uri',
    ],
    [
      'discovery with keys at an endless address',
      'discovery',
      { patch: { jwks_uri: `https://example.com/${'a'.repeat(100_000)}` } },
      'ISSUER_METADATA_INVALID',
      'no HTTPS "jwks_uri"',
    ],
    [
      'discovery with algorithms that are no list',
      'discovery',
      { patch: { id_token_signing_alg_values_supported: 'ES256' } },
      'ISSUER_METADATA_INVALID',
      'no list of algorithms',
    ],
    ['discovery that never ends', 'discovery', { stall: true }, 'ISSUER_UNREACHABLE', LATE],
    [
      'discovery that never begins',
      'discovery',
      { until: new Promise(() => undefined) },
      'ISSUER_UNREACHABLE',
      LATE,
    ],
    ['keys that are no JSON', 'jwks', { raw: '{' }, 'ISSUER_METADATA_INVALID', 'not JSON'],
    ['keys that are no list', 'jwks', { patch: { keys: {} } }, 'ISSUER_METADATA_INVALID', 'list of keys'],
    ['oversized keys', 'jwks', { raw: BIG }, 'ISSUER_METADATA_INVALID', 'more than 524288 bytes'],
    [
      'too many keys',
      'jwks',
      { patch: { keys: Array(101).fill({}) } },
      'ISSUER_METADATA_INVALID',
      'more than 100 keys',
    ],
    ['keys that never end', 'jwks', { stall: true }, 'ISSUER_UNREACHABLE', LATE],
  ];

  for (const [what, document, how, reason, words] of BAD) {
    it(`are refused: ${what}`, async () => {
      Object.assign(issuer[document], how);
      if (words === LATE) {
        await authenticator.close();
        authenticator = open(500);
      }
      const [code, sentence] = await refusal();
      expect(code).to.equal(reason);
      expect(sentence).to.contain(words);
    });
  }

  it('may move on the same host', async () => {
    issuer.discovery.redirect = '/moved/discovery';
    issuer.jwks.redirect = `${issuer.url}/moved/jwks`;
    await ask();
    expect(issuer.requests).to.deep.equal({ discovery: 1, jwks: 1, other: 2 });
  });

  it('may not move in circles', async () => {
    issuer.discovery.redirect = '/.well-known/openid-configuration';
    expect(await refusal()).to.deep.equal([
      'ISSUER_METADATA_INVALID',
      `${issuer.url}/.well-known/openid-configuration redirects more than 5 times`,
    ]);
    expect(issuer.requests.discovery).to.equal(6);
  });

  describe('that move to another host', () => {
    let other: Server;
    let asked: number;
    let target: string;

    beforeEach(async () => {
      asked = 0;
      other = createServer((_request, response) => {
        asked++;
        response.end('{}');
      });
      await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
      target = `http://127.0.0.1:${(other.address() as AddressInfo).port}/`;
    });

    afterEach(() => new Promise((resolve) => other.close(resolve)));

    for (const document of ['discovery', 'jwks'] as const) {
      it(`are not followed: ${document}`, async () => {
        issuer[document].redirect = target;
        const [code, sentence] = await refusal();
        expect(code).to.equal('ISSUER_METADATA_INVALID');
        expect(sentence).to.contain('another host');
        expect(asked).to.equal(0);
      });
    }

    it('are not followed under any of its names or schemes', async () => {
      for (const redirect of [
        '//example.invalid/',
        'https://127.0.0.1/',
        'file:///etc/passwd',
        'http://[',
        'data:,{}',
      ]) {
        const door = createAuthenticator({ issuers: [emailDefinition(issuer.url)], clock: Date.now });
        issuer.discovery.redirect = redirect;
        const [warning] = await door.start();
        expect(warning?.sentence, redirect).to.contain('another host');
        await door.close();
      }
    });
  });

  describe('with keys at another host', () => {
    for (const host of ['localhost', '[::1]', '[::ffff:127.0.0.1]', '127.0.0.2', '0.0.0.0', '0x7f.1.2']) {
      it(`are refused when that is ${host}, and it is not asked`, async () => {
        issuer.discovery.patch = { jwks_uri: issuer.url.replace('127.0.0.1', host) + '/jwks' };
        const error = (await failureOf(ask)) as TokenError;
        expect(error.code).to.equal('ISSUER_METADATA_INVALID');
        expect((error.cause as Error).message).to.contain('no public address');
        expect(issuer.requests).to.deep.equal({ discovery: 1, jwks: 0, other: 0 });
      });
    }
  });

  it('are fetched from another host with a private address when the operator names it', async () => {
    const door = createAuthenticator({
      issuers: [emailDefinition(issuer.url, { jwksHosts: ['LocalHost', '[::1]'] })],
      clock: Date.now,
    });
    issuer.discovery.patch = { jwks_uri: `${issuer.url.replace('127.0.0.1', 'localhost')}/jwks` };
    expect(await door.start()).to.deep.equal([]);
    expect(issuer.requests).to.deep.equal({ discovery: 1, jwks: 1, other: 0 });
    await door.close();
  });

  it('are not fetched with a user that the issuer made up', async () => {
    issuer.discovery.patch = { jwks_uri: issuer.url.replace('//', '//user:pass@') + '/jwks' };
    expect(((await failureOf(ask)) as TokenError).code).to.equal('ISSUER_METADATA_INVALID');
    expect(issuer.requests.jwks).to.equal(0);
  });

  it('are asked for where the URL ends, with and without a slash', async () => {
    const slashed = await startIssuer({ path: '/tenant/' });
    const door = createAuthenticator({ issuers: [emailDefinition(slashed.url)], clock: Date.now });
    await door.identify(await slashed.sign(PERSON));
    expect(slashed.requests).to.deep.equal({ discovery: 1, jwks: 1, other: 0 });
    await door.close();
    await slashed.close();
  });

  it('announce RS256 alone when they announce nothing', async () => {
    const silent = await startIssuer({ alg: 'RS256', algorithms: null });
    const door = createAuthenticator({ issuers: [emailDefinition(silent.url)], clock: Date.now });
    await door.identify(await silent.sign(PERSON));
    const error = await failureOf(async () =>
      door.identify(await silent.sign(PERSON, { key: await makeIssuerKey('ES256') })),
    );
    expect(error).to.include({ code: 'ALGORITHM_REFUSED' });
    expect((error as TokenError).hint).to.contain('announces no algorithm, which means RS256 alone');
    await door.close();
    await silent.close();
  });

  it('never make a symmetric algorithm usable', async () => {
    const odd = await startIssuer({ algorithms: ['HS256', 'none'] });
    const door = createAuthenticator({ issuers: [emailDefinition(odd.url)], clock: Date.now });
    const error = await failureOf(async () => door.identify(await odd.sign(PERSON)));
    expect(error).to.include({ code: 'ALGORITHM_REFUSED' });
    await door.close();
    await odd.close();
  });

  it('may hold many keys of one name, of which only the first few are tried', async () => {
    const others = await Promise.all(
      Array.from({ length: 10 }, () => makeIssuerKey('ES256', issuer.key.kid)),
    );
    const otherKeys = others.map((key) => key.publicJwk);
    issuer.jwks.patch = { keys: [...otherKeys.slice(1), issuer.key.publicJwk] };
    await ask();
    await authenticator.close();
    authenticator = createAuthenticator({ issuers: [emailDefinition(issuer.url)], clock: Date.now });
    issuer.jwks.patch = { keys: [...otherKeys, issuer.key.publicJwk] };
    expect(await failureOf(ask)).to.include({ code: 'TOKEN_SIGNATURE_INVALID' });
  });

  it('may hold keys that are of no use here', async () => {
    const { publicJwk } = issuer.key;
    const weak = {
      kty: 'RSA',
      kid: 'weak',
      alg: 'ES256',
      e: 'AQAB',
      n: Buffer.alloc(128, 255).toString('base64url'),
    };
    const useless: unknown[] = [
      null,
      'key',
      {},
      weak,
      { kty: 'oct', kid: 'x', k: 'c2VjcmV0' },
      { kty: 'EC', crv: 'secp256k1', x: publicJwk.x, y: publicJwk.y },
      { ...publicJwk, use: 'enc' },
      { ...publicJwk, key_ops: ['encrypt'] },
      { ...publicJwk, alg: 'ECDH-ES' },
      { ...publicJwk, x: publicJwk.y },
      { ...publicJwk, kty: ['EC'] },
    ];
    issuer.jwks.patch = { keys: useless };
    expect(await failureOf(ask)).to.be.instanceOf(TokenError);
    issuer.jwks.patch = { keys: [...useless, publicJwk] };
    await authenticator.close();
    authenticator = createAuthenticator({ issuers: [emailDefinition(issuer.url)], clock: Date.now });
    await ask();
  });
});
