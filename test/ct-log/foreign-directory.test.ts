import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { checkDirectory } from '../../ct-log/check-directory.ts';
import { checkLog } from '../../ct-log/check.ts';
import { openDirectorySource } from '../../ct-log/directory-source.ts';
import { exportLog } from '../../ct-log/export-log.ts';
import { LogError } from '../../tlog/core/log-error.ts';
import { logKeys } from '../../ct-log/log-keys.ts';
import { staticSource } from '../../ct-log/static-source.ts';
import { verifyCheckpoint } from '../../tlog/tree/verify-head.ts';
import { runMayfly } from '../support/mayfly.ts';
import { issuingLog, type IssuingLog } from './support/issuing-log.ts';
import { failureOf } from '../support/failure.ts';

const DESCRIPTION = JSON.stringify({ any: 'text' });

/** What somebody else puts in the place of a file. */
const TRAPS: Record<string, (path: string) => void> = {
  'a pipe that nobody writes to': (path) => {
    execFileSync('mkfifo', [path]);
  },
  'a device without an end': (path) => {
    symlinkSync('/dev/zero', path);
  },
  'a directory': (path) => {
    mkdirSync(path);
  },
};

describe('ct-log: a directory that somebody else made', function () {
  this.timeout(60_000);
  let test: IssuingLog;
  let exported: string;
  let here: string;
  before(async () => {
    test = await issuingLog();
    await (await test.issue(300)).log.close();
    exported = join(test.root, 'exported');
    const source = await openDirectorySource(test.directory);
    await exportLog({ source, out: exported, description: DESCRIPTION });
    // A WAL, which an orderly end does not leave.
    for (const suffix of ['-wal', '-shm']) writeFileSync(join(test.directory, `commit.db${suffix}`), '');
  });
  after(() => test.remove());
  beforeEach(() => {
    here = join(test.root, 'here');
    rmSync(here, { recursive: true, force: true });
  });

  const put = (from: string, name: string, trap: (path: string) => void): void => {
    rmSync(here, { recursive: true, force: true });
    cpSync(from, here, { recursive: true });
    rmSync(join(here, name), { recursive: true });
    trap(join(here, name));
  };
  const readAll = async (directory: string): Promise<unknown> => {
    const source = await openDirectorySource(directory);
    await source.chainCertificate(readdirSync(join(directory, 'issuer'))[0] ?? '');
    return checkDirectory(source);
  };
  const readExported = async (directory: string, deadline?: AbortSignal): Promise<unknown> => {
    const source = staticSource(directory, deadline);
    await source.description();
    const head = verifyCheckpoint(await source.checkpoint(), logKeys(test.identity));
    await source.chainCertificate(readdirSync(join(directory, 'issuer'))[0] ?? '');
    return checkLog(source, { head, headName: 'checkpoint', sctExtensions: undefined });
  };

  it('is read as any other when nothing is wrong', async () => {
    cpSync(test.directory, here, { recursive: true });
    expect(await readAll(here)).to.deep.include({ ok: true, entries: 300 });
    expect(await readExported(exported)).to.deep.include({ ok: true, entries: 300 });
  });

  for (const [what, trap] of Object.entries(TRAPS)) {
    it(`is read to an end with ${what} in the place of any file of a log`, async () => {
      const issuer = join('issuer', readdirSync(join(test.directory, 'issuer'))[0] ?? '');
      const names = ['log.json', 'commit.db', 'commit.db-wal', 'commit.db-shm', 'checkpoint'];
      for (const name of [...names, 'tile/0/000', 'tile/data/000', issuer]) {
        put(test.directory, name, trap);
        const error: unknown = await failureOf(readAll(here));
        expect(error, name).to.be.instanceOf(Error).with.property('message').that.includes(name);
      }
    });

    it(`is read to an end with ${what} in the place of any file of an exported log`, async () => {
      const issuer = join('issuer', readdirSync(join(exported, 'issuer'))[0] ?? '');
      for (const name of ['checkpoint', 'log.v3.json', 'tile/0/000', 'tile/data/001.p/44', issuer]) {
        put(exported, name, trap);
        const error: unknown = await failureOf(readExported(here));
        expect(error, name).to.be.instanceOf(LogError).with.property('message').that.includes(name);
      }
    });

    it(`opens no log for writing with ${what} in it`, async () => {
      const issuer = join('issuer', readdirSync(join(test.directory, 'issuer'))[0] ?? '');
      for (const name of ['log.json', 'commit.db', 'commit.db-wal', 'checkpoint', 'tile/0/000', issuer]) {
        put(test.directory, name, trap);
        const error: unknown = await failureOf(test.open({ directory: here }));
        expect(error, name).to.be.instanceOf(LogError).with.property('message').that.includes(name);
      }
    });
  }

  it('is not read beyond what a file may have', async () => {
    for (const [name, size] of [
      ['checkpoint', 2 ** 20],
      ['log.v3.json', 2 ** 20],
      ['tile/0/000', 2 ** 20],
      ['tile/data/000', 2 ** 26],
    ] as const) {
      put(exported, name, (path) => {
        writeFileSync(path, '');
        truncateSync(path, size + 1);
      });
      const error: unknown = await failureOf(readExported(here));
      expect(error, name).to.be.instanceOf(LogError).with.property('message').that.includes('is larger than');
    }
  });

  it('is read no longer than a command was given', async () => {
    const over = AbortSignal.abort();
    const source = staticSource(exported, over);
    const directory = await openDirectorySource(test.directory, over);
    for (const read of [
      () => source.checkpoint(),
      () => source.description(),
      () => source.tile('tile/0/000'),
      () => directory.checkpoint(),
      () => directory.tile('tile/data/000'),
      async () => (await directory.reread()).chainCertificate('00'.repeat(32)),
    ]) {
      const error: unknown = await failureOf(read());
      expect(error).to.be.instanceOf(LogError).with.property('code', 'LOG_STORAGE');
      expect((error as LogError).message).to.include('the time for the whole command is up');
    }
  });

  it('ends a command, which says what is in the way', async () => {
    put(exported, 'log.v3.json', (path) => {
      execFileSync('mkfifo', [path]);
    });
    const { code, stderr } = await runMayfly(['log', 'status', '--data', here, '--timeout', '60']);
    expect(code).to.equal(3);
    expect(stderr).to.match(/log\.v3\.json cannot be read \(is not a file\)/);
    expect((await runMayfly(['log', 'status', '--data', here, '--timeout', 'soon'])).code).to.equal(2);
  });
});
