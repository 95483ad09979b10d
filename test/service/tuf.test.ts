/** The TUF repository of a running service: made with the directory, served, signed, watched. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { createInstance, type CreatedInstance } from '../../instance/create-instance.ts';
import { openService, type RunningService } from '../../service/open-service.ts';
import { startDev } from '../../service/development/start-dev.ts';
import { parseTrustedRoot } from '../../trust/format/trusted-root.ts';
import { parseSigningConfig } from '../../trust/format/signing-config.ts';
import { emailConfig } from '../support/data-directory.ts';
import { startIssuer, type TestIssuer } from '../support/oidc-issuer.ts';
import { bodyV2, clientKey, emailToken, post } from '../support/test-service.ts';
import { removeScratch, stockClients } from '../trust/tuf/support/repository.ts';

const LOCAL = { host: '127.0.0.1', port: 0 };
const HOUR = 3_600_000;
const URL_OF_CA = 'https://ca.example.org';

describe('service: TUF', () => {
  let scratch: string;
  let issuer: TestIssuer;
  let made: CreatedInstance;
  let skew: number;
  let text: string;
  let service: RunningService | undefined;

  before(async () => (issuer = await startIssuer()));
  after(() => issuer.close());
  beforeEach(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'mayfly-service-tuf-'));
    skew = 0;
    text = '';
    made = await createInstance({
      data: join(scratch, 'data'),
      mode: 'production',
      authority: {
        organization: 'Test',
        commonName: 'Test CA',
        keyType: 'p256',
        rootKey: { file: join(scratch, 'root.key.pem') },
      },
      origin: 'ca.example.org/log/2026',
      sctExtensions: 'leaf_index',
      tuf: {
        rootKey: { file: join(scratch, 'tuf-root.key.pem') },
        urls: { publicUrl: URL_OF_CA, openidProvider: issuer.url },
      },
      configText: emailConfig(issuer.url, `{public-url: ${URL_OF_CA}}`),
      clock: Date.now,
    });
  });
  afterEach(async () => {
    await service?.close();
    service = undefined;
    removeScratch();
    await rm(scratch, { recursive: true });
  });

  const open = async (): Promise<RunningService> =>
    (service = await openService({
      data: join(scratch, 'data'),
      listen: LOCAL,
      metricsListen: LOCAL,
      clock: () => Date.now() + skew,
      program: 'mayfly',
      logOutput: {
        write: (bytes) => {
          text += Buffer.from(bytes).toString();
          return Promise.resolve();
        },
        writeNow: (bytes) => void (text += Buffer.from(bytes).toString()),
      },
    }));

  const tufCheck = async ({
    metricsUrl,
  }: RunningService): Promise<{ ok: boolean; detail: string } | undefined> => {
    const { ready, checks } = (await (await fetch(`${metricsUrl}/readyz`)).json()) as {
      ready: boolean;
      checks: { name: string; ok: boolean; detail: string }[];
    };
    expect(ready).to.equal(true);
    return checks.find(({ name }) => name === 'tuf');
  };

  it('is there after `init`: stock clients begin with its root and get what is exported', async () => {
    const { url } = await open();
    const bytes = new Uint8Array(await (await fetch(`${url}/tuf/1.root.json`)).arrayBuffer());
    for (const client of stockClients(`${url}/tuf`, bytes)) {
      const root = parseTrustedRoot(await client.fetch('trusted_root.json'));
      expect(
        root.certificateAuthorities.map(({ uri }) => uri),
        client.name,
      ).to.deep.equal([URL_OF_CA]);
      expect(root.timestampAuthorities).to.have.length(1);
      const signing = parseSigningConfig(await client.fetch('signing_config.v0.2.json'));
      expect(signing.openidProviders.map((provider) => provider.url)).to.deep.equal([issuer.url]);
      expect(await client.fetch('fulcio_v1.crt.pem')).to.match(/^-----BEGIN CERTIFICATE/);
      for (const name of [
        'fulcio_intermediate_v1.crt.pem',
        'ctfe.pub',
        'tsa_leaf.crt.pem',
        'tsa_root.crt.pem',
      ])
        expect(await client.fetch(name)).to.match(/^-----BEGIN /);
    }
    await service?.close();
    expect(text).to.include('"started"').and.to.not.include('not what is exported');
  });

  it('is served with what caches may keep, and nothing besides it', async () => {
    const { url } = await open();
    const get = (path: string, method = 'GET'): Promise<Response> => fetch(`${url}/tuf/${path}`, { method });
    const metadata = (await (await get('timestamp.json')).json()) as {
      signed: { meta: { 'snapshot.json': { version: number } } };
    };
    const snapshot = `${metadata.signed.meta['snapshot.json'].version}.snapshot.json`;
    for (const [path, caching] of [
      ['timestamp.json', 'no-cache'],
      ['root.json', 'no-cache'],
      ['targets/trusted_root.json', 'no-cache'],
      ['1.root.json', 'public, max-age=604800, immutable'],
      [snapshot, 'public, max-age=604800, immutable'],
    ] as const) {
      const response = await get(path);
      expect(response.status, path).to.equal(200);
      expect(response.headers.get('cache-control'), path).to.equal(caching);
      const length = (await response.arrayBuffer()).byteLength;
      const head = await get(path, 'HEAD');
      expect([head.status, Number(head.headers.get('content-length'))], path).to.deep.equal([200, length]);
    }
    for (const path of [
      '2.root.json',
      '',
      '.lock',
      'targets',
      'targets/',
      '..%2fmayfly.json',
      'snapshot.json',
      '__proto__',
    ]) {
      const response = await get(path);
      expect(response.status, path).to.equal(404);
      expect(response.headers.get('cache-control'), path).to.equal('no-store');
    }
    const posted = await get('root.json', 'POST');
    expect([posted.status, posted.headers.get('allow')]).to.deep.equal([501, 'GET, HEAD']);
  });

  it('is signed before the first client asks, also in the middle of issuing, and says when it ends', async () => {
    skew = 30 * HOUR;
    const running = await open();
    const { signed } = (await (await fetch(`${running.url}/tuf/timestamp.json`)).json()) as {
      signed: { expires: string };
    };
    expect(Date.parse(signed.expires)).to.be.greaterThan(Date.now() + skew + 23 * HOUR);
    expect(await tufCheck(running)).to.deep.include({ ok: true });
    const metrics = await (await fetch(`${running.metricsUrl}/metrics`)).text();
    for (const role of ['root', 'targets', 'snapshot', 'timestamp'])
      expect(metrics).to.match(
        new RegExp(`^mayfly_tuf_expiry_timestamp_seconds\\{role="${role}"\\} 1\\d{9}`, 'm'),
      );
    expect(metrics).to.include('mayfly_tuf_trouble{part="signing"} 0');
    expect(metrics).to.include('mayfly_tuf_signings_total{outcome="success"} 1');
    skew = 39 * HOUR;
    const seen = new Set<string>();
    while (seen.size < 2) {
      const body = bodyV2(
        await emailToken(
          { issuer },
          { iat: Math.floor((Date.now() + skew) / 1000), exp: Math.floor((Date.now() + skew) / 1000) + 300 },
        ),
        clientKey(),
      );
      await post(`${running.url}/api/v2/signingCert`, body);
      seen.add(await (await fetch(`${running.url}/tuf/timestamp.json`)).text());
    }
  });

  it('keeps the service running when it cannot be read or signed, and says so', async () => {
    skew = 30 * HOUR;
    await rm(made.paths.tufOnlineKey);
    const running = await open();
    const check = await tufCheck(running);
    expect(check?.ok).to.equal(false);
    expect(check?.detail).to.match(/the timestamp ended on .*; there is no online key/);
    await running.close();
    expect(text).to.include('the TUF repository cannot be read or signed');
    await writeFile(join(made.paths.tuf, 'timestamp.json'), '{}');
    const again = await open();
    expect((await fetch(`${again.url}/tuf/root.json`)).status).to.equal(404);
    expect(await (await fetch(`${again.metricsUrl}/metrics`)).text()).to.include(
      'mayfly_tuf_trouble{part="signing"} 1',
    );
  });

  it('signs with the key in use whatever is wrong with one that waits, and says so', async () => {
    skew = 30 * HOUR;
    await writeFile(made.paths.nextTufOnlineKey, 'no key');
    const running = await open();
    expect(await tufCheck(running)).to.deep.include({ ok: true });
    await running.close();
    expect(text)
      .to.include('TUF metadata signed')
      .and.to.include('a TUF key that is not in use cannot be opened');
  });

  it('says when the targets are not what is exported', async () => {
    await writeFile(made.paths.config, emailConfig(issuer.url, '{public-url: https://new.example.org}'));
    const running = await open();
    expect((await tufCheck(running))?.detail).to.match(
      /not as exported: .*trusted_root\.json.*mayfly trust tuf stage/,
    );
  });

  it('follows the address of a service for development by itself', async () => {
    const dev = await startDev({
      listen: LOCAL,
      issuerListen: LOCAL,
      metricsListen: LOCAL,
      data: join(scratch, 'dev'),
      clock: Date.now,
      program: 'mayfly',
      note: () => undefined,
    });
    try {
      const bytes = new Uint8Array(await readFile(join(scratch, 'dev', 'tuf', '1.root.json')));
      const [client] = stockClients(`${dev.url}/tuf`, bytes);
      const config = parseSigningConfig((await client?.fetch('signing_config.v0.2.json')) ?? '');
      expect(config.certificateAuthorities.map(({ url }) => url)).to.deep.equal([dev.url]);
      expect(config.openidProviders.map(({ url }) => url)).to.deep.equal([dev.issuerUrl]);
      expect((await tufCheck(dev))?.ok).to.equal(true);
    } finally {
      await dev.close();
    }
  });
});
