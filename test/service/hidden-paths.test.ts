/** What clients see of files of the service that fail: nothing of where they are. */
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { parse } from 'yaml';
import { createInstance } from '../../instance/create-instance.ts';
import type { RunningService } from '../../service/open-service.ts';
import { emailConfig } from '../support/data-directory.ts';
import { signatureOf } from '../support/logged-signature.ts';
import { startIssuer, type TestIssuer } from '../support/oidc-issuer.ts';
import { projectRoot } from '../support/project-root.ts';
import { openQuietly } from '../support/quiet-service.ts';
import { post } from '../support/test-service.ts';

/** Puts a directory that holds something in the place of a file: it can neither be read, written nor removed. */
async function spoil(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true });
  await mkdir(join(path, 'full'), { recursive: true });
}

describe('service: files that fail', () => {
  let scratch: string;
  let issuer: TestIssuer;
  let service: RunningService | undefined;

  beforeEach(async () => {
    issuer = await startIssuer();
    scratch = await mkdtemp(join(tmpdir(), 'mayfly-hidden-paths-'));
    await createInstance({
      data: join(scratch, 'data'),
      mode: 'production',
      authority: {
        organization: 'Test',
        commonName: 'Test CA',
        keyType: 'p256',
        rootKey: { file: join(scratch, 'root.key.pem') },
      },
      origin: 'ca.example.org/log/2026',
      artifactHost: 'ca.example.org',
      sctExtensions: 'leaf_index',
      configText: emailConfig(issuer.url, '{public-url: https://ca.example.org}'),
      clock: Date.now,
    });
  });
  afterEach(async () => {
    await service?.close();
    await issuer.close();
    await rm(scratch, { recursive: true });
  });

  const open = async (): Promise<RunningService> => (service = await openQuietly(join(scratch, 'data')));

  it('do not show their paths to any client, and do to the operator', async () => {
    const data = join(scratch, 'data');
    const logs = [join(data, 'logs/2026'), join(data, 'artifacts/v1'), join(data, 'artifacts/v2')];
    const first = await open();
    const logged = await signatureOf({ url: first.url, issuer }, 'an artifact');
    expect((await post(`${first.url}/api/v1/log/entries`, logged.first)).status).to.equal(201);
    expect((await post(`${first.url}/api/v2/log/entries`, logged.second)).status).to.equal(201);
    await first.close();
    for (const log of logs) await spoil(join(log, 'search.db'));
    const { url, metricsUrl } = await open();
    const issuers = await readdir(join(data, 'logs/2026/issuer'));
    for (const name of issuers) await spoil(join(data, 'logs/2026/issuer', name));
    await spoil(join(data, 'ca/chain.pem'));
    const { paths } = parse(await readFile(join(projectRoot, 'docs/openapi.yaml'), 'utf8')) as {
      readonly paths: Readonly<Record<string, object>>;
    };
    const asked: [string, RequestInit?][] = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method): [string, RequestInit?] => [
        path.replace('{log}', path.startsWith('/artifacts') ? 'v2' : '2026').replace(/\{\w+\}/g, '0/000.p/1'),
        { method: method.toUpperCase() },
      ]),
    );
    const search = { method: 'POST', headers: { 'content-type': 'application/json' } };
    asked.push(
      ...issuers.map((name): [string] => [`/log/2026/issuer/${name}`]),
      ['/api/v1/index/retrieve', { ...search, body: '{"email":"alice@example.com"}' }],
      ['/api/v1/log/entries', { ...search, body: logged.first }],
      ['/api/v2/log/entries', { ...search, body: logged.second }],
      ['/api/search/v1?identity=alice%40example.com'],
      ['/trust/trusted_root.json'],
    );
    const faults = new Set<number>();
    for (const [path, init] of asked) {
      const response = await fetch(url + path, init);
      const text = `${await response.text()}${JSON.stringify([...response.headers])}`;
      faults.add(response.status);
      expect(text, path)
        .to.not.include(scratch)
        .and.not.match(/\bE(?:ISDIR|NOENT|NOTDIR|NOTEMPTY)\b|search\.db/);
    }
    expect([...faults]).to.include.members([200, 500, 503]);
    expect(await (await fetch(`${metricsUrl}/readyz`)).text()).to.include('search.db');
  });
});
