import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import fc from 'fast-check';
import { exportJWK } from 'jose';
import type { Authenticator } from '../../../oidc/authenticate.ts';
import { DefinitionError } from '../../../oidc/core/definition-error.ts';
import type { IssuerDefinition, StaticKeySet } from '../../../oidc/core/issuer-definition.ts';
import type { TokenError } from '../../../oidc/core/token-error.ts';
import { emailDefinition } from '../../support/issuer-definitions.ts';
import { makeIssuerKey, startIssuer } from '../../support/oidc-issuer.ts';
import type { IssuerKey, TestIssuer } from '../../support/oidc-issuer.ts';
import { createAuthenticator } from '../../support/authenticator.ts';

const inline = (...keys: readonly unknown[]): StaticKeySet => ({ kind: 'inline', jwks: { keys } });

describe('Keys that the operator hands over', () => {
  let issuer: TestIssuer;
  let directory: string;
  let open: Authenticator[];

  before(async () => {
    issuer = await startIssuer({ alg: 'RS256' });
    directory = await mkdtemp(join(tmpdir(), 'mayfly-keys-'));
  });

  beforeEach(() => (open = []));
  afterEach(() => Promise.all(open.map((authenticator) => authenticator.close())));

  after(async () => {
    await issuer.close();
    await rm(directory, { recursive: true });
  });

  const definitionOf = (staticKeys: StaticKeySet): IssuerDefinition =>
    emailDefinition(issuer.url, { staticKeys });

  function make(staticKeys: StaticKeySet, previous?: Authenticator): Authenticator {
    const made = createAuthenticator({ issuers: [definitionOf(staticKeys)], clock: Date.now, previous });
    open.push(made);
    return made;
  }

  async function outcome(authenticator: Authenticator, key?: IssuerKey): Promise<string> {
    const token = await issuer.sign({ email: 'sue@example.com', email_verified: true }, { key });
    return authenticator.identify(token).then(
      () => 'ok',
      (error: unknown) => (error as TokenError).code,
    );
  }

  function refusal(staticKeys: StaticKeySet): DefinitionError {
    try {
      make(staticKeys);
    } catch (error) {
      expect(error).to.be.instanceOf(DefinitionError);
      return error as DefinitionError;
    }
    throw new Error('the keys were taken');
  }

  it('verify tokens, and nobody is asked or warned of', async () => {
    const authenticator = make(inline(issuer.key.publicJwk));
    expect(await authenticator.start()).to.deep.equal([]);
    expect(await outcome(authenticator)).to.equal('ok');
    expect(await outcome(authenticator, await makeIssuerKey('RS256'))).to.equal('KEY_UNKNOWN');
    expect(await outcome(authenticator, await makeIssuerKey('RS256', issuer.key.kid))).to.equal(
      'TOKEN_SIGNATURE_INVALID',
    );
    expect(issuer.requests).to.deep.equal({ discovery: 0, jwks: 0, other: 0 });
  });

  it('say by themselves with which algorithms tokens may be signed', async () => {
    const [one, two] = [await makeIssuerKey('ES256'), await makeIssuerKey('EdDSA')];
    const authenticator = make(inline(one.publicJwk, two.publicJwk));
    expect(await outcome(authenticator, one)).to.equal('ok');
    expect(await outcome(authenticator, two)).to.equal('ok');
    expect(await outcome(authenticator)).to.equal('ALGORITHM_REFUSED');
    const anyRsa = { ...issuer.key.publicJwk, alg: undefined };
    expect(await outcome(make(inline(anyRsa)))).to.equal('ok');
  });

  it('come from a file, which another configuration reads again', async () => {
    const path = join(directory, 'jwks.json');
    const [one, two] = [await makeIssuerKey(), await makeIssuerKey()];
    await writeFile(path, JSON.stringify({ keys: [one.publicJwk] }));
    const old = make({ kind: 'file', path });
    expect(await outcome(old, one)).to.equal('ok');
    await writeFile(path, JSON.stringify({ keys: [two.publicJwk] }));
    expect(await outcome(old, two)).to.equal('KEY_UNKNOWN');
    const next = make({ kind: 'file', path }, old);
    expect(await outcome(next, two)).to.equal('ok');
    expect(await outcome(next, one)).to.equal('KEY_UNKNOWN');
  });

  it('count for every block of the issuer', async () => {
    const issuers = [
      definitionOf(inline(issuer.key.publicJwk)),
      emailDefinition(issuer.url, { audiences: ['b'] }),
    ];
    const authenticator = createAuthenticator({ issuers, clock: Date.now });
    open.push(authenticator);
    expect(await outcome(authenticator)).to.equal('ok');
    const other = await makeIssuerKey();
    const contradiction = [
      issuers[0],
      { ...issuers[1], staticKeys: inline(other.publicJwk) },
    ] as IssuerDefinition[];
    expect(() => createAuthenticator({ issuers: contradiction, clock: Date.now })).to.throw('different jwks');
  });

  describe('are refused', () => {
    it('when one of them is private, without a word of it', async () => {
      for (const alg of ['RS256', 'ES256', 'EdDSA']) {
        const { privateKey, publicJwk } = await makeIssuerKey(alg);
        const secret = await exportJWK(privateKey);
        const error = refusal(inline(publicJwk, { ...secret, kid: 'x' }));
        expect(error.message).to.contain('key 2 of the key set').and.contain('is a private key');
        expect(JSON.stringify([error.message, error.hint, error.metadata])).not.to.contain(secret.d);
      }
    });

    it('when one of them is symmetric', () => {
      for (const key of [{ kty: 'oct', k: 'c2VjcmV0' }, { kty: 'oct' }])
        expect(refusal(inline(key)).message).to.contain('is a symmetric key');
    });

    it('when there is none that can verify a token, or too many', async () => {
      const { publicJwk } = await makeIssuerKey('ES256');
      expect(refusal(inline()).message).to.contain('no key that can verify');
      expect(refusal(inline({ ...publicJwk, use: 'enc' }, { kty: 'EC', crv: 'P-192' })).message).to.contain(
        'no key',
      );
      expect(refusal(inline(...Array.from({ length: 101 }, () => publicJwk))).message).to.contain(
        'more than 100',
      );
    });

    it('when they are no key set', () => {
      for (const jwks of [null, [], {}, 'x', { keys: {} }, { keys: null }])
        expect(refusal({ kind: 'inline', jwks }).metadata.field).to.equal('jwks');
    });

    it('when their file cannot be read, is none, is too large or is no JSON', async () => {
      const large = join(directory, 'large.json');
      await writeFile(large, ' '.repeat(512 * 1024 + 1));
      const text = join(directory, 'text.json');
      await writeFile(text, '{"keys":[secret');
      const pipe = join(directory, 'pipe');
      execFileSync('mkfifo', [pipe]);
      const table: [string, string][] = [
        [join(directory, 'absent.json'), 'ENOENT'],
        [directory, 'is not a file'],
        [pipe, 'is not a file'],
        [large, 'more than 524288 bytes'],
        [text, 'is not JSON'],
      ];
      for (const [path, words] of table) {
        const error = refusal({ kind: 'file', path });
        expect(error.message).to.contain(path).and.contain(words).and.not.contain('secret');
        expect(error.metadata.field).to.equal('jwks-file');
      }
    });

    it('with nothing but a definition error, whatever they are', () => {
      const member = fc.constantFrom(
        'kty',
        'crv',
        'n',
        'e',
        'x',
        'y',
        'alg',
        'use',
        'key_ops',
        'kid',
        '__proto__',
      );
      const value = fc.oneof(
        fc.constantFrom('RSA', 'EC', 'OKP', 'P-256', 'Ed25519', 'AQAB', 'sig'),
        fc.jsonValue(),
      );
      const jwk = fc.oneof(fc.jsonValue(), fc.dictionary(member, value));
      fc.assert(
        fc.property(fc.array(jwk, { maxLength: 4 }), (keys) => {
          try {
            make(inline(...keys));
          } catch (error) {
            expect(error).to.be.instanceOf(DefinitionError);
          }
        }),
      );
    });
  });
});
