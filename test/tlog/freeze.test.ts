import { expect } from 'chai';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { toBase64 } from '../../core/bytes.ts';
import { openForReading } from '../../tlog/store/commit-database.ts';
import { openReadOnlyCtLog } from '../../ct-log/read-only-log.ts';
import { openDirectorySource } from '../../ct-log/directory-source.ts';
import { freezeLog } from '../../tlog/freeze.ts';
import { LogError } from '../../tlog/core/log-error.ts';
import { logKeys } from '../../ct-log/log-keys.ts';
import { verifyCheckpoint } from '../../tlog/tree/verify-head.ts';
import { entry, testLog, type TestLog } from '../ct-log/support/test-log.ts';

const NOW = Date.UTC(2026, 11, 31);

describe('tlog/freeze', () => {
  let test: TestLog;
  beforeEach(async () => {
    test = await testLog();
  });
  afterEach(() => test.remove());

  const freeze = () => freezeLog(test.directory, test.identity, logKeys(test.identity), () => NOW);
  const codeOf = (run: Promise<unknown>): Promise<string> =>
    run.then(
      () => 'none',
      (error: unknown) => (error instanceof LogError ? error.code : String(error)),
    );
  const fill = async (from: number, to: number): Promise<void> => {
    const log = await test.open();
    await Promise.all(Array.from({ length: to - from }, (_, i) => log.append(entry(from + i))));
    await log.close();
  };

  it('ends a log for good: it is read as before, and takes nothing', async () => {
    await fill(0, 300);
    const { head, frozenAt } = await freeze();
    expect([head.size, frozenAt]).to.deep.equal([300, NOW]);
    for (let opened = 0; opened < 2; opened++) {
      const log = await test.open();
      expect(await codeOf(log.append(entry(300)))).to.equal('LOG_FROZEN');
      expect(log.status()).to.include({ size: 300, frozenAt: NOW });
      expect(log.warnings.join()).to.include('ended at 2026-12-31T00:00:00Z');
      expect((await log.reader.getEntries(299, 300)).entries).to.have.length(1);
      const described = log.reader.logV3Json({
        url: 'https://localhost/log/2026',
        intendedUse: 'test',
        software: { name: 'test', version: '1' },
      });
      expect(described).to.deep.include({
        status: 'readonly',
        status_timestamp: '2026-12-31T00:00:00Z',
        final_tree_head: {
          sha256_root_hash: toBase64(head.root),
          tree_size: 300,
          timestamp: head.timestamp,
        },
      });
      await log.close();
      const { size, root } = verifyCheckpoint(
        await readFile(join(test.directory, 'checkpoint')),
        logKeys(test.identity),
      );
      expect([size, toBase64(root)]).to.deep.equal([300, toBase64(head.root)]);
    }
    const source = await openDirectorySource(test.directory);
    expect(source.frozenAt).to.equal(NOW);
  });

  it('is known by its format, so that an older version refuses it in place of going on', async () => {
    await fill(0, 3);
    const format = (): unknown => {
      const db = openForReading(join(test.directory, 'commit.db'));
      const value = db.prepare("SELECT value FROM meta WHERE key = 'format'").get()?.['value'];
      db.close();
      return value;
    };
    expect(format()).to.deep.equal(Uint8Array.of(1));
    await freeze();
    expect(format()).to.deep.equal(Uint8Array.of(2));
    const db = new DatabaseSync(join(test.directory, 'commit.db'));
    db.prepare("UPDATE meta SET value = ? WHERE key = 'format'").run(Uint8Array.of(4));
    db.close();
    expect(await codeOf(test.open())).to.equal('LOG_CORRUPT');
  });

  it('is read under its last head, and under no earlier one that was put back', async () => {
    const checkpoint = join(test.directory, 'checkpoint');
    await fill(0, 3);
    const earlier = await readFile(checkpoint);
    await fill(3, 5);
    await freeze();
    await (await openReadOnlyCtLog(test.directory, [])).close();
    await writeFile(checkpoint, earlier);
    expect(await codeOf(openReadOnlyCtLog(test.directory, []))).to.equal('LOG_CORRUPT');
  });

  it('leaves a log that has ended as it is', async () => {
    await fill(0, 3);
    await freeze();
    const again = await freezeLog(test.directory, test.identity, logKeys(test.identity), () => NOW + 1e9);
    expect(again.frozenAt).to.equal(NOW);
  });

  it('ends no log that is being written', async () => {
    const log = await test.open();
    await log.append(entry(0));
    expect(await codeOf(freeze())).to.equal('LOG_LOCKED');
    expect((await log.append(entry(1))).index).to.equal(1);
    await log.close();
    expect((await freeze()).head.size).to.equal(2);
  });

  it('holds the log while it ends it', async () => {
    await fill(0, 3);
    let other: unknown;
    const clock = (): number => {
      const lock = new DatabaseSync(join(test.directory, 'lock.db'), { timeout: 0 });
      try {
        lock.exec('BEGIN EXCLUSIVE');
      } catch (error) {
        other = error;
      }
      lock.close();
      return NOW;
    };
    expect((await freezeLog(test.directory, test.identity, logKeys(test.identity), clock)).frozenAt).to.equal(
      NOW,
    );
    expect(String(other)).to.include('locked');
  });

  it('ends no log that has gone on since its last head was signed', async () => {
    await fill(0, 3);
    const old = await readFile(join(test.directory, 'checkpoint'));
    await fill(3, 5);
    await writeFile(join(test.directory, 'checkpoint'), old);
    expect(await codeOf(freeze())).to.equal('LOG_HEAD_MOVED');
    await fill(5, 6);
    expect((await freeze()).head.size).to.equal(6);
  });

  it('ends an empty log, too', async () => {
    await (await test.open()).close();
    expect((await freeze()).head.size).to.equal(0);
    expect(await codeOf((await test.open()).append(entry(0)))).to.equal('LOG_FROZEN');
  });
});
