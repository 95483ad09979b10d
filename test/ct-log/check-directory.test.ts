import { copyFileSync, cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { checkDirectory } from '../../ct-log/check-directory.ts';
import { openDirectorySource, type DirectorySource } from '../../ct-log/directory-source.ts';
import { checkpointSigners } from '../../ct-log/log-keys.ts';
import { headSigner } from '../../tlog/sequence/head-signer.ts';
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

  it('is not content with a checkpoint that the keys of the log signed over another tree', async () => {
    const good = readFileSync(file('checkpoint'));
    const { size } = (await openDirectorySource(test.directory)).head;
    const sign = headSigner(test.identity.origin, checkpointSigners(test.identity, test.signers));
    const other = await sign({ size, root: new Uint8Array(32).fill(7), timestamp: Date.now() });
    writeFileSync(file('checkpoint'), other.checkpoint);
    try {
      const result = await checkDirectory(await openDirectorySource(test.directory));
      expect(result.ok ? 'ok' : result.problem).to.deep.equal({
        where: 'checkpoint',
        message: `its root is not that of the first ${size} entries`,
      });
    } finally {
      writeFileSync(file('checkpoint'), good);
    }
  });

  it('is content when checkpoint and tiles went ahead because a server is running', async () => {
    expect(await checkDirectory(at200)).to.include({ ok: true, entries: 200 });
    expect(await checkDirectory(at300)).to.include({ ok: true, entries: 300 });
  });

  /** What the check says when the checkpoint file has other bytes. */
  const withCheckpoint = async (change: (text: string) => string): Promise<unknown> => {
    const good = readFileSync(file('checkpoint'), 'utf8');
    writeFileSync(file('checkpoint'), change(good));
    try {
      const result = await checkDirectory(await openDirectorySource(test.directory));
      return result.ok ? 'ok' : `${result.problem.where}: ${result.problem.message}`;
    } finally {
      writeFileSync(file('checkpoint'), good);
    }
  };

  for (const [line, kind] of [
    [5, 'ECDSA'],
    [6, 'Ed25519'],
  ] as const) {
    it(`is not content with a checkpoint whose ${kind} signature nobody can use`, async () => {
      const change = (edit: (words: string[]) => void) => (text: string) => {
        const lines = text.split('\n');
        const words = lines[line - 1]?.split(' ') ?? [];
        edit(words);
        lines[line - 1] = words.join(' ');
        return lines.join('\n');
      };
      const otherId = change(
        (words) =>
          (words[2] = Buffer.from(words[2] ?? '', 'base64')
            .fill(7, 0, 4)
            .toString('base64')),
      );
      const otherName = change((words) => (words[1] = 'localhost/log/2027'));
      for (const edit of [
        otherId,
        otherName,
        (text: string) =>
          text
            .split('\n')
            .toSpliced(line - 1, 1)
            .join('\n'),
      ])
        expect(await withCheckpoint(edit)).to.equal(
          `checkpoint: the checkpoint lacks the signature of the log's ${kind} key`,
        );
    });
  }

  it('recognizes an old commit store by the checkpoint, and without it by the tiles', async () => {
    expect(await withOldStore())
      .to.include('commit.db: it holds 300 entries')
      .and.include('at least 550 before (checkpoint)');
    const checkpoint = readFileSync(file('checkpoint'));
    rmSync(file('checkpoint'));
    expect(await withOldStore()).to.include('at least 512 before (tile/data/001)');
    writeFileSync(file('checkpoint'), checkpoint);
    expect(await checkDirectory(await openDirectorySource(test.directory))).to.include({ ok: true });
  });

  it('names a damaged WAL of a log that was killed', async () => {
    const clone = join(test.root, 'clone');
    const log = await test.open();
    for (let i = 0; i < 4; i++) await test.issueWith(log, 1);
    cpSync(test.directory, clone, { recursive: true });
    await log.close();
    const check = async (): Promise<unknown> => checkDirectory(await openDirectorySource(clone));
    expect(await check()).to.include({ ok: true });
    const wal = join(clone, 'commit.db-wal');
    const bytes = readFileSync(wal);
    bytes[100] = (bytes[100] ?? 0) ^ 1;
    writeFileSync(wal, bytes);
    expect(await check()).to.deep.include({
      problem: {
        where: 'commit.db-wal at byte 32',
        message: 'it is damaged, and later transactions follow there',
      },
    });
  });
});
