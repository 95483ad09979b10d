import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect } from 'chai';
import { surveyWal, type WalSurvey } from '../../storage/wal-survey.ts';

describe('storage/wal-survey', () => {
  let root: string;
  let path: string;
  let db: DatabaseSync;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'mayfly-survey-'));
    path = join(root, 'some.db');
    db = new DatabaseSync(path);
    db.exec('PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; CREATE TABLE t (bytes BLOB) STRICT');
  });
  afterEach(() => {
    db.close();
    rmSync(root, { recursive: true });
  });

  /** The WAL as it lies there now. */
  function survey(): WalSurvey {
    const copy = join(root, 'copy-wal');
    cpSync(`${path}-wal`, copy);
    return surveyWal(copy);
  }
  const insert = (kilobytes: number): void => {
    db.prepare('INSERT INTO t VALUES (?)').run(new Uint8Array(kilobytes * 1024));
  };

  it('counts the frames of its own, and no loss for those that an earlier WAL left behind them', () => {
    insert(200);
    const before = survey();
    db.exec('PRAGMA wal_checkpoint(RESTART)');
    insert(1);
    const after = survey();
    expect(after.bytes, 'the file is not cut').to.equal(before.bytes);
    expect(after.frames).to.be.greaterThan(0).and.lessThan(before.frames);
    expect(after).to.not.have.any.keys('tornAt', 'damagedAt');
  });

  it('calls a WAL damaged from its beginning whose header has another checksum', () => {
    insert(1);
    const copy = join(root, 'bent-wal');
    const bytes = readFileSync(`${path}-wal`);
    bytes.writeUInt8(bytes.readUInt8(15) ^ 1, 15); // the number of checkpoints, which nothing else reads
    writeFileSync(copy, bytes);
    expect(surveyWal(copy)).to.deep.include({ frames: 0, damagedAt: 0 });
  });

  it('counts no frame of a transaction that has not ended, and says where those begin', () => {
    insert(1);
    const before = survey();
    db.exec('PRAGMA cache_size = 1; BEGIN');
    for (let i = 0; i < 50; i++) insert(8);
    const during = survey();
    db.exec('ROLLBACK');
    expect(during.bytes, 'some are written').to.be.greaterThan(before.bytes);
    expect(during).to.deep.include({ frames: before.frames, pages: before.pages, tornAt: before.bytes });
  });
});
