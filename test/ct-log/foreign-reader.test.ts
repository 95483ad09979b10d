import { cpSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { LogError } from '../../ct-log/log-error.ts';
import type { CtLog } from '../../ct-log/log.ts';
import { entry, testLog, type TestLog } from './support/test-log.ts';

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
    const failure: unknown = await test.open({ directory: killed }).catch((error: unknown) => error);
    expect(failure).to.be.instanceOf(LogError).with.property('code', 'LOG_LOCKED');
    expect((failure as LogError).message).to.match(/commit\.db is held by a program that reads it/);
    expect((failure as LogError).hint).to.match(/backup program.*sqlite3.*mayfly log.*fuser/);
    foreign.close();
    expect((await test.open({ directory: killed })).status().size).to.equal(1);
  });
});
