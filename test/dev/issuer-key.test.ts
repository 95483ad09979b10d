import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { importJWK, jwtVerify } from 'jose';
import { DevError } from '../../dev/dev-error.ts';
import { ensureIssuerKey, readIssuerKey } from '../../dev/issuer-key.ts';
import { emailClaims, mintToken } from '../../dev/mint-token.ts';
import { failureAs } from '../support/failure.ts';

describe('dev/issuer-key and dev/mint-token', () => {
  let directory: string;
  const defaults = { issuer: 'http://127.0.0.1:5556', audience: 'sigstore', ttlSeconds: 600 };
  const now = Date.UTC(2026, 10, 22, 10, 0, 0);

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'mayfly-key-'));
  });

  afterEach(async () => {
    await rm(directory, { recursive: true });
  });

  it('makes one key for one directory, also when two start at once', async () => {
    const [one, two] = await Promise.all([ensureIssuerKey(directory), ensureIssuerKey(directory)]);
    expect(one).to.deep.equal(two);
    expect(await ensureIssuerKey(directory)).to.deep.equal(one);
  });

  it('lets nobody else read it', async () => {
    await ensureIssuerKey(directory);
    expect((await stat(join(directory, 'dev', 'issuer.jwk.json'))).mode & 0o777).to.equal(0o600);
    expect((await stat(join(directory, 'dev'))).mode & 0o777).to.equal(0o700);
  });

  it('says what to run first when there is no development issuer', async () => {
    const error = await failureAs(DevError, readIssuerKey(directory));
    expect(error.code).to.equal('DEV_NOT_SET_UP');
    expect(error.hint).to.contain('npm start');
  });

  for (const content of [
    '',
    'null',
    '[]',
    '{',
    '{"kty":"EC"}',
    '{"kty":"RSA","alg":"RS256","kid":"x","d":"x"}',
  ]) {
    it(`refuses a key file that holds ${JSON.stringify(content)}`, async () => {
      await mkdir(join(directory, 'dev'));
      await writeFile(join(directory, 'dev', 'issuer.jwk.json'), content);
      const error = await failureAs(DevError, readIssuerKey(directory));
      expect(error.code).to.equal('DEV_KEY_UNUSABLE');
      expect(error.message).to.not.contain('"d"');
    });
  }

  it('fills in what a token must have and signs it with the key of the file', async () => {
    const jwk = await ensureIssuerKey(directory);
    const token = await mintToken(jwk, emailClaims('ada@example.com'), defaults, () => now);
    const stored = JSON.parse(await readFile(join(directory, 'dev', 'issuer.jwk.json'), 'utf8')) as object;
    const { n, e } = stored as { n: string; e: string };
    const key = await importJWK({ kty: 'RSA', n, e }, 'RS256');
    const { payload } = await jwtVerify(token, key, { currentDate: new Date(now) });
    expect(payload).to.deep.equal({
      iss: 'http://127.0.0.1:5556',
      aud: 'sigstore',
      iat: now / 1000,
      exp: now / 1000 + 600,
      sub: 'ada@example.com',
      email: 'ada@example.com',
      email_verified: true,
    });
  });

  it('keeps every claim that is given, also a wrong one', async () => {
    const jwk = await ensureIssuerKey(directory);
    const claims = { iss: 'https://other', aud: ['a', 'b'], exp: 1, iat: 2, sub: 'x', nested: { a: [1] } };
    const token = await mintToken(jwk, claims, defaults, () => now);
    const payload: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
    expect(payload).to.deep.equal(claims);
  });

  it('makes a token that has expired already when asked to', async () => {
    const jwk = await ensureIssuerKey(directory);
    const token = await mintToken(jwk, { sub: 'x' }, { ...defaults, ttlSeconds: -60 }, () => now);
    const payload = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as object;
    expect(payload).to.include({ exp: now / 1000 - 60, iat: now / 1000 - 60 });
  });

  it('refuses a time claim that is no number', async () => {
    const jwk = await ensureIssuerKey(directory);
    const error = await failureAs(
      DevError,
      mintToken(jwk, { exp: 'tomorrow' }, defaults, () => now),
    );
    expect(error.code).to.equal('CLAIMS_INVALID');
  });
});
