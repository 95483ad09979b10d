import { execFileSync } from 'node:child_process';
import { appendFileSync, cpSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { openForWriting } from '../../tlog/store/commit-database.ts';
import type { Batch, CommitStore } from '../../tlog/store/commit-store.ts';
import { committer } from '../../tlog/store/commit-transaction.ts';
import { LogError } from '../../tlog/core/log-error.ts';
import type { CtLog } from '../../ct-log/ct-log.ts';
import { sqliteCommitStore } from '../../tlog/store/sqlite-commit-store.ts';
import { foreignReader } from './support/foreign-reader.ts';
import { entry, testLog, type TestLog } from './support/test-log.ts';
import { failureOf } from '../support/failure.ts';

/** As a backup program or a `sqlite3` shell holds a database that it reads. */
function reader(path: string): DatabaseSync {
  const db = new DatabaseSync(path, { readOnly: true });
  db.exec('BEGIN');
  db.prepare('SELECT size FROM head').get();
  return db;
}

describe('ct-log/log beside a program that reads commit.db and does not finish', function () {
  this.timeout(60_000);
  let test: TestLog;
  beforeEach(async () => {
    test = await testLog();
  });
  afterEach(() => test.remove());

  /** Logs megabytes until the status is as wanted. */
  const growUntil = async (log: CtLog, isSo: () => boolean): Promise<void> => {
    for (let i = 0; !isSo(); i += 20) {
      const batch = Array.from({ length: 20 }, (_, at) => ({
        ...entry(i + at),
        precertificate: Buffer.alloc(200_000, `${i + at} `),
      }));
      await Promise.all(batch.map((value) => log.append(value)));
      await delay(20);
    }
  };

  it('says that the commit store grows, and keeps it small again when that program has ended', async () => {
    const log = await test.open();
    const foreign = reader(join(test.directory, 'commit.db'));
    await growUntil(log, () => log.status().storeGrowth !== undefined);
    const { storeGrowth, walBytes } = log.status();
    expect(storeGrowth).to.match(
      /commit\.db-wal has grown to \d+ MB: a program reads commit\.db and does not finish/,
    );
    expect(walBytes).to.be.greaterThan(64 * 1024 * 1024);
    expect(log.refusal()).to.equal(undefined);
    foreign.close();
    await growUntil(log, () => log.status().storeGrowth === undefined);
    expect(statSync(join(test.directory, 'commit.db-wal')).size).to.be.below(32 * 1024 * 1024);
  });

  it('does not start after a kill, names what may hold it, and starts when it is gone', async () => {
    const log = await test.open();
    await log.append(entry(0));
    const killed = join(test.root, 'killed');
    cpSync(test.directory, killed, { recursive: true });
    const foreign = reader(join(killed, 'commit.db'));
    const failure: unknown = await failureOf(test.open({ directory: killed }));
    expect(failure).to.be.instanceOf(LogError).with.property('code', 'LOG_LOCKED');
    expect((failure as LogError).message).to.match(/commit\.db is held by a program that reads it/);
    expect((failure as LogError).hint).to.match(/backup program.*sqlite3.*mayfly log.*fuser/);
    foreign.close();
    expect((await test.open({ directory: killed })).status().size).to.equal(1);
  });

  /** The commit store in `directory` copied, by another process: to close a file is to drop this process's locks on it. */
  const copied = (directory: string, name: string): string => {
    const copy = join(test.root, name);
    mkdirSync(copy);
    for (const file of ['commit.db', 'commit.db-wal'])
      execFileSync('cp', [join(directory, file), join(copy, file)]);
    return join(copy, 'commit.db');
  };

  /** Leaves in the WAL of `directory` what a commit leaves of which the sync failed: all its frames, which SQLite does not
   * know of as long as somebody has the database open. */
  const leaveFrames = (directory: string, { expected, next, entries, pruneBelow }: Batch): void => {
    const path = copied(directory, `of-${next.size}`);
    const before = statSync(`${path}-wal`).size;
    const db = openForWriting(path);
    const lengths = entries.map(({ length }) => length);
    committer(db)({ expected, next, memory: Buffer.concat(entries), lengths, pruneBelow });
    appendFileSync(join(directory, 'commit.db-wal'), readFileSync(`${path}-wal`).subarray(before));
    db.close();
  };

  /** The store of the log, of which the sync of the next commit fails when `failNext` names a directory: the frames are
   * left there. */
  class Failing implements CommitStore {
    failNext: string | undefined;
    readonly #store = sqliteCommitStore(test.directory, test.identity);

    readonly load = (): ReturnType<CommitStore['load']> => this.#store.load();
    readonly recover = (): ReturnType<CommitStore['recover']> => this.#store.recover();
    readonly close = (): Promise<void> => this.#store.close();

    async commit(batch: Batch): Promise<void> {
      const directory = this.failNext;
      if (directory === undefined) return this.#store.commit(batch);
      this.failNext = undefined;
      leaveFrames(directory, batch);
      throw new LogError('LOG_STORAGE', 'EIO');
    }
  }

  it('goes on by itself after a commit that failed, although that program keeps it from the view', async () => {
    const commits = new Failing();
    const log = await test.open({ stores: { commits } });
    await log.append(entry(0));
    const foreign = await foreignReader(join(test.directory, 'commit.db'));
    expect(foreign.size).to.equal(1);
    commits.failNext = test.directory;
    const failure: unknown = await failureOf(log.append(entry(1)));
    expect(failure).to.be.instanceOf(LogError);
    while (log.status().failed !== undefined) {
      expect(log.status().blocked).to.equal(undefined);
      await delay(20);
    }
    expect(log.status().size).to.equal(1);
    expect((await log.append(entry(2))).index).to.equal(1);
    await log.close();
    await foreign.close();
    expect((await test.open()).status().size).to.equal(2);
  });

  it('changes nothing while it opens another head than was judged', async () => {
    const commits = new Failing();
    const log = await test.open({ stores: { commits } });
    await log.append(entry(0));
    const killed = join(test.root, 'judged');
    execFileSync('cp', ['-r', test.directory, killed]);
    execFileSync('rm', [join(killed, 'commit.db-shm')]);
    const foreign = await foreignReader(join(killed, 'commit.db'));
    commits.failNext = killed;
    await log.append(entry(1)).catch(() => undefined);
    const store = sqliteCommitStore(killed, test.identity);
    expect((await store.load()).head.size).to.equal(2);
    const wal = readFileSync(join(killed, 'commit.db-wal'));
    const stale: unknown = await failureOf(store.recover());
    expect(stale).to.be.instanceOf(LogError).with.property('code', 'LOG_STALE');
    expect(readFileSync(join(killed, 'commit.db-wal'))).to.deep.equal(wal);
    expect((await store.load()).head.size).to.equal(1);
    await store.recover();
    await store.close();
    await foreign.close();
  });

  it('starts after a kill between the sync of a commit and its end, with what that program can see', async () => {
    const commits = new Failing();
    const log = await test.open({ stores: { commits } });
    await log.append(entry(0));
    const killed = join(test.root, 'killed');
    execFileSync('cp', ['-r', test.directory, killed]);
    execFileSync('rm', [join(killed, 'commit.db-shm')]);
    const foreign = await foreignReader(join(killed, 'commit.db'));
    commits.failNext = killed;
    await log.append(entry(1)).catch(() => undefined);
    const started = await test.open({ directory: killed });
    expect(started.status().size).to.equal(1);
    expect((await started.append(entry(2))).index).to.equal(1);
    await started.close();
    await foreign.close();
    expect((await test.open({ directory: killed })).status().size).to.equal(2);
  });
});
