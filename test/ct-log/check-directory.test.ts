import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { checkDirectory } from '../../ct-log/check-directory.ts';
import { openDirectorySource, type DirectorySource } from '../../ct-log/directory-source.ts';
import { issuingLog, type IssuingLog } from './support/issuing-log.ts';

describe('ct-log/check-directory', function () {
  this.timeout(60_000);
  let test: IssuingLog;
  let old: string;
  /** Sources of the log when it had 200 and 300 entries. */
  let at200: DirectorySource;
  let at300: DirectorySource;
  const file = (name: string): string => join(test.directory, name);
  const grow = async (count: number): Promise<void> => (await test.issue(count)).log.close();

  before(async () => {
    test = await issuingLog();
    old = join(test.root, 'old.db');
    await grow(200);
    at200 = await openDirectorySource(test.directory);
    await grow(100);
    at300 = await openDirectorySource(test.directory);
    copyFileSync(file('commit.db'), old);
    await grow(250);
  });
  after(() => test.remove());

  /** What the check says of the directory with the old commit store; the newest is put back afterwards. */
  const withOldStore = async (): Promise<unknown> => {
    const newest = readFileSync(file('commit.db'));
    copyFileSync(old, file('commit.db'));
    try {
      const result = await checkDirectory(await openDirectorySource(test.directory));
      return result.ok ? 'ok' : `${result.problem.where}: ${result.problem.message}`;
    } finally {
      writeFileSync(file('commit.db'), newest);
    }
  };

  it('is content when checkpoint and tiles went ahead because a server is running', async () => {
    expect(await checkDirectory(at200)).to.include({ ok: true, entries: 200 });
    expect(await checkDirectory(at300)).to.include({ ok: true, entries: 300 });
  });

  it('tells an old commit store by the checkpoint, and without it by the tiles', async () => {
    expect(await withOldStore())
      .to.include('commit.db: it holds 300 entries')
      .and.include('at least 550 before (checkpoint)');
    const checkpoint = readFileSync(file('checkpoint'));
    rmSync(file('checkpoint'));
    expect(await withOldStore()).to.include('at least 512 before (tile/data/001)');
    writeFileSync(file('checkpoint'), checkpoint);
    expect(await checkDirectory(await openDirectorySource(test.directory))).to.include({ ok: true });
  });
});
