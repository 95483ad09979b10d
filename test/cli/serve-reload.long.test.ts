/** `mayfly serve` as a process of its own, while its configuration changes under it. */
import { expect } from 'chai';
import { once } from 'node:events';
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { emailConfig, makeDataDirectory } from '../support/data-directory.ts';
import { gone, loaderOf } from '../support/loader-process.ts';
import { makeIssuerKey, startIssuer, type TestIssuer } from '../support/oidc-issuer.ts';
import { ANYWHERE, type MayflyProcess, startMayfly } from '../support/mayfly.ts';
import { bodyV2, clientKey, emailToken, post, refusalOf } from '../support/test-service.ts';

interface Line {
  readonly event: string;
  readonly [field: string]: unknown;
}

interface Service extends MayflyProcess {
  readonly url: string;
  readonly metricsUrl: string;
}

describe('cli/serve: a configuration that changes', function () {
  this.timeout(60_000);
  let scratch: string;
  let issuer: TestIssuer;
  let service: Service | undefined;
  before(async () => {
    issuer = await startIssuer();
  });
  after(() => issuer.close());
  beforeEach(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'mayfly-serve-reload-'));
    await makeDataDirectory(join(scratch, 'data'), { config: 'oidc-issuers: {}\n' });
  });
  afterEach(async () => {
    service?.child.kill('SIGKILL');
    await service?.ended;
    await rm(scratch, { recursive: true, force: true });
  });

  async function serve(...args: string[]): Promise<Service> {
    const program = startMayfly(['serve', ...ANYWHERE, '--json', '--data', join(scratch, 'data'), ...args]);
    const ready = JSON.parse(await program.firstLine) as { url: string; metricsUrl: string };
    return (service = { ...program, ...ready });
  }

  /** The `count` lines of that event, once they are there. */
  async function linesOf({ stderr, child }: Service, event: string, count: number): Promise<Line[]> {
    for (;;) {
      const whole = stderr().split('\n').slice(0, -1);
      const found = whole.map((line) => JSON.parse(line) as Line).filter((line) => line.event === event);
      if (found.length >= count) return found;
      await once(child.stderr ?? child, 'data');
    }
  }

  const issues = async ({ url }: Service): Promise<number> => {
    const body = bodyV2(await emailToken({ issuer }), clientKey());
    return (await post(`${url}/api/v2/signingCert`, body)).status;
  };

  it('takes the new one on SIGHUP, at once', async () => {
    const file = join(scratch, 'data', 'config.yaml');
    const running = await serve();
    expect(await issues(running)).to.equal(400);
    expect(await (await fetch(`${running.url}/api/v2/configuration`)).json()).to.deep.equal({ issuers: [] });
    await writeFile(file, emailConfig(issuer.url));
    running.child.kill('SIGHUP');
    const [loaded] = await linesOf(running, 'configuration loaded', 1);
    expect(loaded).to.deep.include({ issuers: 1, rules: 0, issuersAdded: [issuer.url] });
    expect(await issues(running)).to.equal(200);
    const shown = (await (await fetch(`${running.url}/api/v2/configuration`)).json()) as {
      issuers: unknown[];
    };
    expect(shown.issuers[0]).to.include({ issuerUrl: issuer.url, audience: 'sigstore' });
  });

  it('goes on with the last good one, and is loud where the operator looks', async () => {
    const file = join(scratch, 'data', 'config.yaml');
    const denying = 'type: email\n    mayfly: { rules: [{ name: no-eve, deny: claims.sub == "eve" }] }\n';
    await writeFile(file, emailConfig(issuer.url).replace('type: email\n', denying));
    const running = await serve();
    const numbers = async (): Promise<string> => (await fetch(`${running.metricsUrl}/metrics`)).text();
    expect(await numbers()).to.match(/^mayfly_config_last_reload_success 1$/m);
    expect(await numbers()).to.match(/^mayfly_entries_without_rules 1$/m);
    await writeFile(file, 'oidc-issuers: { "https://a.example": { client-id: a, tpye: email } }\n');
    running.child.kill('SIGHUP');
    const [refused] = await linesOf(running, 'configuration not loaded', 1);
    expect(refused?.['level']).to.equal('error');
    expect(JSON.stringify(refused?.['problems'])).to.contain('config.yaml:1:');
    expect(await issues(running)).to.equal(200);
    expect(await numbers()).to.match(/^mayfly_config_last_reload_success 0$/m);
    expect(await numbers()).to.match(/^mayfly_config_reload_total\{outcome="failure"\} 1$/m);
    expect(await numbers()).to.match(/^mayfly_config_loaded_timestamp_seconds \d{10}/m);
    const readiness = await fetch(`${running.metricsUrl}/readyz`);
    expect(readiness.status).to.equal(200);
    const { ready, checks } = (await readiness.json()) as { ready: boolean; checks: { name: string }[] };
    expect(ready).to.equal(true);
    const check = checks.find(({ name }) => name === 'configuration');
    expect(check).to.include({ ok: false });
    expect(JSON.stringify(check)).to.contain('config.yaml:1:');
    const outside = await fetch(`${running.url}/readyz`);
    expect(await outside.text()).to.equal('{"status":"READY"}');
  });

  it('says until the restart which settings need one, and stays ready', async () => {
    const file = join(scratch, 'data', 'config.yaml');
    await writeFile(file, emailConfig(issuer.url));
    const running = await serve();
    const check = async (): Promise<unknown> => {
      const response = await fetch(`${running.metricsUrl}/readyz`);
      const { ready, checks } = (await response.json()) as { ready: boolean; checks: { name: string }[] };
      return { ready, ...checks.find(({ name }) => name === 'configuration') };
    };
    await writeFile(file, emailConfig(issuer.url, '{ log-level: debug }'));
    running.child.kill('SIGHUP');
    await linesOf(running, 'needs a restart', 1);
    const reported = (await check()) as { detail: string };
    expect(reported).to.include({ ready: true, ok: true });
    expect(reported.detail).to.match(
      /loaded at [^;]+; these settings changed and need a restart: log-level$/,
    );
    await writeFile(file, 'oidc-issuers: [\n');
    running.child.kill('SIGHUP');
    await linesOf(running, 'configuration not loaded', 1);
    const failed = (await check()) as { detail: string };
    expect(failed).to.include({ ready: true, ok: false });
    expect(failed.detail).to.contain('need a restart: log-level; the last try failed: ');
  });

  it('survives the end of the process that loads, and takes the new one when asked again', async () => {
    const file = join(scratch, 'data', 'config.yaml');
    const running = await serve();
    const reload = (): boolean => running.child.kill('SIGHUP');
    await writeFile(file, emailConfig(issuer.url));
    reload();
    process.kill(await loaderOf(running.child.pid ?? 0), 'SIGKILL');
    const [refused] = await linesOf(running, 'configuration not loaded', 1);
    expect(refused?.['level']).to.equal('error');
    expect(String(refused?.['problems'])).to.contain('ended with SIGKILL');
    expect(await (await fetch(`${running.metricsUrl}/readyz`)).text()).to.contain('ended with SIGKILL');
    expect(await issues(running)).to.equal(400);
    reload();
    await linesOf(running, 'configuration loaded', 1);
    expect(await issues(running)).to.equal(200);
  });

  it('ends in order while it loads', async () => {
    const running = await serve();
    running.child.kill('SIGHUP');
    const pid = await loaderOf(running.child.pid ?? 0);
    process.kill(pid, 'SIGSTOP');
    running.child.kill('SIGTERM');
    expect(await running.ended).to.equal(0);
    await gone(pid);
    expect(running.stderr()).to.not.contain('configuration not loaded');
  });

  it('finds nothing changed, and keeps the keys, when a file with keys is loaded as it was', async () => {
    const file = join(scratch, 'data', 'config.yaml');
    const jwks = JSON.stringify({ keys: [issuer.key.publicJwk] });
    const config = emailConfig(issuer.url).replace(
      'type: email\n',
      `type: email\n    mayfly: { jwks: ${jwks}, rules: [{ name: all, allow: 'true' }] }\n`,
    );
    await writeFile(file, config);
    const running = await serve();
    running.child.kill('SIGHUP');
    const [loaded] = await linesOf(running, 'configuration loaded', 1);
    expect(loaded).to.not.have.any.keys('issuersChanged', 'rulesChanged', 'issuersAdded');
    expect(running.stderr()).to.not.contain('needs a restart');
    expect(await issues(running)).to.equal(200);
  });

  it('takes each token once from when a replay guard is switched on, restarts included', async () => {
    const file = join(scratch, 'data', 'config.yaml');
    const open = emailConfig(issuer.url);
    await writeFile(file, open);
    const running = await serve();
    const body = bodyV2(await emailToken({ issuer }, { jti: 'one' }), clientKey());
    const send = async ({ url }: Service): Promise<string> => {
      const response = await post(`${url}/api/v2/signingCert`, body);
      return response.status === 200 ? 'issued' : (await refusalOf(response)).details[0].reason;
    };
    expect([await send(running), await send(running)]).to.deep.equal(['issued', 'issued']);
    await writeFile(file, open.replace('type: email\n', 'type: email\n    mayfly: { replay-guard: jti }\n'));
    running.child.kill('SIGHUP');
    const [loaded] = await linesOf(running, 'configuration loaded', 1);
    expect(loaded?.['issuersChanged']).to.deep.equal([`${issuer.url} (replay-guard)`]);
    expect([await send(running), await send(running)]).to.deep.equal(['issued', 'TOKEN_REPLAYED']);
    expect(await (await fetch(`${running.metricsUrl}/metrics`)).text()).to.match(
      /^mayfly_replay_guard_tokens 1$/m,
    );
    expect(await (await fetch(`${running.metricsUrl}/readyz`)).text()).to.contain(
      'used tokens that are remembered: 1',
    );
    running.child.kill('SIGTERM');
    expect(await running.ended).to.equal(0);
    expect(await send(await serve())).to.equal('TOKEN_REPLAYED');
  });

  it('takes only the keys that a changed file of keys hands over', async () => {
    const keys = join(scratch, 'data', 'keys.json');
    const handOver = (jwk: object): Promise<void> => writeFile(keys, JSON.stringify({ keys: [jwk] }));
    await handOver(issuer.key.publicJwk);
    const config = emailConfig(issuer.url).replace(
      'type: email\n',
      'type: email\n    mayfly: { jwks-file: keys.json }\n',
    );
    await writeFile(join(scratch, 'data', 'config.yaml'), config);
    const running = await serve();
    expect(await issues(running)).to.equal(200);
    await handOver((await makeIssuerKey()).publicJwk);
    const [loaded] = await linesOf(running, 'configuration loaded', 1);
    expect(loaded?.['files']).to.deep.equal([keys]);
    expect(loaded?.['issuersChanged']).to.deep.equal([`${issuer.url} (keys)`]);
    expect(await issues(running)).to.equal(400);
  });

  it('sees by itself that a mounted volume was swapped', async () => {
    const volume = join(scratch, 'volume');
    const swap = async (name: string, text: string): Promise<void> => {
      await mkdir(join(volume, name), { recursive: true });
      await writeFile(join(volume, name, 'config.yaml'), text);
      await symlink(name, join(volume, '..data_tmp'));
      await rename(join(volume, '..data_tmp'), join(volume, '..data'));
    };
    await swap('..1', 'oidc-issuers: {}\n');
    await symlink('..data/config.yaml', join(volume, 'config.yaml'));
    const running = await serve('--config', join(volume, 'config.yaml'));
    await swap('..2', emailConfig(issuer.url));
    await linesOf(running, 'configuration loaded', 1);
    expect(await issues(running)).to.equal(200);
    running.child.kill('SIGTERM');
    expect(await running.ended).to.equal(0);
  });
});
