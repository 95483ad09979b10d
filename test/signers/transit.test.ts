import { createPublicKey, verify } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { freePort } from '../../bench/free-port.ts';
import { SIGNATURE_ALGORITHMS } from '../../core/signature-algorithm.ts';
import { parseKeyReference, type TransitReference } from '../../signers/key-reference.ts';
import { openSigner, type OpenKeyOptions } from '../../signers/open-signer.ts';
import { SignerError } from '../../signers/signer-error.ts';
import type { Signer } from '../../signers/signer.ts';
import { backend } from '../../signers/transit/transit-backend.ts';
import { failureAs, settledValue } from '../support/failure.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { ROOT_TOKEN, TransitServer, type TransitFault } from '../support/transit-server.ts';

const MESSAGE = Buffer.from('what is signed');
const ALL = ['one', 'two', 'three'].map((text) => Buffer.from(text));

const isGood = (
  { publicKey, algorithm }: Signer,
  signature: Uint8Array | undefined,
  message: Uint8Array,
): boolean => {
  const { hash = null } = SIGNATURE_ALGORITHMS[algorithm];
  const key = createPublicKey({ key: Buffer.from(publicKey), format: 'der', type: 'spki' });
  return signature !== undefined && verify(hash, message, key, signature);
};

describe('signers/transit', () => {
  let server: TransitServer;
  let directory: string;
  const opened: Signer[] = [];
  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'mayfly-transit-'));
    server = await TransitServer.start();
    server.make('ca', 'ecdsa-p256');
  });
  afterEach(async () => {
    server.fault = {};
    for (const { remote } of opened.splice(0)) await remote?.close();
    await server.close();
    rmSync(directory, { recursive: true, force: true });
  });

  const place = (): Record<string, string> => ({
    BAO_ADDR: server.url,
    BAO_CACERT: server.caFile,
    HOME: directory,
  });
  const withRoot = (): Record<string, string> => ({ ...place(), BAO_TOKEN: ROOT_TOKEN });
  const file = (name: string, text: string): string => {
    const path = join(directory, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  };
  const appRole = (): Record<string, string> => {
    server.secretIds.add('secret-id-271828');
    return {
      ...place(),
      BAO_ROLE_ID: server.roleId,
      BAO_SECRET_ID_FILE: file('secret-id', 'secret-id-271828\n'),
    };
  };
  const open = async (uri: string, options: OpenKeyOptions = {}): Promise<Signer> => {
    const limits = { env: withRoot(), timeoutMs: 15_000, firstProbeMs: 20, ...options };
    const signer = await openSigner(uri, limits);
    opened.push(signer);
    return signer;
  };
  const refusal = (uri: string, options: OpenKeyOptions = {}): Promise<SignerError> =>
    failureAs(SignerError, open(uri, options));
  const denial = (signer: Signer): Promise<SignerError> => failureAs(SignerError, signer.sign(MESSAGE));
  const recovered = async ({ remote }: Signer): Promise<void> => {
    while (remote?.refusal() !== undefined) await delay(5);
  };
  const signs = async (signer: Signer): Promise<boolean> =>
    isGood(signer, await signer.sign(MESSAGE), MESSAGE);

  for (const type of ['ecdsa-p256', 'ecdsa-p384', 'ecdsa-p521', 'rsa-2048', 'ed25519'])
    it(`signs with a key of type ${type}, alone and several in one call`, async () => {
      server.make('key', type);
      const signer = await open('openbao://key');
      expect(signer.remote?.version).to.equal('1');
      expect(await signs(signer)).to.equal(true);
      const before = server.asked(/sign/);
      const signatures = ((await signer.signAll?.(ALL)) ?? []).map(settledValue);
      expect(ALL.every((message, i) => isGood(signer, signatures[i], message))).to.equal(true);
      expect(server.asked(/sign/) - before).to.equal(1);
    });

  it('finds server, engine, namespace and token as Sigstore does', async () => {
    const elsewhere = await TransitServer.start({ mount: 'team/transit', plain: true });
    elsewhere.make('ca', 'ed25519');
    const env = {
      VAULT_ADDR: `${elsewhere.url}/`,
      VAULT_NAMESPACE: 'team/a',
      TRANSIT_SECRET_ENGINE_PATH: '/team/transit/',
      HOME: directory,
    };
    file('.vault-token', `${elsewhere.token()}\n`);
    const signer = await open('hashivault://ca', { env });
    expect(await signs(signer)).to.equal(true);
    expect(elsewhere.seen.every(({ namespace }) => namespace === 'team/a')).to.equal(true);
    await elsewhere.close();
  });

  it('signs with the version that it opened, whatever became of the key', async () => {
    const signer = await open('openbao://ca');
    server.rotate('ca');
    expect(await signs(signer)).to.equal(true);
    const named = await open('openbao://ca?version=1');
    expect(named.publicKey).to.deep.equal(signer.publicKey);
    const newest = await open('openbao://ca');
    expect(newest.remote?.version).to.equal('2');
    expect(newest.publicKey).not.to.deep.equal(signer.publicKey);
    const missing = await refusal('openbao://ca?version=3');
    expect(missing).to.include({ code: 'SIGNER_KEY_GONE' });
    expect(missing.hint).to.include('Its newest is 2');
  });

  it('does not use what was signed with another version', async () => {
    const signer = await open('openbao://ca');
    server.fault = { of: /sign/, changed: (text) => text.replace('vault:v1:', 'vault:v2:') };
    const failure = await denial(signer);
    expect(failure).to.include({ code: 'SIGNER_WRONG_KEY' });
    expect(failure.message).to.include('version 2, not 1');
    server.fault = {};
    await recovered(signer);
  });

  const passing: readonly (readonly [what: string, code: SignerError['code'], fault: TransitFault, said: RegExp])[] = [
    ['a failure', 'SIGNER_UNAVAILABLE', { status: 500, text: '{"errors":["internal error"]}' }, /internal error/],
    ['a gateway', 'SIGNER_UNAVAILABLE', { status: 502, text: '<html>' }, /status 502/],
    ['a standby', 'SIGNER_UNAVAILABLE', { status: 473, text: '{}' }, /standby/],
    ['a lagging standby', 'SIGNER_UNAVAILABLE', { status: 412, text: '{"errors":[]}' }, /token yet/],
    ['a quota', 'SIGNER_THROTTLED', { status: 429, headers: { 'retry-after': '0' }, text: '{"errors":[]}' }, /no more/],
    ['the end of a connection', 'SIGNER_UNAVAILABLE', { becomes: 'end' }, /ECONNRESET/],
    ['a cut answer', 'SIGNER_UNAVAILABLE', { becomes: 'cut' }, /does not answer/],
    ['no JSON', 'SIGNER_UNAVAILABLE', { changed: () => 'ok' }, /cannot be understood/],
    ['two answers in one', 'SIGNER_UNAVAILABLE', { changed: (text) => `{"data":{},${text.slice(1)}` }, /understood/],
    ['another prefix', 'SIGNER_UNAVAILABLE', { changed: (text) => text.replace('vault:', 'volt:') }, /no signature/],
    ['loose base64', 'SIGNER_UNAVAILABLE', { changed: (text) => text.replace(/(v1:.)/, '$1 ') }, /no signature/],
    ['a large answer', 'SIGNER_UNAVAILABLE', { changed: (text) => text + ' '.repeat(1 << 20) }, /more than/],
  ]; // prettier-ignore
  for (const [what, code, fault, said] of passing)
    it(`asks again after ${what}`, async () => {
      const signer = await open('openbao://ca');
      server.fault = { of: /sign/, times: 1, ...fault };
      expect(await signs(signer)).to.equal(true);
      expect(signer.remote?.counts().outcomes).to.deep.equal(
        new Map([
          [code, 1],
          ['signed', 1],
        ]),
      );
      server.fault = { of: /sign/, ...fault };
      while (signer.remote?.refusal() === undefined) await signer.sign(MESSAGE).catch(() => undefined);
      expect(signer.remote.refusal()).to.include({ code });
      expect(signer.remote.refusal()?.message).to.match(said);
      server.fault = {};
      await recovered(signer);
      expect(await signs(signer)).to.equal(true);
    });

  it('refuses while the server is sealed, and goes on by itself', async () => {
    const signer = await open('openbao://ca');
    server.isSealed = true;
    while (signer.remote?.refusal() === undefined) await signer.sign(MESSAGE).catch(() => undefined);
    expect(signer.remote.refusal()?.message).to.include('is sealed');
    expect(Number(signer.remote.refusal()?.metadata['retryAfter'])).to.be.greaterThan(0);
    server.isSealed = false;
    await recovered(signer);
    expect(await signs(signer)).to.equal(true);
  });

  it('waits as long as a quota says, and no longer than the caller', async () => {
    const signer = await open('openbao://ca', { timeoutMs: 300 });
    server.fault = {
      of: /sign/,
      status: 429,
      headers: { 'retry-after': '120' },
      text: '{"errors":["rate limit quota exceeded"]}',
    };
    const failure = await denial(signer);
    expect(failure).to.include({ code: 'SIGNER_THROTTLED', retryAfterMs: 30_000 });
    expect(server.asked(/sign/)).to.equal(1);
  });

  it('lets go of a server that does not answer', async () => {
    const signer = await open('openbao://ca', { timeoutMs: 200 });
    server.fault = { of: /sign/, becomes: 'silence' };
    expect(await denial(signer)).to.include({ code: 'SIGNER_TIMEOUT' });
    server.fault = {};
    await recovered(signer);
    while (signer.remote?.failure() !== undefined) await signer.sign(MESSAGE).catch(() => undefined);
  });

  for (const [what, change, said] of [
    ['is not there', (keys) => keys.delete('ca'), /no such key/],
    ['is soft-deleted', (keys) => Object.assign(keys.get('ca') ?? {}, { softDeleted: true }), /soft-deleted/],
    [
      'may not sign with the version',
      (keys) => Object.assign(keys.get('ca') ?? {}, { minEncryption: 2 }),
      /version/,
    ],
  ] as readonly (readonly [string, (keys: TransitServer['keys']) => unknown, RegExp])[])
    it(`says at once that the key ${what}, and sees when it is back`, async () => {
      const signer = await open('openbao://ca');
      const key = server.keys.get('ca');
      if (key === undefined) throw new Error('there is no key');
      server.rotate('ca');
      change(server.keys);
      const failure = await denial(signer);
      expect(failure).to.include({ code: 'SIGNER_KEY_GONE' });
      expect(failure.message).to.match(said);
      expect(signer.remote?.refusal()).to.include({ code: 'SIGNER_KEY_GONE' });
      server.keys.set('ca', Object.assign(key, { softDeleted: false, minEncryption: 0 }));
      await recovered(signer);
      expect(await signs(signer)).to.equal(true);
    });

  it('lets nothing of a batch out of which one part failed', async () => {
    const signer = await open('openbao://ca');
    const spoil = (text: string): string => {
      const answer = JSON.parse(text) as { data: { batch_results: object[] } };
      answer.data.batch_results[1] = { key_version: 0, error: 'internal error', reference: '' };
      return JSON.stringify(answer);
    };
    server.fault = { of: /sign/, changed: spoil };
    expect(
      await failureAs(
        SignerError,
        signer.signAll?.(ALL).then((made) => made.map(settledValue)),
      ),
    ).to.include({ code: 'SIGNER_REFUSED' });
    const shorter = (text: string): string => text.replace(/\{"signature[^}]*\},/, '');
    server.fault = {};
    await recovered(signer);
    server.fault = { of: /sign/, changed: shorter };
    expect(
      await failureAs(
        SignerError,
        signer.signAll?.(ALL).then((made) => made.map(settledValue)),
      ),
    ).to.include({ code: 'SIGNER_UNAVAILABLE' });
  });

  it('sends the token to no other host', async () => {
    const other = await TransitServer.start({ plain: true });
    server.fault = { status: 307, headers: { location: `${other.url}/v1/transit/keys/ca` } };
    const failure = await refusal('openbao://ca');
    expect(failure).to.include({ code: 'SIGNER_UNAVAILABLE' });
    expect(failure.hint).to.include('active node');
    expect(other.seen).to.deep.equal([]);
    await other.close();
  });

  it('speaks to no server whose certificate is of another CA', async () => {
    const other = await TransitServer.start();
    const failure = await refusal('openbao://ca', { env: { ...withRoot(), BAO_CACERT: other.caFile } });
    expect(failure).to.include({ code: 'SIGNER_UNAVAILABLE' });
    expect(failure.hint).to.include('BAO_CACERT');
    expect(server.seen).to.deep.equal([]);
    await other.close();
  });

  it('asks again when the network takes a connection away', async () => {
    const network = await TcpProxy.to(Number(new URL(server.url).port));
    const env = { ...withRoot(), BAO_ADDR: `https://127.0.0.1:${network.port}` };
    const signer = await open('openbao://ca', { env });
    network.set({ requests: 'cut', answers: 'pass' });
    expect(await denial(signer)).to.include({ code: 'SIGNER_UNAVAILABLE' });
    network.set({ requests: 'pass', answers: 'pass' });
    await recovered(signer);
    expect(await signs(signer)).to.equal(true);
    await network.close();
  });

  it('goes through the proxy that the environment names', async () => {
    const { port } = new URL(server.url);
    const asked: string[] = [];
    const proxy = createServer();
    proxy.on('connect', ({ url = '' }, client: Socket) => {
      asked.push(url);
      const to = connect(Number(port), '127.0.0.1', () => {
        client.write('HTTP/1.1 200 OK\r\n\r\n');
        to.pipe(client).pipe(to);
      });
      for (const socket of [to, client]) socket.on('error', () => undefined);
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const address = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    const env = { ...withRoot(), BAO_ADDR: `https://proxied.test:${port}`, BAO_TLS_SERVER_NAME: 'bao.test' };
    for (const name of ['BAO_PROXY_ADDR', 'HTTPS_PROXY'])
      expect(await signs(await open('openbao://ca', { env: { ...env, [name]: address } }))).to.equal(true);
    expect(new Set(asked)).to.deep.equal(new Set([`proxied.test:${port}`]));
    for (const { remote } of opened.splice(0)) await remote?.close();
    proxy.close();
  });

  it('says where nothing answers', async () => {
    const port = await freePort();
    const gone = await refusal('openbao://ca', {
      env: { ...withRoot(), BAO_ADDR: `https://127.0.0.1:${port}` },
    });
    expect(gone).to.include({ code: 'SIGNER_UNAVAILABLE' });
    expect(gone.message).to.include('ECONNREFUSED');
    const nameless = await refusal('openbao://ca', {
      env: { ...withRoot(), BAO_ADDR: 'https://bao.invalid' },
    });
    expect(nameless).to.include({ code: 'SIGNER_UNAVAILABLE' });
    expect(nameless.hint).to.match(/DNS/);
  });

  describe('tokens', () => {
    it('says what is to be done when the one of the environment is refused, and tries no other', async () => {
      const token = server.token();
      const signer = await open('openbao://ca', { env: { ...place(), BAO_TOKEN: token } });
      server.endTokens();
      const failure = await denial(signer);
      expect(failure).to.include({ code: 'SIGNER_DENIED' });
      expect(failure.hint).to.include('path "transit/sign/ca/sha2-256" { capabilities = ["update"] }');
      expect(server.asked(/sign/)).to.equal(1);
    });

    it('takes the one that a file holds by now', async () => {
      const path = file('token', server.token());
      const signer = await open('openbao://ca', { env: { ...place(), BAO_TOKEN_FILE: path } });
      server.endTokens();
      expect(await denial(signer)).to.include({ code: 'SIGNER_DENIED' });
      file('token', server.token());
      await recovered(signer);
      expect(await signs(signer)).to.equal(true);
    });

    it('is renewed before it ends, with any login', async () => {
      const path = file('token', server.token(1, true, 60));
      const signer = await open('openbao://ca', { env: { ...place(), BAO_TOKEN_FILE: path } });
      while (server.asked(/renew-self/) < 3) await delay(10);
      expect(await signs(signer)).to.equal(true);
      expect(signer.remote?.counts().outcomes).to.deep.equal(new Map([['signed', 1]]));
    });

    it('is warned of when it ends and nothing can be done', async () => {
      const notes: string[] = [];
      const env = { ...place(), BAO_TOKEN: server.token(1, false) };
      await open('openbao://ca', { env, note: (sentence) => notes.push(sentence) });
      while (notes.length === 0) await delay(10);
      expect(notes[0]).to.match(
        /^the token for OpenBao at .* ends in \d s and is not renewed: BAO_TOKEN still holds/,
      );
    });

    it('may be unable to look itself up', async () => {
      server.forbidden = /lookup-self/;
      const signer = await open('openbao://ca', { env: { ...place(), BAO_TOKEN: server.token() } });
      expect(await signs(signer)).to.equal(true);
    });
  });

  describe('AppRole', () => {
    it('logs in once for all keys, again when the token ended, and hands it back', async () => {
      server.make('log', 'ecdsa-p256');
      const env = appRole();
      const [ca, log] = await Promise.all([open('openbao://ca', { env }), open('openbao://log', { env })]);
      expect(server.asked(/login/)).to.equal(1);
      server.endTokens();
      expect(await Promise.all([signs(ca), signs(ca), signs(log)])).to.deep.equal([true, true, true]);
      expect(ca.remote?.refusal()).to.equal(undefined);
      await ca.remote?.close();
      expect(await signs(log)).to.equal(true);
      await log.remote?.close();
      expect([...server.tokens.keys()].filter((token) => token === server.seen.at(-1)?.token)).to.deep.equal(
        [],
      );
      expect(server.asked(/revoke-self/)).to.equal(1);
    });

    for (const [what, granted] of [
      ['cannot be renewed', { ttl: 1, maxTtl: 60, isRenewable: false }],
      ['was renewed as long as it may be', { ttl: 2, maxTtl: 3, isRenewable: true }],
    ] as const)
      it(`logs in anew before the end of a token that ${what}`, async () => {
        server.granted = granted;
        const signer = await open('openbao://ca', { env: appRole() });
        while (server.asked(/login/) < 2) await delay(10);
        expect(await signs(signer)).to.equal(true);
        expect(signer.remote?.counts().outcomes).to.deep.equal(new Map([['signed', 1]]));
      });

    it('goes on renewing when the server was away', async () => {
      server.granted = { ttl: 2, maxTtl: 60, isRenewable: true };
      const signer = await open('openbao://ca', { env: appRole() });
      server.isSealed = true;
      while (server.asked(/renew-self/) < 1) await delay(10);
      server.isSealed = false;
      while (server.asked(/renew-self/) + server.asked(/login/) < 3) await delay(10);
      expect(await signs(signer)).to.equal(true);
    });

    it('shows a secret-id that was refused once, and takes a new one from its file', async () => {
      const signer = await open('openbao://ca', { env: appRole() });
      server.secretIds.clear();
      server.endTokens();
      expect(await denial(signer)).to.include({ code: 'SIGNER_DENIED' });
      const before = server.asked(/sign/);
      while (server.asked(/sign/) < before + 3) await delay(5);
      expect(server.asked(/login/)).to.equal(2);
      server.secretIds.add('secret-id-314159');
      file('secret-id', 'secret-id-314159');
      await recovered(signer);
      expect(await signs(signer)).to.equal(true);
    });

    for (const [what, status, text] of [
      ['the mount is not loaded yet', 404, '{"errors":["no handler for route \\"auth/approle/login\\"."]}'],
      ['a proxy answers', 400, '<html>'],
    ] as const)
      it(`shows the same secret-id again soon when ${what}`, async () => {
        const signer = await open('openbao://ca', { env: appRole() });
        server.endTokens();
        server.fault = { of: /login/, status, text };
        const failure = await denial(signer);
        expect(failure).to.include({ code: 'SIGNER_DENIED' });
        server.fault = {};
        await recovered(signer);
        expect(await signs(signer)).to.equal(true);
      });

    it('says what is wrong with the login', async () => {
      const env = { ...appRole(), BAO_SECRET_ID_FILE: file('secret-id', 'wrong-271828') };
      const failure = await refusal('openbao://ca', { env });
      expect(failure).to.include({ code: 'SIGNER_DENIED' });
      expect(failure.message).to.include('the login failed');
      expect(failure.message).to.include('invalid role or secret ID');
      expect(failure.hint).to.include('BAO_ROLE_ID');
      const unmounted = await refusal('openbao://ca', {
        env: { ...appRole(), BAO_APPROLE_MOUNT: 'team/approle' },
      });
      expect(unmounted).to.include({ code: 'SIGNER_DENIED' });
      expect(unmounted.hint).to.include('the mount team/approle');
    });
  });

  it('logs in as a pod of Kubernetes, with the token that is mounted by then', async () => {
    server.podTokens.add('pod.jwt.1');
    const env = { ...place(), BAO_K8S_ROLE: 'mayfly', BAO_K8S_TOKEN_FILE: file('jwt', 'pod.jwt.1') };
    const signer = await open('openbao://ca', { env });
    server.podTokens.clear();
    server.podTokens.add('pod.jwt.2');
    file('jwt', 'pod.jwt.2');
    server.endTokens();
    expect(await signs(signer)).to.equal(true);
    expect(
      server.seen.filter(({ path }) => path === 'auth/kubernetes/login').map(({ body }) => body['jwt']),
    ).to.deep.equal(['pod.jwt.1', 'pod.jwt.2']);
  });

  it('repeats no secret, whatever a server answers', async () => {
    const texts: string[] = [];
    const collect = ({ message, hint, cause }: SignerError): void => {
      expect(cause).to.equal(undefined);
      texts.push(message, hint ?? '');
    };
    const role = appRole();
    const token = server.token();
    const signer = await open('openbao://ca', { env: { ...place(), BAO_TOKEN: token } });
    const byRole = { ...role, BAO_NAMESPACE: 'other' };
    const byToken = { ...place(), BAO_TOKEN: token, BAO_NAMESPACE: 'other' };
    for (const [secret, env] of [
      [token, byToken],
      [token.slice(3, 15), byToken],
      [server.roleId, byRole],
      ['secret-id-271828', byRole],
    ] as const)
      for (const status of [400, 403, 500]) {
        server.fault = { status, text: JSON.stringify({ errors: [`you said ${secret}`] }) };
        while (signer.remote?.refusal() === undefined) await signer.sign(MESSAGE).catch(() => undefined);
        if (env === byToken) collect(await denial(signer));
        collect(await refusal('openbao://ca', { env }));
        server.fault = {};
        await recovered(signer);
      }
    expect(texts.length).to.equal(2 * (6 + 12));
    for (const secret of [token.slice(5, 15), server.roleId.slice(0, 8), '271828'])
      expect(texts.filter((text) => text.includes(secret))).to.deep.equal([]);
  });

  const settings: readonly (readonly [what: string, env: Record<string, string>, said: RegExp])[] = [
    ['no address', { BAO_ADDR: '' }, /BAO_ADDR \(or VAULT_ADDR\) is not set/],
    ['no URL', { BAO_ADDR: 'openbao.example.com' }, /no address/],
    ['a user in the address', { BAO_ADDR: 'https://me:word-271828@bao.example.com' }, /no address/],
    ['HTTP to another machine', { BAO_ADDR: 'http://bao.example.com:8200' }, /without TLS/],
    ['certificates that are not checked', { BAO_SKIP_VERIFY: 'true' }, /BAO_SKIP_VERIFY/],
    ['a mount that leads elsewhere', { TRANSIT_SECRET_ENGINE_PATH: '../sys' }, /TRANSIT_SECRET_ENGINE_PATH/],
    ['a namespace that is none', { BAO_NAMESPACE: 'a b' }, /BAO_NAMESPACE/],
    ['two logins', { BAO_ROLE_ID: 'r' }, /BAO_TOKEN and BAO_ROLE_ID are set/],
    ['two secret-ids', { BAO_TOKEN: '', BAO_ROLE_ID: 'r', BAO_SECRET_ID: 'a', BAO_SECRET_ID_FILE: 'b' }, /leave one/i],
    ['no token', { BAO_TOKEN: 'two words' }, /BAO_TOKEN holds no token/],
    ['no token file', { BAO_TOKEN: '' }, /\.vault-token cannot be read \(ENOENT\)/],
    ['no CA file', { BAO_CACERT: '/nowhere/ca.pem' }, /BAO_CACERT: \/nowhere\/ca.pem cannot be read/],
  ]; // prettier-ignore
  for (const [what, env, said] of settings)
    it(`asks nobody where the environment has ${what}`, async () => {
      const failure = await refusal('openbao://ca', { env: { ...withRoot(), ...env } });
      expect(['SIGNER_REFUSED', 'SIGNER_DENIED']).to.include(failure.code);
      expect(`${failure.message} ${failure.hint ?? ''}`)
        .to.match(said)
        .and.not.to.include('271828');
      expect(server.seen).to.deep.equal([]);
    });

  for (const [what, change, said] of [
    ['another type', { type: 'aes256-gcm96' }, /does not sign/],
    ['a derived one', { derived: true }, /derived/],
    ['a deleted one', { softDeleted: true }, /soft-deleted/],
  ] as const)
    it(`opens no key that is ${what}`, async () => {
      Object.assign(server.keys.get('ca') ?? {}, change);
      expect((await refusal('openbao://ca')).message).to.match(said);
    });

  it('says so when the key, the engine or the right to read it is missing', async () => {
    expect(await refusal('openbao://log')).to.include({ code: 'SIGNER_KEY_GONE' });
    const engine = await refusal('openbao://ca', {
      env: { ...withRoot(), TRANSIT_SECRET_ENGINE_PATH: 'kms' },
    });
    expect(engine).to.include({ code: 'SIGNER_KEY_GONE' });
    expect(engine.hint).to.include('TRANSIT_SECRET_ENGINE_PATH');
    server.forbidden = /keys/;
    const forbidden = await refusal('openbao://ca', { env: { ...place(), BAO_TOKEN: server.token() } });
    expect(forbidden).to.include({ code: 'SIGNER_DENIED' });
    expect(forbidden.hint).to.include('path "transit/keys/ca" { capabilities = ["read"] }');
  });

  it('warns of a key that can be read out', async () => {
    const notes: string[] = [];
    Object.assign(server.keys.get('ca') ?? {}, { exportable: true });
    await open('openbao://ca', { note: (sentence) => notes.push(sentence) });
    expect(notes.join()).to.match(/can be read out of OpenBao/);
  });

  it('makes a key, and none where there is one; describes it', async () => {
    const around = { signal: AbortSignal.timeout(15_000), env: withRoot() };
    const reference = parseKeyReference('openbao://new') as TransitReference;
    const key = await backend.generate?.(reference, 'p384', around);
    expect(key).to.include({ algorithm: 'ecdsa-p384-sha384', version: '1' });
    const facts = new Map((await key?.describe())?.map(({ name, value }) => [name, value]));
    expect(facts.get('server')).to.equal(`OpenBao at ${server.url}`);
    expect(facts.get('key')).to.equal('transit/keys/new, ecdsa-p384, version 1 of 1');
    expect(facts.get('login')).to.equal('BAO_TOKEN');
    expect(facts.get('policy')).to.equal(
      'path "transit/keys/new" { capabilities = ["read"] } path "transit/sign/new/sha2-384" { capabilities = ["update"] }',
    );
    expect(facts.get('token')).to.equal('does not end, policies default, mayfly');
    await key?.close();
    const there = await failureAs(SignerError, backend.generate?.(reference, 'p384', around));
    expect(there).to.include({ code: 'SIGNER_REFUSED' });
    server.forbidden = /keys\/other/;
    const env = { ...place(), BAO_TOKEN: server.token() };
    const other = parseKeyReference('openbao://other') as TransitReference;
    expect(await failureAs(SignerError, backend.generate?.(other, 'p256', { ...around, env }))).to.include({
      code: 'SIGNER_DENIED',
    });
  });
});
