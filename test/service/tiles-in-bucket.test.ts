/** A whole service whose logs have their tiles in a bucket. */
import { existsSync } from 'node:fs';
import { cp, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { checkDirectory } from '../../ct-log/check-directory.ts';
import { checkLog } from '../../ct-log/check.ts';
import { openDirectorySource } from '../../ct-log/directory-source.ts';
import { httpSource } from '../../ct-log/http-source.ts';
import { readIdentity } from '../../ct-log/log-identity.ts';
import { logKeys } from '../../ct-log/log-keys.ts';
import { createDirectoryLog } from '../../instance/create-artifact-log.ts';
import { openDataDirectory } from '../../instance/data-directory.ts';
import { certificateLogPaths, dataPaths } from '../../instance/data-paths.ts';
import { moveLogs } from '../../instance/move-logs.ts';
import { stageLog } from '../../instance/stage-log.ts';
import { switchLog } from '../../instance/switch-log.ts';
import { checkArtifactLog } from '../../rekor/check-artifact-log.ts';
import { redactEntries } from '../../rekor/redact-entries.ts';
import { readArtifactLogIdentity } from '../../rekor/log-identity.ts';
import { fileIdentity } from '../../storage/place-identity.ts';
import { LogError } from '../../tlog/core/log-error.ts';
import { readStorePlaces } from '../../tlog/store/store-places.ts';
import { verifyCheckpoint } from '../../tlog/tree/verify-head.ts';
import { readChain } from '../../trust/collect.ts';
import { recordTrust } from '../../trust/ledger.ts';
import { emailConfig, makeDataDirectory } from '../support/data-directory.ts';
import {
  BUCKET_CREDENTIALS,
  startFakeBucket,
  withBucketCredentials,
  type FakeBucket,
} from '../support/fake-bucket.ts';
import { failureAs } from '../support/failure.ts';
import { startIssuer, type TestIssuer } from '../support/oidc-issuer.ts';
import { runMayfly } from '../support/mayfly.ts';
import { openQuietly, type QuietService } from '../support/quiet-service.ts';
import { skipUnless } from '../support/skipped.ts';
import { bodyV2, clientKey, emailToken, post } from '../support/test-service.ts';

describe('service: tiles in a bucket', () => {
  let root: string;
  let data: string;
  let issuer: TestIssuer;
  let fake: FakeBucket;
  let restore: () => void;
  let service: QuietService | undefined;
  before(async () => {
    issuer = await startIssuer();
  });
  after(() => issuer.close());
  beforeEach(async () => {
    restore = withBucketCredentials();
    fake = await startFakeBucket();
    root = await mkdtemp(join(tmpdir(), 'mayfly-tiles-'));
    data = join(root, 'data');
    await makeDataDirectory(data, { config: emailConfig(issuer.url) });
    await createDirectoryLog(dataPaths(data), {
      api: 2,
      host: 'ca.example.org',
      passphrase: undefined,
      clock: Date.now,
    });
    await recordTrust(dataPaths(data));
  });
  afterEach(async () => {
    await service?.close();
    service = undefined;
    await fake.close();
    await rm(root, { recursive: true, force: true });
    restore();
  });

  const tiles = () => ({
    url: `s3://${fake.bucket}/prod`,
    endpoint: fake.endpoint,
    addressing: 'path' as const,
  });
  const configure = async (more: Readonly<Record<string, string>> = {}): Promise<void> => {
    const { url, endpoint } = tiles();
    const log = JSON.stringify({ ...more, log: { tiles: url, bucket: { endpoint, addressing: 'path' } } });
    await writeFile(dataPaths(data).config, emailConfig(issuer.url, log));
  };
  const move = async (places = { tiles: tiles() }): Promise<readonly (number | undefined)[]> =>
    (await moveLogs(await openDataDirectory(data, { write: true }), places)).logs.map(({ files }) => files);

  const issue = async (count: number): Promise<void> => {
    const started = (service ??= await openQuietly(data));
    for (let left = count; left > 0; left -= 50)
      await Promise.all(
        Array.from({ length: Math.min(50, left) }, async () => {
          const key = clientKey();
          const answer = await post(
            `${started.url}/api/v2/signingCert`,
            bodyV2(await emailToken({ issuer }), key),
          );
          expect(answer.status).to.equal(200);
        }),
      );
  };
  const stop = async (): Promise<void> => {
    await service?.close();
    service = undefined;
  };
  const directoryOf = (name: string): string => certificateLogPaths(dataPaths(data), name).directory;

  /** What is found in the log's directory, and by a reader who knows the bucket alone. */
  const sizesOf = async (name: string): Promise<readonly number[]> => {
    const directory = directoryOf(name);
    const checked = await checkDirectory(await openDirectorySource(directory));
    const source = httpSource(await bucketUrlOf(name));
    const keys = logKeys(await readIdentity(directory));
    const { size, root: hash } = verifyCheckpoint(await source.checkpoint(), keys);
    const head = { size, root: hash, timestamp: undefined };
    const read = await checkLog(source, { head, headName: 'checkpoint', sctExtensions: undefined });
    return [checked, read].map((result) => (result.ok ? result.entries : -1));
  };

  const bucketUrlOf = async (name: string): Promise<string> =>
    (await readStorePlaces(directoryOf(name))).tiles?.url.replace('s3://', `${fake.endpoint}/`) ?? '';

  /** As an operator or a monitor checks a bucket, also one that answers 403 for what is not there: with the keys of an export, and with what the log says of its own. */
  const checkByCommand = async (entries: number): Promise<void> => {
    const out = join(root, 'trust');
    const exported = await runMayfly(['trust', 'export', '--data', data, '--out', out]);
    expect(exported.code, exported.stderr).to.equal(0);
    const url = await bucketUrlOf('2026');
    fake.fault = ({ key }) => (fake.objects.has(key) ? undefined : 'forbid');
    const checked = await runMayfly(['log', 'check', '--url', url, '--trust', out]);
    const believed = await runMayfly(['log', 'check', '--url', url]);
    fake.fault = () => undefined;
    expect(checked.stdout, checked.stderr).to.contain(`ok: ${entries} entries`);
    expect(believed.stdout, believed.stderr).to.contain(`ok: ${entries} entries`);
    expect(believed.stderr).to.contain("the log's key is the server's own word (log.v3.json)");
  };

  /** What the log of that name says of itself in the bucket. */
  const describedIn = async (name: string): Promise<Readonly<Record<string, unknown>>> => {
    const answer = await fetch(`${await bucketUrlOf(name)}/log.v3.json`);
    expect(answer.status).to.equal(200);
    return (await answer.json()) as Readonly<Record<string, unknown>>;
  };

  it('refuses to start where the configuration says another place, and says how to get there', async () => {
    await issue(1);
    await stop();
    await configure();
    const failure = await failureAs(LogError, openQuietly(data));
    expect(failure.code).to.equal('LOG_ELSEWHERE');
    expect(failure.message).to.contain('are in its files, and the configuration says in s3://tiles/prod');
    expect(failure.hint).to.contain('mayfly log move');
  });

  it('moves its logs there and back, issues, restarts, rotates, and serves what it served', async function () {
    this.timeout(120_000);
    await issue(300);
    const served = async (path: string): Promise<Buffer> => {
      const url = `${service?.url ?? ''}/log/2026/${path}`;
      return Buffer.from(await (await fetch(url)).arrayBuffer());
    };
    const paths = ['tile/0/000', 'tile/data/000', 'tile/data/001.p/44', 'tile/1/000.p/1'];
    const before = await Promise.all(paths.map(served));
    await stop();
    await configure();
    // Two tiles and the two certificates of the chain; the log of artifacts has one entry, and so no full tile.
    expect(await move()).to.deep.equal([4, 0]);
    expect(await move()).to.deep.equal([undefined, undefined]);
    await rm(join(directoryOf('2026'), 'tile'), { recursive: true });
    await issue(1);
    expect(await Promise.all(paths.map(served))).to.deep.equal(before);
    while (service?.lines.some(({ event }) => event === 'log store') === false) await delay(20);
    await stop();
    expect(await sizesOf('2026')).to.deep.equal([301, 301]);
    await checkByCommand(301);

    const chain = await readChain(dataPaths(data).chain);
    const request = { data, chain, passphrase: undefined, clock: Date.now };
    await stageLog({ ...request, origin: 'localhost/log/2027' });
    await recordTrust(dataPaths(data));
    await switchLog(request);
    await issue(260);
    expect(await Promise.all(paths.map(served))).to.deep.equal(before);
    await stop();
    expect(await sizesOf('2026')).to.deep.equal([301, 301]);
    expect(await sizesOf('2027')).to.deep.equal([260, 260]);
    expect(existsSync(join(directoryOf('2027'), 'tile'))).to.equal(false);

    await move({} as never);
    await writeFile(dataPaths(data).config, emailConfig(issuer.url));
    fake.fault = () => 'forbid';
    await issue(1);
    expect(await Promise.all(paths.map(served))).to.deep.equal(before);
    await stop();
    expect(await readFile(join(directoryOf('2026'), 'tile/0/000'))).to.deep.equal(before[0]);
    expect(await checkDirectory(await openDirectorySource(directoryOf('2027')))).to.deep.include({
      ok: true,
      entries: 261,
    });
  });

  it('says of files that are a copy what a start would have said', async function () {
    skipUnless(this, fileIdentity(root) !== undefined, 'files have no time of their making here');
    await issue(1);
    await stop();
    const copy = join(root, 'copy');
    await cp(data, copy, { recursive: true });
    await rm(data, { recursive: true });
    await rename(copy, data);
    await configure();
    const moved = await runMayfly(['log', 'move', '--data', data], { env: BUCKET_CREDENTIALS });
    expect(moved.code, moved.stderr).to.equal(0);
    expect(moved.stderr).to.match(
      /^localhost\/log\/2026: .*commit\.db is not the file that was in use last/m,
    );
  });

  it('says in the bucket what it says as a service: from the start on, and when it ends', async function () {
    this.timeout(60_000);
    await configure({ 'public-url': 'https://ca.example.org:8443' });
    await move();
    await issue(1);
    const served = (await (await fetch(`${service?.url ?? ''}/log/2026/log.v3.json`)).json()) as unknown;
    await stop();
    expect(await describedIn('2026')).to.deep.equal(served);
    expect(served).to.deep.include({
      status: 'active',
      monitoring_url: 'https://ca.example.org:8443/log/2026/',
      intended_use: 'production',
    });
    const { headers } =
      [...fake.objects].find(([key]) => key.startsWith('prod/2026') && key.endsWith('/log.v3.json'))?.[1] ??
      {};
    expect(headers?.['content-type']).to.equal('application/json');
    expect(headers?.['cache-control']).to.equal('public, max-age=60');

    // What another start says is said there, too.
    await configure({ 'public-url': 'https://ca.example.org' });
    await issue(1);
    await stop();
    const url = { monitoring_url: 'https://ca.example.org/log/2026/' };
    expect(await describedIn('2026')).to.deep.include({ status: 'active', ...url });

    // A command that ends it does not know the address, and keeps it. The next log is described before it has an entry.
    const chain = await readChain(dataPaths(data).chain);
    const request = { data, chain, passphrase: undefined, clock: Date.now };
    await stageLog({ ...request, origin: 'localhost/log/2027' });
    await recordTrust(dataPaths(data));
    expect(await describedIn('2027')).to.deep.include({
      status: 'active',
      monitoring_url: 'https://localhost/log/2027/',
    });
    await switchLog(request);
    const ended = await describedIn('2026');
    expect(ended).to.deep.include({ status: 'readonly', ...url });
    expect(ended['final_tree_head']).to.deep.include({ tree_size: 2 });
    await issue(1);
    await stop();
    expect((await describedIn('2027'))['monitoring_url']).to.equal('https://ca.example.org/log/2027/');

    // Of a log that has ended nobody else writes it in another place.
    const elsewhere = { ...tiles(), url: `s3://${fake.bucket}/other` };
    await move({ tiles: elsewhere });
    expect(await bucketUrlOf('2026')).to.contain('/other/');
    expect(await describedIn('2026')).to.deep.equal(ended);
  });

  it('issues while what it says of itself cannot be put, says so, and puts it when that passes', async function () {
    this.timeout(60_000);
    await configure();
    await move();
    fake.fault = ({ method, key }) =>
      method === 'PUT' && key.endsWith('/log.v3.json') ? 'forbid' : undefined;
    await issue(1);
    const files = async (): Promise<string> => {
      const ready = await fetch(`${service?.metricsUrl ?? ''}/readyz`);
      expect(ready.status).to.equal(200);
      return ready.text();
    };
    while (!(await files()).includes('what the log says of itself is not written')) await delay(20);
    await issue(1);
    fake.fault = () => undefined;
    while ((await files()).includes('what the log says of itself is not written')) await delay(20);
    expect(await describedIn('2026')).to.deep.include({ status: 'active' });
  });

  it('does not end a log of which the bucket would go on saying that it is in use', async () => {
    await configure();
    await move();
    await issue(1);
    await stop();
    fake.fault = ({ method, key }) =>
      method === 'PUT' && key.endsWith('/log.v3.json') ? 'forbid' : undefined;
    const freeze = ['log', 'freeze', '--data', data, '--confirm', 'localhost/log/2026'];
    const refused = await runMayfly(freeze, { env: BUCKET_CREDENTIALS });
    expect(refused.code).to.equal(1);
    expect(refused.stderr).to.contain('/log.v3.json').and.to.contain('403');
    fake.fault = () => undefined;
    expect(await describedIn('2026')).to.deep.include({ status: 'active' });
    await issue(1);
    await stop();
    const ended = await runMayfly(freeze, { env: BUCKET_CREDENTIALS });
    expect(ended.code, ended.stderr).to.equal(0);
    const described = await describedIn('2026');
    expect(described).to.deep.include({ status: 'readonly' });

    // As a version left it that put none.
    for (const key of fake.objects.keys()) if (key.endsWith('/log.v3.json')) fake.objects.delete(key);
    expect((await runMayfly(freeze, { env: BUCKET_CREDENTIALS })).code).to.equal(0);
    expect(await describedIn('2026')).to.deep.equal(described);
  });

  it('withholds no body that is in a bucket, and changes nothing', async () => {
    await move();
    const directory = join(dataPaths(data).artifacts, 'v2');
    const identity = await readArtifactLogIdentity(directory);
    const failure = await failureAs(LogError, redactEntries(directory, identity, []));
    expect(failure.code).to.equal('LOG_UNSUITABLE_STORAGE');
    expect(existsSync(join(directory, 'redacted.json'))).to.equal(false);
    expect(await checkArtifactLog(directory)).to.deep.include({ size: 1 });
  });
});
