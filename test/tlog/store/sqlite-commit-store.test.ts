import { cpSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect } from 'chai';
import {
  createCommitDatabase,
  openForReading,
  openForWriting,
  readState,
} from '../../../tlog/store/commit-database.ts';
import { committer } from '../../../tlog/store/commit-transaction.ts';
import { LogError } from '../../../tlog/core/log-error.ts';
import { ctLogIdentity } from '../../../ct-log/log-identity.ts';
import { COMMIT_DATABASE, sqliteCommitStore } from '../../../tlog/store/sqlite-commit-store.ts';
import { sqliteBackend } from '../../../tlog/store/sqlite-backend.ts';
import { commitStoreContract } from './commit-store-contract.ts';
import { failureOf } from '../../support/failure.ts';

const IDENTITY = ctLogIdentity({
  origin: 'localhost/log/2026',
  sctExtensions: 'leaf_index',
  createdAt: 1000,
  publicKey: Uint8Array.of(7),
  ed25519PublicKey: new Uint8Array(32),
});
const EMPTY = { size: 0, root: new Uint8Array(32), timestamp: 1000 };

function directory(): string {
  const path = mkdtempSync(join(tmpdir(), 'mayfly-commit-'));
  createCommitDatabase(join(path, COMMIT_DATABASE), IDENTITY, EMPTY);
  return path;
}

const remove = (path: string): Promise<void> => {
  rmSync(path, { recursive: true });
  return Promise.resolve();
};

commitStoreContract('tlog/store/sqlite-backend', () => {
  const path = mkdtempSync(join(tmpdir(), 'mayfly-commit-'));
  return { backend: sqliteBackend(path), remove: () => remove(path) };
});

describe('tlog/store/sqlite-commit-store', () => {
  let path: string;
  beforeEach(() => {
    path = directory();
  });
  afterEach(() => remove(path));

  it('takes the identity of any kind of log, also one that no thread could be handed', async () => {
    const store = sqliteCommitStore(path, Object.assign({}, IDENTITY, { verify: () => true }));
    expect((await store.load()).identity.bound).to.equal(IDENTITY.text);
    await store.close();
  });

  it('loads no store whose entries have a gap, begin within a bundle, or end elsewhere than the head', async () => {
    const entries = (...indexes: readonly number[]): string =>
      indexes.map((at) => `INSERT INTO entry (idx, bytes) VALUES (${at}, x'00');`).join('');
    for (const [rows, isGood] of [
      [entries(0, 1, 2), true],
      [entries(0, 2, 3), false],
      [entries(0, 2), false],
      [entries(1, 2), false],
      [entries(0, 1), false],
      [entries(0, 1, 2, 3), false],
      ['', false],
    ] as const) {
      const other = directory();
      const db = new DatabaseSync(join(other, COMMIT_DATABASE));
      db.exec(`UPDATE head SET size = 3; ${rows}`);
      db.close();
      const store = sqliteCommitStore(other, IDENTITY);
      if (isGood) expect((await store.load()).entries).to.have.length(3);
      else {
        const failure: unknown = await failureOf(store.load());
        expect(failure, rows).to.be.instanceOf(LogError).with.property('code', 'LOG_CORRUPT');
      }
      await store.close();
      await remove(other);
    }
  });

  it('does not go on when another program changes the head while it is opened', async () => {
    for (const change of ['size = 7', "root = x'" + '11'.repeat(32) + "'", 'timestamp = 5']) {
      const other = directory();
      const store = sqliteCommitStore(other, IDENTITY);
      expect((await store.load()).head).to.deep.equal(EMPTY);
      const db = new DatabaseSync(join(other, COMMIT_DATABASE));
      db.exec(`UPDATE head SET ${change}`);
      if (change === 'size = 7')
        for (let i = 0; i < 7; i++) db.prepare("INSERT INTO entry (idx, bytes) VALUES (?, x'00')").run(i);
      db.close();
      const failure: unknown = await failureOf(store.recover());
      expect(failure, change).to.be.instanceOf(LogError).with.property('code', 'LOG_STALE');
      await store.close();
      await remove(other);
    }
  });

  it('lets others read while it writes, each a whole state', async () => {
    const store = sqliteCommitStore(path, IDENTITY);
    await store.load();
    await store.recover();
    const file = join(path, COMMIT_DATABASE);
    const reader = openForReading(file);
    const next = { size: 1, root: new Uint8Array(32).fill(1), timestamp: 1001 };
    expect(readState(reader, file).head).to.deep.equal(EMPTY);
    await store.commit({ expected: EMPTY, next, entries: [Uint8Array.of(9)], pruneBelow: 0 });
    expect(readState(reader, file)).to.deep.equal({ head: next, firstEntry: 0, entries: [Uint8Array.of(9)] });
    reader.close();
    await store.close();
  });

  it('writes through to the medium with every commit', () => {
    const db = openForWriting(join(path, COMMIT_DATABASE));
    expect(db.prepare('PRAGMA synchronous').get()?.['synchronous']).to.equal(2);
    expect(db.prepare('PRAGMA fullfsync').get()?.['fullfsync']).to.equal(1);
    expect(db.prepare('PRAGMA journal_mode').get()?.['journal_mode']).to.equal('wal');
    db.close();
  });

  it('moves what an unclean end left in the WAL into the database before it believes it', async () => {
    const left = directory();
    const [from, to] = [path, left].map((place) => join(place, COMMIT_DATABASE)) as [string, string];
    const next = { size: 1, root: new Uint8Array(32).fill(1), timestamp: 1001 };
    const killed = openForWriting(from);
    const batch = { memory: Uint8Array.of(9), lengths: [1], pruneBelow: 0 };
    committer(killed)({ expected: EMPTY, next, ...batch });
    for (const suffix of ['', '-wal']) cpSync(from + suffix, to + suffix);
    killed.close();
    expect(statSync(`${to}-wal`).size).to.be.greaterThan(0);

    const store = sqliteCommitStore(left, IDENTITY);
    const before = statSync(to).size;
    expect((await store.load()).head).to.deep.equal(next);
    expect(statSync(to).size).to.equal(before);
    expect(statSync(`${to}-wal`).size).to.be.greaterThan(0);
    await store.recover();
    expect(statSync(`${to}-wal`).size).to.equal(0);
    await store.close();
    await remove(left);
  });

  it('does not make a database where there is none', async () => {
    const nowhere = sqliteCommitStore(join(path, 'nowhere'), IDENTITY);
    const missing: unknown = await failureOf(nowhere.load());
    await nowhere.close();
    expect(missing).to.be.instanceOf(LogError);
  });

  it('answers with an error, not with silence, when it is asked after its end', async () => {
    const store = sqliteCommitStore(path, IDENTITY);
    await store.load();
    await store.recover();
    await store.close();
    await store.close();
    const failure: unknown = await failureOf(
      store.commit({ expected: EMPTY, next: EMPTY, entries: [], pruneBelow: 0 }),
    );
    expect(failure).to.be.instanceOf(LogError).with.property('code', 'LOG_STORAGE');
  });
});
