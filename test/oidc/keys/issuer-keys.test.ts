import { expect } from 'chai';
import type { Authenticator } from '../../../oidc/authenticate.ts';
import type { DocumentFetcher } from '../../../oidc/keys/fetch-document.ts';
import { RESERVED_PER_ISSUER, MAX_WAITING, MAX_WAITING_IN_ALL } from '../../../oidc/keys/wait-limit.ts';
import { MAX_AGE, RETRY_INTERVAL, STALE_AGE } from '../../../oidc/keys/issuer-keys.ts';
import { TokenError } from '../../../oidc/core/token-error.ts';
import type { IssuerWarning } from '../../../oidc/core/issuer-warning.ts';
import { emailDefinition } from '../../support/issuer-definitions.ts';
import { makeIssuerKey, startIssuer } from '../../support/oidc-issuer.ts';
import type { IssuerKey, SignOptions, TestIssuer } from '../../support/oidc-issuer.ts';
import { tokenPart } from '../../support/raw-token.ts';
import { createAuthenticator } from '../../support/authenticator.ts';
import { failureOf } from '../../support/failure.ts';

const MINUTE = 60_000;

describe("An issuer's keys", () => {
  let now: number;
  let issuer: TestIssuer;
  let authenticator: Authenticator;
  let warnings: IssuerWarning[];

  beforeEach(async () => {
    now = Date.UTC(2026, 10, 22, 10);
    issuer = await startIssuer();
    warnings = [];
    authenticator = createAuthenticator({
      issuers: [emailDefinition(issuer.url)],
      clock: () => now,
      warn: (warning) => warnings.push(warning),
    });
  });

  afterEach(async () => {
    await authenticator.close();
    await issuer.close();
  });

  const sign = (options: SignOptions = {}): Promise<string> =>
    issuer.sign({ email: 'sue@example.com', email_verified: true }, { now, ...options });

  /** "ok", or the reason of the refusal. */
  async function outcome(token: string): Promise<string> {
    try {
      await authenticator.identify(token);
      return 'ok';
    } catch (error) {
      expect(error).to.be.instanceOf(TokenError);
      return (error as TokenError).code;
    }
  }

  const ask = async (options: SignOptions = {}): Promise<string> => outcome(await sign(options));

  it('are fetched once for many tokens that come at once', async () => {
    const tokens = await Promise.all(Array.from({ length: 20 }, () => sign()));
    expect(new Set(await Promise.all(tokens.map(outcome)))).to.deep.equal(new Set(['ok']));
    expect(issuer.requests).to.deep.equal({ discovery: 1, jwks: 1, other: 0 });
  });

  it('are found at once when they are new', async () => {
    expect(await ask()).to.equal('ok');
    await issuer.rotate({ keep: true });
    expect(await ask()).to.equal('ok');
    expect(issuer.requests).to.deep.equal({ discovery: 1, jwks: 2, other: 0 });
  });

  it('are found at once when the key id stayed and the key changed', async () => {
    expect(await ask()).to.equal('ok');
    await issuer.rotate({ kid: issuer.key.kid });
    expect(await ask()).to.equal('ok');
  });

  it('cost an issuer one look for a storm of unknown key ids', async () => {
    expect(await ask()).to.equal('ok');
    const unpublished = await makeIssuerKey('ES256');
    const tokens = await Promise.all(
      Array.from({ length: 100 }, (_, i) => sign({ key: unpublished, header: { kid: `storm-${i}` } })),
    );
    const outcomes = await Promise.all(tokens.map(outcome));
    expect(new Set(outcomes)).to.deep.equal(new Set(['KEY_UNKNOWN']));
    expect(issuer.requests).to.deep.equal({ discovery: 1, jwks: 2, other: 0 });
  });

  it('cost one look and at most four connections for a storm of 10,000 unknown key ids, and hold up nobody', async () => {
    expect(await ask()).to.equal('ok');
    const unpublished = await makeIssuerKey('ES256');
    const [, payload, signature] = (await sign({ key: unpublished })).split('.');
    const tokens = Array.from({ length: 10_000 }, (_, i) =>
      [tokenPart({ alg: 'ES256', kid: `storm-${i}` }), payload, signature].join('.'),
    );
    // Once while the look is under way, and once after it.
    const seen = new Promise<void>((resolve) => (issuer.jwks.onRequest = resolve));
    let release: (value?: unknown) => void = () => undefined;
    issuer.jwks.until = new Promise((resolve) => (release = resolve));
    const first = Promise.all(tokens.slice(0, 5000).map(outcome));
    await seen;
    expect(await ask()).to.equal('ok');
    release();
    const outcomes = new Set([...(await first), ...(await Promise.all(tokens.slice(5000).map(outcome)))]);
    // Those beyond the limit are refused at once.
    expect([...outcomes].sort()).to.deep.equal(['ISSUER_UNREACHABLE', 'KEY_UNKNOWN']);
    expect(issuer.requests).to.deep.equal({ discovery: 1, jwks: 2, other: 0 });
    expect(issuer.connections).to.be.at.most(4);
    expect(await ask()).to.equal('ok');
  });

  it('that a look brings late do not bring back what a refresh has withdrawn', async () => {
    const withdrawn = issuer.key;
    expect(await ask()).to.equal('ok');
    const seen = new Promise<void>((resolve) => (issuer.jwks.onRequest = resolve));
    let release: (value?: unknown) => void = () => undefined;
    issuer.jwks.until = new Promise((resolve) => (release = resolve));
    const looking = ask({ key: await makeIssuerKey('ES256') });
    await seen;
    issuer.jwks.until = undefined;
    await issuer.rotate();
    now += MAX_AGE;
    expect(await ask()).to.equal('ok');
    release();
    expect(await looking).to.equal('KEY_UNKNOWN');
    expect(await ask({ key: withdrawn })).to.equal('KEY_UNKNOWN');
    expect(await ask()).to.equal('ok');
  });

  it('are looked for again only after the interval', async () => {
    const unpublished = await makeIssuerKey('ES256');
    expect(await ask()).to.equal('ok');
    expect(await ask({ key: unpublished })).to.equal('KEY_UNKNOWN');
    await issuer.rotate();
    now += RETRY_INTERVAL - 1;
    expect(await ask()).to.equal('KEY_UNKNOWN');
    now += 1;
    expect(await ask()).to.equal('ok');
  });

  it('are refreshed beside the work before they are old', async () => {
    expect(await ask()).to.equal('ok');
    now += 9 * MINUTE;
    const seen = new Promise<void>((resolve) => (issuer.discovery.onRequest = resolve));
    issuer.discovery.until = new Promise(() => undefined);
    expect(await ask()).to.equal('ok');
    await seen;
    expect(issuer.requests.discovery).to.equal(2);
  });

  it('are refused once they were withdrawn and have become old', async () => {
    const withdrawn = issuer.key;
    expect(await ask()).to.equal('ok');
    await issuer.rotate();
    now += MAX_AGE;
    expect(await ask({ key: withdrawn })).to.equal('KEY_UNKNOWN');
    expect(await ask()).to.equal('ok');
  });

  it('that were withdrawn do not come back with a late answer to a look for an unknown one', async () => {
    const withdrawn = issuer.key;
    const unpublished = await makeIssuerKey('ES256');
    expect(await ask()).to.equal('ok');
    let answer: (value: undefined) => void = () => undefined;
    issuer.jwks.until = new Promise<undefined>((resolve) => (answer = resolve));
    const looking = new Promise<void>((resolve) => (issuer.jwks.onRequest = resolve));
    const late = ask({ key: unpublished });
    await looking;
    issuer.jwks.until = undefined;
    await issuer.rotate();
    now += MAX_AGE;
    expect(await ask()).to.equal('ok');
    answer(undefined);
    expect(await late).to.equal('KEY_UNKNOWN');
    // Now only the remembered set shows that the key was withdrawn.
    await issuer.close();
    expect(await ask({ key: withdrawn })).to.equal('ISSUER_UNREACHABLE');
    expect(await ask()).to.equal('ok');
  });

  it('are not kept fresh by the key ids of untrusted callers', async () => {
    const unpublished = await makeIssuerKey('ES256');
    expect(await ask()).to.equal('ok');
    now += 7 * MINUTE;
    expect(await ask({ key: unpublished })).to.equal('KEY_UNKNOWN');
    now += MAX_AGE - 7 * MINUTE;
    expect(await ask()).to.equal('ok');
    expect(issuer.requests).to.deep.equal({ discovery: 2, jwks: 3, other: 0 });
  });

  it('serve while the issuer is down, for an hour', async () => {
    expect(await ask()).to.equal('ok');
    await issuer.close();
    now += MAX_AGE;
    expect(await ask()).to.equal('ok');
    now += STALE_AGE - MAX_AGE - 1;
    expect(await ask()).to.equal('ok');
    now += 1;
    expect(await ask()).to.equal('ISSUER_UNREACHABLE');
  });

  it('are fetched again when the issuer is back', async () => {
    expect(await ask()).to.equal('ok');
    await issuer.close();
    now += STALE_AGE;
    expect(await ask()).to.equal('ISSUER_UNREACHABLE');
    await issuer.listen();
    expect(await ask()).to.equal('ISSUER_UNREACHABLE');
    now += RETRY_INTERVAL;
    expect(await ask()).to.equal('ok');
  });

  it('are not asked for again and again while the issuer fails', async () => {
    issuer.jwks.status = 503;
    for (let i = 0; i < 5; i++) expect(await ask()).to.equal('ISSUER_UNREACHABLE');
    expect(issuer.requests).to.deep.equal({ discovery: 1, jwks: 1, other: 0 });
    now += RETRY_INTERVAL;
    issuer.jwks.status = undefined;
    expect(await ask()).to.equal('ok');
  });

  it('of an issuer that hangs hold only so many requests; the others are refused at once', async () => {
    let release: (value: undefined) => void = () => undefined;
    issuer.discovery.until = new Promise<undefined>((resolve) => (release = resolve));
    const tokens = await Promise.all(Array.from({ length: MAX_WAITING + 20 }, () => sign()));
    const outcomes = tokens.map(outcome);
    const first = await Promise.all(outcomes.slice(MAX_WAITING));
    expect(new Set(first)).to.deep.equal(new Set(['ISSUER_UNREACHABLE']));
    release(undefined);
    expect(new Set(await Promise.all(outcomes.slice(0, MAX_WAITING)))).to.deep.equal(new Set(['ok']));
  });

  it('of several issuers that hang leave one that answers its reserve, also for the first time', async () => {
    const hanging = await Promise.all([startIssuer(), startIssuer(), startIssuer()]);
    let release: (value: undefined) => void = () => undefined;
    const until = new Promise<undefined>((resolve) => (release = resolve));
    for (const one of hanging) one.discovery.until = until;
    const definitions = [issuer, ...hanging].map(({ url }) => emailDefinition(url));
    const door = createAuthenticator({ issuers: definitions, clock: () => now });
    const claims = { email: 'sue@example.com', email_verified: true };
    const tokens = await Promise.all(
      hanging.flatMap((one) => Array.from({ length: MAX_WAITING }, () => one.sign(claims, { now }))),
    );
    const codeOf = (error: unknown): string => (error as TokenError).code;
    const outcomes = tokens.map((token) => door.identify(token).then(() => 'ok', codeOf));
    const waiting = MAX_WAITING_IN_ALL + RESERVED_PER_ISSUER;
    const refused = await Promise.all(outcomes.slice(waiting));
    expect(new Set(refused)).to.deep.equal(new Set(['ISSUER_UNREACHABLE']));
    // Its keys are not known yet: it has to wait for them, though all others are waiting too.
    const good = await issuer.sign(claims, { now });
    expect((await door.identify(good)).principal.challenge).to.equal('sue@example.com');
    release(undefined);
    const waited = await Promise.all(outcomes.slice(0, waiting));
    expect(new Set(waited)).to.deep.equal(new Set(['ok']));
    // All of them have left the limit.
    const later = await Promise.all(tokens.slice(-MAX_WAITING).map((token) => door.identify(token)));
    expect(later).to.have.length(MAX_WAITING);
    await Promise.all([door.close(), ...hanging.map((one) => one.close())]);
  });

  describe('that a set does not hold any more', () => {
    const withdrawn = (): IssuerKey[] => issuer.published.splice(0);

    it('serve for an hour after an empty set, and the log has one line of it', async () => {
      expect(await ask()).to.equal('ok');
      withdrawn();
      now += MAX_AGE;
      for (let i = 0; i < 3; i++, now += RETRY_INTERVAL) expect(await ask()).to.equal('ok');
      expect(warnings.map(({ sentence }) => sentence)).to.deep.equal([
        `${issuer.url}/jwks holds no key any more that can verify a token; the keys of 10 min ago serve until they are 60 min old`,
      ]);
      now += STALE_AGE;
      expect(await ask()).to.equal('KEY_UNKNOWN');
    });

    it('are not taken away by a token with an unknown key id', async () => {
      const unpublished = await makeIssuerKey('ES256');
      expect(await ask()).to.equal('ok');
      const keys = withdrawn();
      expect(await ask({ key: unpublished })).to.equal('KEY_UNKNOWN');
      expect(issuer.requests.jwks).to.equal(2);
      expect(await ask()).to.equal('ok');
      expect(warnings).to.have.length(1);
      issuer.published.push(...keys);
      now += MAX_AGE;
      expect(await ask()).to.equal('ok');
    });

    it('are as good as none when all that are left are skipped', async () => {
      expect(await ask()).to.equal('ok');
      issuer.jwks.patch = { keys: [{ ...issuer.key.publicJwk, alg: 'RSA' }] };
      expect(await ask({ key: await makeIssuerKey('ES256') })).to.equal('KEY_UNKNOWN');
      expect(await ask()).to.equal('ok');
    });

    it('do not matter where there were none before', async () => {
      withdrawn();
      expect(await ask()).to.equal('KEY_UNKNOWN');
      await issuer.rotate();
      now += RETRY_INTERVAL;
      expect(await ask()).to.equal('ok');
      expect(warnings).to.deep.equal([]);
    });
  });

  it('that are skipped are named once, in the log and in the refusal', async () => {
    const weak = { ...issuer.key.publicJwk, alg: 'RSA', kid: 'old' };
    issuer.jwks.patch = { keys: [issuer.key.publicJwk, weak, { ...weak, use: 'enc', kid: 'enc' }] };
    const error = await failureOf(authenticator.identify(await sign({ header: { kid: 'old' } })));
    const why = 'its "alg" is "RSA"; a key of type EC P-256 signs with ES256';
    expect(error).to.include({ code: 'KEY_UNUSABLE' });
    expect((error as Error).message).to.contain(`key "old": ${why}`);
    now += MAX_AGE;
    expect(await ask()).to.equal('ok');
    expect(warnings.map(({ sentence }) => sentence)).to.deep.equal([
      `key "old" of ${issuer.url} is skipped: ${why}`,
    ]);
  });

  it('that cannot be refreshed are reported once, with the reason and how long the earlier ones serve', async () => {
    expect(await ask()).to.equal('ok');
    issuer.discovery.status = 503;
    now += MAX_AGE;
    for (let i = 0; i < 3; i++, now += RETRY_INTERVAL) expect(await ask()).to.equal('ok');
    const url = `${issuer.url}/.well-known/openid-configuration`;
    expect(warnings.map(({ sentence }) => sentence)).to.deep.equal([
      `${url} answers with status 503; the keys of 10 min ago serve until they are 60 min old`,
    ]);
  });

  it('make nobody wait for an issuer that is known to be down', async () => {
    expect(await ask()).to.equal('ok');
    await issuer.close();
    now += MAX_AGE;
    expect(await ask()).to.equal('ok');
    await issuer.listen();
    issuer.discovery.until = new Promise(() => undefined);
    now += RETRY_INTERVAL;
    expect(await ask()).to.equal('ok');
  });

  it('that nobody can look for are no reason to forget the others', async () => {
    const unpublished = await makeIssuerKey('ES256');
    expect(await ask()).to.equal('ok');
    issuer.jwks.status = 500;
    expect(await ask({ key: unpublished })).to.equal('ISSUER_UNREACHABLE');
    expect(await ask({ key: unpublished })).to.equal('KEY_UNKNOWN');
    expect(await ask()).to.equal('ok');
  });

  it('are old when the clock was set back', async () => {
    expect(await ask()).to.equal('ok');
    now -= MINUTE;
    expect(await ask()).to.equal('ok');
    expect(issuer.requests.discovery).to.equal(2);
  });

  it('follow the issuer to another place at the next refresh', async () => {
    expect(await ask()).to.equal('ok');
    issuer.discovery.patch = { jwks_uri: `${issuer.url}/moved/jwks` };
    issuer.jwks.status = 404;
    now += MAX_AGE;
    expect(await ask()).to.equal('ok');
    expect(issuer.requests.other).to.equal(1);
  });

  it('that cannot be fetched at the start are a warning, and are fetched with the first token', async () => {
    await issuer.close();
    const [warning, ...more] = await authenticator.start();
    expect(more).to.deep.equal([]);
    expect(warning?.issuer).to.equal(issuer.url);
    expect(warning?.sentence).to.contain('does not answer: ECONNREFUSED');
    await issuer.listen();
    now += RETRY_INTERVAL;
    expect(await ask()).to.equal('ok');
  });

  it('that come over plain HTTP from elsewhere are a warning', async () => {
    const url = 'http://issuer.example';
    const fetch = (from: URL): Promise<unknown> =>
      Promise.resolve(from.pathname === '/jwks' ? { keys: [] } : { issuer: url, jwks_uri: `${url}/jwks` });
    const createFetcher = (): DocumentFetcher => ({ fetch, close: () => Promise.resolve() });
    const door = createAuthenticator({ issuers: [emailDefinition(url)], clock: () => now, createFetcher });
    const [warning, ...more] = await door.start();
    expect(more).to.deep.equal([]);
    expect(warning?.sentence).to.equal('the keys of http://issuer.example are fetched over plain HTTP');
  });
});
