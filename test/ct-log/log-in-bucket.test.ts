/** A log whose tiles are in a bucket: read by the service, and by readers that know the bucket alone. */
import { cpSync, existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { checkDirectory } from '../../ct-log/check-directory.ts';
import { checkLog } from '../../ct-log/check.ts';
import type { CtLog } from '../../ct-log/ct-log.ts';
import { openDirectorySource } from '../../ct-log/directory-source.ts';
import { endCtLog } from '../../ct-log/end-log.ts';
import { exportLog } from '../../ct-log/export-log.ts';
import { httpSource } from '../../ct-log/http-source.ts';
import { logKeys } from '../../ct-log/log-keys.ts';
import { LogError } from '../../tlog/core/log-error.ts';
import { verifyCheckpoint } from '../../tlog/tree/verify-head.ts';
import { startFakeBucket, withBucketCredentials, type FakeBucket } from '../support/fake-bucket.ts';
import { failureAs, failureOf } from '../support/failure.ts';
import { issuingLog, type IssuingLog } from './support/issuing-log.ts';

describe('a certificate log whose tiles are in a bucket', () => {
  let fake: FakeBucket;
  let test: IssuingLog;
  let restore: () => void;
  beforeEach(async () => {
    restore = withBucketCredentials();
    fake = await startFakeBucket();
    const { endpoint, bucket } = fake;
    const url = `s3://${bucket}/logs/2026-7`;
    test = await issuingLog('leaf_index', undefined, { tiles: { url, endpoint, addressing: 'path' } });
  });
  afterEach(async () => {
    fake.fault = () => undefined;
    await test.remove();
    await fake.close();
    restore();
  });

  let count = 0;
  const issue = async (log: CtLog, more: number): Promise<void> => {
    await test.issueWith(log, more);
    count += more;
  };
  beforeEach(() => {
    count = 0;
  });

  /** What a reader who knows the bucket alone finds. */
  const readFromBucket = async (): Promise<number> => {
    const source = httpSource(`${fake.url}/logs/2026-7`);
    const head = verifyCheckpoint(await source.checkpoint(), logKeys(test.identity));
    const { size, root } = head;
    const known = { head: { size, root, timestamp: undefined }, headName: 'checkpoint' };
    const result = await checkLog(source, { ...known, sctExtensions: undefined });
    expect(result).to.deep.include({ ok: true, entries: size });
    return size;
  };

  const check = async (): Promise<unknown> => checkDirectory(await openDirectorySource(test.directory));

  it('is whole in the bucket at every size, over restarts and after its end', async () => {
    for (const more of [0, 7, 249, 1, 300]) {
      const log = await test.open();
      expect(log.notes).to.have.length(1);
      await issue(log, more);
      await log.close();
      expect(await readFromBucket()).to.equal(count);
      expect(await check()).to.deep.include({ ok: true, entries: count });
    }
    const { directory, signers } = test;
    expect(existsSync(join(directory, 'tile'))).to.equal(false);
    expect(existsSync(join(directory, 'issuer'))).to.equal(false);
    expect([...fake.objects.keys()].filter((key) => key.includes('/probe/'))).to.deep.equal([]);
    const { head } = await endCtLog({ directory, signers, chain: test.ca.authority.chain, clock: Date.now });
    expect(head.size).to.equal(count);
    expect(await readFromBucket()).to.equal(count);
    const ended = await test.open();
    expect(ended.status().frozenAt).to.be.a('number');
    expect((await ended.reader.tile('tile/data/000')).length).to.be.greaterThan(0);
  });

  it('publishes while it runs, and removes partial tiles once there is the full one', async () => {
    const log = await test.open();
    await issue(log, 200);
    while (!fake.objects.has('logs/2026-7/tile/0/000.p/200')) await turn();
    await issue(log, 400);
    const isTidy = (): boolean => ![...fake.objects.keys()].some((key) => key.includes('/000.p/200'));
    while (!isTidy() || (await readFromBucket()) < 600) await turn();
  });

  it('ends only when the last checkpoint is in the bucket', async () => {
    const log = await test.open();
    await issue(log, 7);
    fake.fault = ({ method, key }) =>
      method === 'PUT' && key.endsWith('/checkpoint') ? 'forbid' : undefined;
    await log.close();
    const { directory, signers } = test;
    const end = () => endCtLog({ directory, signers, chain: test.ca.authority.chain, clock: Date.now });
    expect(await failureOf(end()))
      .to.be.instanceOf(LogError)
      .with.property('code', 'LOG_STORAGE');
    fake.fault = () => undefined;
    expect((await end()).head.size).to.equal(7);
    expect(await readFromBucket()).to.equal(7);
  });

  it('goes on while the bucket is down until too much waits for it, refuses then, and comes back by itself', async () => {
    const log = await test.open({ limits: { tileBacklog: 2 } });
    await issue(log, 100);
    // Refused at once, so that nothing has to be waited for.
    fake.fault = () => 'forbid';
    await issue(log, 300);
    while (log.status().tileFailure === undefined) await turn();
    const refusals = new Set<string>();
    const noted = (error: unknown): void => void refusals.add((error as LogError).code);
    while (log.refusal() === undefined) await issue(log, 64).catch(noted);
    expect([...refusals]).to.deep.equal(['LOG_UNAVAILABLE']);
    expect(log.status().failed).to.contain('403 AccessDenied');
    fake.fault = () => undefined;
    while (log.refusal() !== undefined) await turn();
    await issue(log, 1);
    const { size } = log.status();
    await log.close();
    expect(await readFromBucket()).to.equal(size);
    expect(await check()).to.deep.include({ ok: true, entries: size });
  });

  it('is not opened with a store that takes several writers for the first one', async () => {
    fake.isLax = true;
    const failure = await failureOf(test.open());
    expect(failure).to.be.instanceOf(LogError).with.property('code', 'LOG_UNSUITABLE_STORAGE');
    fake.isLax = false;
    await test.open();
  });

  it('is refused with an old directory beside the newer bucket', async () => {
    const log = await test.open();
    await issue(log, 7);
    await log.close();
    const old = `${test.directory}-old`;
    cpSync(test.directory, old, { recursive: true });
    const again = await test.open();
    // Less than a tile: the checkpoint there says it.
    await issue(again, 2);
    await again.close();
    rmSync(test.directory, { recursive: true });
    cpSync(old, test.directory, { recursive: true });
    const failure = await failureAs(LogError, test.open());
    expect(failure.code).to.equal('LOG_ROLLED_BACK');
    expect(failure.message).to.contain('holds 7 entries, but the log had at least 9 before');
  });

  it('is exported as a log of files is', async () => {
    const log = await test.open();
    await issue(log, 300);
    await log.close();
    const out = join(test.root, 'copy');
    const source = await openDirectorySource(test.directory);
    const description = JSON.stringify(
      log.reader.logV3Json({
        url: 'https://log.example.org/2026',
        intendedUse: 'test',
        software: { name: 'x', version: '1' },
      }),
    );
    expect((await exportLog({ source, out, description })).head.size).to.equal(300);
  });
});

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 10));
