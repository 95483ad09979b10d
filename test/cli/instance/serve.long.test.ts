import { expect } from 'chai';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { join } from 'node:path';
import { emailConfig, makeDataDirectory, type TestDirectory } from '../../support/data-directory.ts';
import { startIssuer, type TestIssuer } from '../../support/oidc-issuer.ts';
import { giveToOrdinaryUser, needOrdinaryUser, ordinaryUser } from '../../support/ordinary-user.ts';
import { ANYWHERE, type MayflyProcess, runMayfly, startMayfly } from '../../support/mayfly.ts';
import { PUBLIC_GOOD } from '../../support/public-good.ts';
import { rawToken } from '../../support/raw-token.ts';
import { bodyV2, clientKey, emailToken, post } from '../../support/test-service.ts';

interface Ready {
  readonly event: string;
  readonly url: string;
  readonly metricsUrl: string;
  readonly logUrl: string;
  readonly issuerUrl: null;
  readonly listen: string;
  readonly metricsListen: string;
}

interface Warning {
  readonly event: string;
  readonly sentence: string;
  readonly code?: string;
  readonly count?: number;
}

describe('cli/instance/serve', function () {
  this.timeout(60_000);
  let scratch: string;
  let issuer: TestIssuer;
  let made = 0;
  const running: MayflyProcess[] = [];
  before(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'mayfly-serve-'));
    issuer = await startIssuer();
  });
  afterEach(async () => {
    for (const program of running.splice(0)) {
      program.child.kill('SIGKILL');
      await program.ended;
    }
  });
  after(async () => {
    await issuer.close();
    await rm(scratch, { recursive: true, force: true });
  });

  async function directory(options: TestDirectory = {}): Promise<string> {
    const root = join(scratch, String(++made));
    await makeDataDirectory(root, { config: emailConfig(issuer.url), ...options });
    return root;
  }

  async function serve(...args: string[]): Promise<MayflyProcess & { readonly ready: Ready }> {
    const program = startMayfly(['serve', ...ANYWHERE, '--json', ...args]);
    running.push(program);
    return { ...program, ready: JSON.parse(await program.firstLine) as Ready };
  }

  it('says that it is ready, issues, drains on SIGTERM and goes on where it was', async () => {
    const data = await directory();
    const first = await serve('--data', data);
    const urls = ['event', 'url', 'metricsUrl', 'logUrl', 'issuerUrl'];
    expect(Object.keys(first.ready)).to.deep.equal([...urls, 'listen', 'metricsListen', 'grpcListen']);
    expect(first.ready).to.include({ event: 'ready', issuerUrl: null, grpcListen: null });
    expect(first.ready.logUrl).to.equal(`${first.ready.url}/log/2026`);
    const body = bodyV2(await emailToken({ issuer }), clientKey());
    expect((await post(`${first.ready.url}/api/v2/signingCert`, body)).status).to.equal(200);
    first.child.kill('SIGTERM');
    expect(await first.ended).to.equal(0);
    const events = first
      .stderr()
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { event: string }).event);
    expect(events.filter((event) => event !== 'warning')).to.deep.equal([
      'started',
      'issued',
      'closing',
      'closed',
    ]);
    const second = await serve('--data', data);
    const sth = (await (await fetch(`${second.ready.logUrl}/ct/v1/get-sth`)).json()) as { tree_size: number };
    expect(sth.tree_size).to.equal(1);
  });

  it('says to people where everything is and what to do next', async () => {
    const config = emailConfig(issuer.url, '{ public-url: "https://ca.example.org" }');
    const program = startMayfly(['serve', ...ANYWHERE, '--data', await directory({ config })]);
    running.push(program);
    expect(await program.firstLine).to.equal('Mayfly is ready.');
    program.child.kill('SIGINT');
    expect(await program.ended).to.equal(0);
    expect(program.stdout()).to.match(
      /Certificates +https:\/\/ca\.example\.org .*\n +Listener +http:\/\/127\.0\.0\.1:\d+\n/,
    );
    expect(program.stdout()).to.contain('mayfly trust export --data ');
  });

  /** The lines on stderr that are warnings, from a program that has ended. */
  const warningsOf = (program: MayflyProcess): Warning[] =>
    program
      .stderr()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Warning & { level: string })
      .filter(({ level }) => level === 'warn');

  it('says each warning once, as a line of the log', async () => {
    const data = await directory({ keepRootKey: true, config: 'oidc-issuers: {}\n' });
    for (const json of [[], ['--json']]) {
      const program = startMayfly(['serve', ...ANYWHERE, '--data', data, ...json]);
      running.push(program);
      await program.firstLine;
      program.child.kill('SIGTERM');
      await program.ended;
      // The directory for temporary files may itself lie in memory or on a container's own layer.
      const sentences = warningsOf(program)
        .map(({ sentence }) => sentence)
        .filter((sentence) => !sentence.startsWith('the log in '));
      expect(sentences).to.have.length(2);
      expect(sentences[0]).to.contain('the root key lies on the server');
      expect(sentences[1]).to.contain('no issuer is configured');
    }
  });

  it('goes on with a chain that an earlier version adopted, and says that verifiers refuse it', async () => {
    const data = await directory();
    const file = join(data, 'ca', 'chain.pem');
    const [issuing = ''] = (await readFile(file, 'utf8')).split(/(?<=END CERTIFICATE-----\n)/);
    await chmod(file, 0o600);
    await writeFile(file, issuing);
    const program = await serve('--data', data);
    program.child.kill('SIGTERM');
    expect(await program.ended).to.equal(0);
    const sentences = warningsOf(program).map(({ sentence }) => sentence);
    expect(sentences.filter((sentence) => sentence.includes('no root'))).to.have.length(1);
  });

  it('says in one line what is to be said of many entries alike', async () => {
    const config = PUBLIC_GOOD;
    const program = startMayfly(['serve', ...ANYWHERE, '--data', await directory({ config })]);
    running.push(program);
    await program.firstLine;
    program.child.kill('SIGTERM');
    await program.ended;
    const counts = warningsOf(program).flatMap(({ code, count }) =>
      code === undefined ? [] : [[code, count]],
    );
    expect(Object.fromEntries(counts)).to.deep.equal({
      OPEN_TO_THE_WORLD: 23,
      SHARED_AUDIENCE: 31,
      NO_RULES: 8,
      ISSUER_CLAIM_OPEN: 2,
    });
    expect(counts).to.have.length(4);
  });

  it('says what is the matter with an issuer in its own words', async () => {
    const config = emailConfig('http://issuer.invalid');
    const program = startMayfly(['serve', ...ANYWHERE, '--data', await directory({ config })]);
    running.push(program);
    await program.firstLine;
    while (!program.stderr().includes('plain HTTP')) await once(program.child.stderr ?? process, 'data');
    program.child.kill('SIGTERM');
    await program.ended;
    const ofIssuer = warningsOf(program).filter(({ event }) => event === 'issuer warning');
    expect(ofIssuer.map(({ sentence }) => sentence)[0]).to.contain('are fetched over plain HTTP');
    expect(program.stderr()).to.not.contain('not reachable yet');
  });

  it('opens encrypted keys, listens on IPv6 and behind a proxy that speaks TLS', async () => {
    const data = await directory({ passphrase: 'correct horse' });
    const file = join(scratch, 'passphrase');
    await writeFile(file, 'correct horse\n');
    const six = await serve('--data', data, '--passphrase-file', file, '--listen', '[::1]:0');
    expect(six.ready.url).to.match(/^http:\/\/\[::1\]:\d+$/);
    expect((await fetch(`${six.ready.url}/readyz`)).status).to.equal(200);
    const proxied = await serve('--data', await directory(), '--listen', '0.0.0.0:0', '--behind-tls-proxy');
    expect(proxied.ready.url).to.match(/^http:\/\/127\.0\.0\.1:\d+$/);
  });

  /** A service with one request under way, which waits for an issuer that never answers. `answered` resolves to the status
   * of its answer, undefined when the connection ends without one. */
  async function busyService(): Promise<
    MayflyProcess & { readonly ready: Ready; readonly answered: Promise<number | undefined> }
  > {
    const silent = createServer().listen(0, '127.0.0.1').unref();
    await once(silent, 'listening');
    const iss = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const program = await serve('--data', await directory({ config: emailConfig(iss) }));
    const claims = { iss, aud: 'sigstore', sub: 'me', iat: 0, exp: 9_999_999_999 };
    const body = bodyV2(rawToken({ alg: 'RS256', kid: 'k' }, claims), clientKey());
    const { url } = program.ready;
    const request = httpRequest(`${url}/api/v2/signingCert`, { method: 'POST' });
    const answered = once(request, 'response').then(
      ([response]: IncomingMessage[]) => response?.resume().statusCode,
      () => undefined,
    );
    await new Promise<void>((resolve) => request.end(JSON.stringify(body), resolve));
    // What was sent before is read before.
    await fetch(`${url}/healthz`);
    return { ...program, answered };
  }

  it('ends on a second signal while a request holds it, but not on a copy of the first', async () => {
    const program = await busyService();
    program.child.kill('SIGTERM');
    while (!program.stderr().includes('"closing"')) await once(program.child.stderr ?? process, 'data');
    // A launcher's copy of the same Ctrl-C: it must not cut short what the first one lets finish.
    program.child.kill('SIGTERM');
    await delay(1100);
    expect(program.child.exitCode).to.equal(null);
    program.child.kill('SIGTERM');
    expect(await program.ended).to.equal(1);
    await program.answered;
  });

  it('answers what is under way, whatever half requests of others are open', async () => {
    const program = await busyService();
    const { port } = new URL(program.ready.url);
    const half = connect(Number(port), '127.0.0.1');
    half.on('error', () => undefined).write('POST /api/v2/signingCert HTTP/1.1\r\nHost: x\r\nContent-Le');
    await once(half, 'connect');
    program.child.kill('SIGTERM');
    await once(half, 'close');
    expect(program.child.exitCode).to.equal(null);
    expect(await program.answered).to.equal(503);
    expect(await program.ended).to.equal(0);
  });

  /** Runs `serve` that must refuse; returns what it says with --json. */
  async function refusal(
    ...args: string[]
  ): Promise<{ status: unknown; code: string; message: string; hint: string }> {
    const result = await runMayfly(['serve', ...ANYWHERE, '--json', ...args]);
    const { error } = JSON.parse(result.stdout) as { error: { code: string; message: string; hint: string } };
    return { status: result.code, ...error };
  }

  it('refuses a directory that is missing, foreign, unwritable or for development', async () => {
    const foreign = await mkdtemp(join(scratch, 'foreign-'));
    await writeFile(join(foreign, 'a'), '');
    const dev = await directory({ mode: 'dev' });
    const table: readonly (readonly [string, string, RegExp])[] = [
      [join(scratch, 'nowhere'), 'DIRECTORY_MISSING', /mayfly init/],
      [foreign, 'DIRECTORY_FOREIGN', /mayfly\.json/],
      [dev, 'DIRECTORY_MODE', /mayfly init/],
    ];
    for (const [data, code, hint] of table) {
      const refused = await refusal('--data', data);
      expect(refused).to.include({ status: 1, code });
      expect(refused.hint).to.match(hint);
    }
  });

  it('refuses an unwritable directory', async function () {
    needOrdinaryUser(this);
    await chmod(scratch, 0o711);
    const data = await directory();
    await giveToOrdinaryUser(data);
    await chmod(data, 0o500);
    const { code, stdout } = await runMayfly(['serve', ...ANYWHERE, '--json', '--data', data], {
      user: ordinaryUser,
    });
    await chmod(data, 0o700);
    expect(code).to.equal(1);
    expect(JSON.parse(stdout)).to.have.nested.property('error.code', 'DIRECTORY_UNWRITABLE');
  });

  it('names the line of a mistake in the configuration', async () => {
    const data = await directory();
    const file = join(scratch, 'typo.yaml');
    await writeFile(file, 'oidc-issuers: {}\nmayfly:\n  log-acess: public\n');
    const refused = await refusal('--data', data, '--config', file);
    expect(refused).to.include({ status: 1, code: 'CONFIG_INVALID' });
    expect(refused.message).to.contain('typo.yaml:3:3');
    expect((await refusal('--data', data, '--config', join(scratch, 'none.yaml'))).code).to.equal(
      'CONFIG_UNREADABLE',
    );
  });

  it('refuses a wrong, missing or unreadable passphrase', async () => {
    const data = await directory({ passphrase: 'right' });
    const wrong = join(scratch, 'wrong');
    await writeFile(wrong, 'wrong\n');
    const refused = await refusal('--data', data, '--passphrase-file', wrong);
    expect(refused).to.include({ status: 1, code: 'PASSPHRASE_WRONG' });
    expect(refused.message).to.contain('intermediate.key.pem');
    expect((await refusal('--data', data)).code).to.equal('PASSPHRASE_MISSING');
    const missing = await refusal('--data', data, '--passphrase-file', join(scratch, 'no-file'));
    expect(missing.message).to.contain('no-file');
  });

  it('refuses a port that is taken, and says which option chose it', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const data = await directory();
    for (const option of ['--listen', '--metrics-listen']) {
      const refused = await refusal('--data', data, option, address);
      expect(refused).to.include({ status: 1, code: 'ADDRESS_IN_USE' });
      expect(refused.message).to.contain(`${address} (${option})`);
    }
    server.close();
  });

  it('says where it listens, with URLs that clients can use', async () => {
    const everywhere = ['--listen', '0.0.0.0:0', '--metrics-listen', '0.0.0.0:0', '--behind-tls-proxy'];
    const program = await serve('--data', await directory(), ...everywhere);
    const { ready } = program;
    const { port } = new URL(ready.url);
    expect(ready.url).to.equal(`http://127.0.0.1:${port}`);
    expect(ready.listen).to.equal(`0.0.0.0:${port}`);
    expect(ready.metricsListen).to.equal(`0.0.0.0:${new URL(ready.metricsUrl).port}`);
    program.child.kill('SIGTERM');
    await program.ended;
    expect(program.stderr()).to.contain(`"listen":"0.0.0.0:${port}"`);
  });

  it('refuses to send tokens in the clear over a network', async () => {
    const refused = await refusal('--data', await directory(), '--listen', '0.0.0.0:0');
    expect(refused).to.include({ status: 1, code: 'PLAIN_HTTP' });
    expect(refused.hint).to.contain('--behind-tls-proxy');
  });

  it('refuses a second service on the same directory', async () => {
    const data = await directory();
    await serve('--data', data);
    expect(await refusal('--data', data)).to.include({ status: 1, code: 'LOG_LOCKED' });
  });

  it('exits with 2 when it is used wrongly', async () => {
    for (const args of [[], ['--data', 'x', '--tls-cert', 'y'], ['--data', 'x', '--nonsense']]) {
      expect((await runMayfly(['serve', ...args])).code, args.join(' ')).to.equal(2);
    }
    expect((await refusal('--data', 'x', '--listen', 'nonsense')).code).to.equal('ADDRESS_MALFORMED');
  });

  it('shows examples in its help', async () => {
    const { code, stdout } = await runMayfly(['serve', '--help']);
    expect(code).to.equal(0);
    expect(stdout).to.contain('Examples:').and.to.contain('--behind-tls-proxy');
  });
});
