import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import * as oidc from 'openid-client';
import { DevError } from '../../dev/dev-error.ts';
import { ensureIssuerKey, type IssuerJwk } from '../../dev/issuer-key.ts';
import { startProvider, type RunningProvider } from '../../dev/provider.ts';
import { approveDevice, Browser, formOf, logIn } from '../support/browser.ts';

const REDIRECT = 'http://localhost:53412/auth/callback';

describe('dev/provider', () => {
  let directory: string;
  let key: IssuerJwk;
  let provider: RunningProvider;
  let client: oidc.Configuration;
  const faults: Error[] = [];

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'mayfly-provider-'));
    key = await ensureIssuerKey(directory);
    provider = await startProvider({
      host: '127.0.0.1',
      port: 0,
      key,
      onFault: (error) => faults.push(error),
    });
    client = await oidc.discovery(new URL(provider.issuer), 'sigstore', undefined, oidc.None(), {
      // eslint-disable-next-line @typescript-eslint/no-deprecated -- plain HTTP on loopback is what this issuer is
      execute: [oidc.allowInsecureRequests],
    });
  });

  after(async () => {
    await provider.close();
    await rm(directory, { recursive: true });
    expect(faults).to.deep.equal([]);
  });

  async function authorization(redirect: string, extra: Record<string, string> = {}) {
    const verifier = oidc.randomPKCECodeVerifier();
    const nonce = oidc.randomNonce();
    const state = oidc.randomState();
    const url = oidc.buildAuthorizationUrl(client, {
      redirect_uri: redirect,
      scope: 'openid email',
      code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      nonce,
      state,
      ...extra,
    });
    return {
      url,
      checks: { pkceCodeVerifier: verifier, expectedNonce: nonce, expectedState: state },
      verifier,
    };
  }

  /** The token request as a client without a library makes it. */
  function exchange(parameters: Record<string, string>, headers: Record<string, string> = {}) {
    const body = new URLSearchParams({ grant_type: 'authorization_code', ...parameters });
    return fetch(String(client.serverMetadata().token_endpoint), { method: 'POST', headers, body });
  }

  async function verified(token: string) {
    const keys = createRemoteJWKSet(new URL(String(client.serverMetadata().jwks_uri)));
    return await jwtVerify(token, keys, { issuer: provider.issuer, audience: 'sigstore' });
  }

  it('announces what Sigstore clients look for', () => {
    const metadata = client.serverMetadata();
    expect(metadata.issuer).to.equal(provider.issuer);
    expect(metadata.code_challenge_methods_supported).to.deep.equal(['S256']);
    expect(metadata.id_token_signing_alg_values_supported).to.deep.equal(['RS256']);
    expect(metadata.device_authorization_endpoint).to.be.a('string');
    expect(metadata.token_endpoint_auth_methods_supported).to.deep.equal(['none']);
    expect(metadata.grant_types_supported).to.have.members([
      'authorization_code',
      'urn:ietf:params:oauth:grant-type:device_code',
    ]);
  });

  it('leads a real client through the login form to an ID token with the e-mail in it', async () => {
    const { url, checks } = await authorization(REDIRECT);
    const callback = await logIn(url.href, 'ada@example.com');
    expect(callback.href).to.match(/^http:\/\/localhost:53412\/auth\/callback\?/);
    const tokens = await oidc.authorizationCodeGrant(client, callback, checks);
    const { payload, protectedHeader } = await verified(String(tokens.id_token));
    expect(payload).to.include({ sub: 'ada@example.com', email: 'ada@example.com', email_verified: true });
    expect(payload.aud).to.equal('sigstore');
    expect(payload['nonce']).to.equal(checks.expectedNonce);
    expect(protectedHeader.kid).to.equal(key.kid);
  });

  it('answers the ID token as access token too, for sigstore-python', async () => {
    const { url, checks } = await authorization(REDIRECT);
    const tokens = await oidc.authorizationCodeGrant(
      client,
      await logIn(url.href, 'ada@example.com'),
      checks,
    );
    expect(tokens.access_token).to.equal(tokens.id_token);
    expect(tokens).to.not.have.property('refresh_token');
  });

  it('takes HTTP Basic with the client id and an empty password, as sigstore-python sends it', async () => {
    const { url, verifier } = await authorization(REDIRECT);
    const callback = await logIn(url.href, 'ada@example.com');
    const response = await exchange(
      {
        redirect_uri: REDIRECT,
        code: String(callback.searchParams.get('code')),
        code_verifier: verifier,
      },
      { authorization: `Basic ${Buffer.from('sigstore:').toString('base64')}` },
    );
    expect(response.status).to.equal(200);
    const { access_token: token } = (await response.json()) as { access_token: string };
    expect((await verified(token)).payload['email']).to.equal('ada@example.com');
  });

  for (const redirect of [
    'http://localhost:40001',
    'http://localhost:40001/',
    'http://127.0.0.1:40002/auth/callback',
    'http://[::1]:40003/any/path',
  ]) {
    it(`sends the code to ${redirect}`, async () => {
      const { url, verifier } = await authorization(redirect);
      const callback = await logIn(url.href, 'ada@example.com');
      expect(callback.origin).to.equal(new URL(redirect).origin);
      const response = await exchange({
        client_id: 'sigstore',
        redirect_uri: redirect,
        code: String(callback.searchParams.get('code')),
        code_verifier: verifier,
      });
      expect(response.status).to.equal(200);
    });
  }

  for (const redirect of [
    'https://localhost:40001/auth/callback',
    'http://localhost.example.com/auth/callback',
    'http://evil@localhost:1/auth/callback',
    'http://example.com/auth/callback',
    'javascript:alert(1)',
    'not a url',
  ]) {
    it(`sends nothing to ${redirect}`, async () => {
      const { url } = await authorization(redirect);
      const page = await new Browser(provider.issuer).open(url.href);
      expect(page.status).to.equal(400);
      expect(page.html).to.contain('redirect_uri').and.not.contain('<form');
    });
  }

  it('shows the code to a person when a client wants it out of band', async () => {
    const oob = 'urn:ietf:wg:oauth:2.0:oob';
    const { url, verifier } = await authorization(oob);
    const browser = new Browser(provider.issuer);
    const page = await browser.submit(await browser.open(url.href), { email: 'ada@example.com' }, 'login');
    expect(page.status).to.equal(200);
    const code = /<code>([\w-]+)<\/code>/.exec(page.html)?.[1] ?? '';
    const response = await exchange({
      client_id: 'sigstore',
      redirect_uri: oob,
      code,
      code_verifier: verifier,
    });
    expect(response.status).to.equal(200);
  });

  it('demands PKCE with S256', async () => {
    for (const extra of [{ code_challenge_method: 'plain' }, { code_challenge: '' }]) {
      const { url } = await authorization(REDIRECT, extra);
      if (extra.code_challenge === '') url.searchParams.delete('code_challenge');
      const page = await new Browser(provider.issuer).open(url.href);
      expect(new URL(page.url).searchParams.get('error')).to.equal('invalid_request');
    }
  });

  it('issues no token for a code without its verifier', async () => {
    const { url } = await authorization(REDIRECT);
    const callback = await logIn(url.href, 'ada@example.com');
    const response = await exchange({
      client_id: 'sigstore',
      redirect_uri: REDIRECT,
      code: String(callback.searchParams.get('code')),
      code_verifier: oidc.randomPKCECodeVerifier(),
    });
    expect(response.status).to.equal(400);
  });

  it('asks who it is at every login, also in the same browser', async () => {
    const browser = new Browser(provider.issuer);
    for (const email of ['ada@example.com', 'bob@example.com', 'bob@example.com']) {
      const { url, checks } = await authorization(REDIRECT);
      const page = await browser.open(url.href);
      expect(formOf(page).fields).to.have.property('email', '');
      const callback = new URL((await browser.submit(page, { email }, 'login')).url);
      const tokens = await oidc.authorizationCodeGrant(client, callback, checks);
      expect(tokens.claims()?.['email']).to.equal(email);
    }
  });

  it('informs the client when the login was cancelled', async () => {
    const { url } = await authorization(REDIRECT);
    const browser = new Browser(provider.issuer);
    const end = await browser.submit(await browser.open(url.href), {}, 'cancel');
    expect(new URL(end.url).searchParams.get('error')).to.equal('access_denied');
  });

  it('shows the form again, with what was typed, when that is no e-mail address', async () => {
    const { url } = await authorization(REDIRECT);
    const browser = new Browser(provider.issuer);
    const again = await browser.submit(await browser.open(url.href), { email: '"><b>x' }, 'login');
    expect(again.status).to.equal(400);
    expect(again.html).to.contain('role="alert"').and.not.contain('<b>x');
    expect(formOf(again).fields['email']).to.equal('"><b>x');
  });

  it('warns on the login page, frames it nowhere and loads nothing from outside', async () => {
    const { url } = await authorization(REDIRECT);
    const page = await new Browser(provider.issuer).open(url.href);
    expect(page.html).to.contain('INSECURE DEV').and.contain('<label for="email">').and.contain('lang="en"');
    expect(page.html).to.not.match(/(?:src|href)="(?:https?:)?\/\//);
    const policy = String(page.headers.get('content-security-policy'));
    expect(policy).to.contain("default-src 'none'").and.contain("frame-ancestors 'none'");
    // A browser would stop at the redirect to the client without this.
    expect(policy).to.contain("form-action 'self' http://localhost:53412;");
  });

  it('takes the form only from its own page and its own browser', async () => {
    const { url } = await authorization(REDIRECT);
    const browser = new Browser(provider.issuer);
    const page = await browser.open(url.href);
    const withoutToken = await browser.submit(page, { email: 'a@example.com', csrf: 'x' }, 'login');
    expect(withoutToken.status).to.equal(403);
    const foreign = await fetch(formOf(page).action, {
      method: 'POST',
      body: new URLSearchParams({ ...formOf(page).fields, email: 'a@example.com' }),
    });
    expect(foreign.status).to.equal(400);
    const elsewhere = await browser.submit({ ...page, html: page.html }, { email: 'a@example.com' }, 'login');
    expect(elsewhere.url).to.match(/^http:\/\/localhost:53412/);
  });

  it('leads a real client through the device flow', async () => {
    const device = await oidc.initiateDeviceAuthorization(client, { scope: 'openid email' });
    expect(device.verification_uri).to.equal(`${provider.issuer}/device`);
    const done = await approveDevice(device.verification_uri, device.user_code, 'dev@example.com');
    expect(done.html).to.contain('Your terminal is logged in');
    const tokens = await oidc.pollDeviceAuthorizationGrant(client, { ...device, interval: 0.01 });
    expect((await verified(String(tokens.id_token))).payload['email']).to.equal('dev@example.com');
    expect(tokens.access_token).to.equal(tokens.id_token);
  });

  it('leads through the device flow from the link that carries the code', async () => {
    const device = await oidc.initiateDeviceAuthorization(client, { scope: 'openid email' });
    const browser = new Browser(provider.issuer);
    const sent = await browser.open(String(device.verification_uri_complete));
    expect(sent.headers.get('content-security-policy')).to.match(/script-src 'self' 'sha256-/);
    const confirm = await browser.submit(sent);
    expect(confirm.html).to.contain(device.user_code);
    const login = await browser.submit(confirm, {}, 'confirm');
    await browser.submit(login, { email: 'dev@example.com' }, 'login');
    const tokens = await oidc.pollDeviceAuthorizationGrant(client, { ...device, interval: 0.01 });
    expect(tokens.claims()?.['email']).to.equal('dev@example.com');
  });

  it('informs a device that was refused', async () => {
    const device = await oidc.initiateDeviceAuthorization(client, { scope: 'openid email' });
    const browser = new Browser(provider.issuer);
    const confirm = await browser.submit(await browser.open(device.verification_uri), {
      user_code: device.user_code,
    });
    const end = await browser.submit(confirm, {}, 'abort');
    expect(end.html).to.contain('The login was cancelled.');
    let code: string | undefined;
    try {
      await oidc.pollDeviceAuthorizationGrant(client, { ...device, interval: 0.01 });
    } catch (error) {
      code = (error as oidc.ResponseBodyError).error;
    }
    expect(code).to.equal('access_denied');
  });

  it('says so when a device code is wrong', async () => {
    const browser = new Browser(provider.issuer);
    const again = await browser.submit(await browser.open(`${provider.issuer}/device`), {
      user_code: 'BBBB-BBBB',
    });
    expect(again.html).to.contain('There is no such code');
  });

  it('makes no token without the form, whatever grant is asked for', async () => {
    for (const grant of [
      'client_credentials',
      'refresh_token',
      'implicit',
      'password',
      'urn:openid:params:grant-type:ciba',
    ]) {
      const response = await fetch(`${provider.issuer}/token`, {
        method: 'POST',
        body: new URLSearchParams({ grant_type: grant, client_id: 'sigstore', scope: 'openid email' }),
      });
      expect(response.status, grant).to.equal(400);
      expect(await response.json(), grant).to.not.have.any.keys('access_token', 'id_token');
    }
  });

  it('answers to no foreign Host name', async () => {
    expect(await statusFor('evil.example.com')).to.equal(421);
    expect(await statusFor(`evil.example.com:${new URL(provider.issuer).port}`)).to.equal(421);
    expect(await statusFor(new URL(provider.issuer).host)).to.equal(200);
  });

  it('leads from another name of this machine to the one that the cookies belong to', async () => {
    const response = await fetch(`http://localhost:${new URL(provider.issuer).port}/device?user_code=A`, {
      redirect: 'manual',
    });
    expect(response.status).to.equal(307);
    expect(response.headers.get('location')).to.equal(`${provider.issuer}/device?user_code=A`);
  });

  function statusFor(host: string): Promise<number | undefined> {
    const url = `${provider.issuer}/.well-known/openid-configuration`;
    return new Promise((resolve, reject) => {
      request(url, { headers: { host } }, (response) => {
        response.resume();
        resolve(response.statusCode);
      })
        .on('error', reject)
        .end();
    });
  }

  it('refuses an address of other machines, and a port that is taken, with a sentence', async () => {
    const port = Number(new URL(provider.issuer).port);
    const refusals = [
      [{ host: '0.0.0.0', port: 0, key }, 'DEV_ADDRESS_REFUSED'],
      [{ host: '127.0.0.1', port, key }, 'DEV_PORT_TAKEN'],
    ] as const;
    for (const [options, code] of refusals) {
      let thrown: unknown;
      try {
        await startProvider(options);
      } catch (error) {
        thrown = error;
      }
      expect(thrown).to.be.instanceOf(DevError).with.property('code', code);
    }
  });

  it('says nothing on the console', async () => {
    const said: unknown[] = [];
    const before = { warn: console.warn, info: console.info, error: console.error };
    Object.assign(console, {
      warn: (...words: unknown[]) => said.push(words),
      info: (...words: unknown[]) => said.push(words),
      error: (...words: unknown[]) => said.push(words),
    });
    try {
      const second = await startProvider({ host: '127.0.0.1', port: 0, key });
      await fetch(second.issuer);
      await second.close();
    } finally {
      Object.assign(console, before);
    }
    expect(said).to.deep.equal([]);
  });
});
