import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import {
  createCommitDatabase,
  openForWriting,
  openUnchanging,
  readHead,
} from '../../tlog/store/commit-database.ts';
import type { Head } from '../../tlog/store/commit-store.ts';
import { committer } from '../../tlog/store/commit-transaction.ts';
import { ctLogIdentity } from '../../ct-log/log-identity.ts';
import { sqliteCommitStore } from '../../tlog/store/sqlite-commit-store.ts';
import { needMounts } from '../support/skipped.ts';

const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
const LOAD = fileURLToPath(new URL(`./support/load-store.${extension}`, import.meta.url));
const MB = 1024 * 1024;
const BATCH = 64;

const IDENTITY = ctLogIdentity({
  origin: 'localhost/log/2026',
  sctExtensions: 'leaf_index',
  createdAt: 1000,
  publicKey: Uint8Array.of(7),
  ed25519PublicKey: new Uint8Array(32),
});
const head = (size: number): Head => ({
  size,
  root: new Uint8Array(32).fill(size % 251),
  timestamp: 1000 + size,
});

describe('ct-log/commit-snapshot of a WAL that is much larger than its database', function () {
  this.timeout(60_000);
  let root: string;
  /** As a kill left it while a program read and did not finish. */
  let killed: string;
  let size = 0;

  before(() => {
    root = mkdtempSync(join(tmpdir(), 'mayfly-wal-'));
    const [live, path] = [join(root, 'live'), join(root, 'live', 'commit.db')];
    mkdirSync(live);
    createCommitDatabase(path, IDENTITY, head(0));
    const reader = new DatabaseSync(path, { readOnly: true });
    reader.exec('BEGIN');
    reader.prepare('SELECT size FROM head').get();
    const db = openForWriting(path);
    db.exec('PRAGMA synchronous = OFF');
    const commit = committer(db);
    const [memory, lengths] = [new Uint8Array(BATCH * 3000), Array.from({ length: BATCH }, () => 3000)];
    for (; statSync(`${path}-wal`).size < 24 * MB; size += BATCH) {
      const pruneBelow = Math.max(0, Math.floor(size / 256) * 256 - 256);
      commit({ expected: head(size), next: head(size + BATCH), lengths, pruneBelow, memory });
    }
    killed = join(root, 'killed');
    mkdirSync(killed);
    for (const name of ['commit.db', 'commit.db-wal']) cpSync(join(live, name), join(killed, name));
    db.close();
    reader.close();
  });
  after(() => {
    rmSync(root, { recursive: true });
  });

  it('reads what it holds without a file of its size', () => {
    // 8 MB, or 16 where a block is a kilobyte.
    const command = 'ulimit -f 16384 && exec "$0" --no-warnings "$@"';
    const { stdout } = spawnSync('/bin/sh', ['-c', command, process.execPath, LOAD, killed], {
      encoding: 'utf8',
    });
    expect(JSON.parse(stdout)).to.deep.equal({ size, entries: size % 256 === 0 ? 512 : 256 + (size % 256) });
    expect(readdirSync(killed).sort()).to.deep.equal(['commit.db', 'commit.db-wal', 'lock.db']);
  });

  it('agrees with SQLite about every entry', async () => {
    const copy = join(root, 'copy');
    cpSync(killed, copy, { recursive: true });
    const store = sqliteCommitStore(copy, IDENTITY);
    const loaded = await store.load();
    await store.recover();
    await store.close();
    const again = sqliteCommitStore(copy, IDENTITY);
    expect(await again.load()).to.deep.include({ head: loaded.head, firstEntry: loaded.firstEntry });
    await again.close();
    const database = join(killed, 'commit.db');
    const alone = openUnchanging(database);
    expect(readHead(alone, database).size).to.equal(0);
    alone.close();
  });

  it('removes the copies of killed starts before it needs room itself', async () => {
    const copy = join(root, 'left');
    cpSync(killed, copy, { recursive: true });
    mkdirSync(join(copy, '.opening-commit.db-abc'));
    writeFileSync(join(copy, '.opening-commit.db-abc', 'commit.db'), 'x');
    writeFileSync(join(copy, 'commit.db'), 'no database');
    const store = sqliteCommitStore(copy, IDENTITY);
    await store.load().catch(() => undefined);
    await store.close();
    expect(readdirSync(copy)).to.not.include('.opening-commit.db-abc');
  });

  it('says how much room is needed when there is none', function () {
    const bytes = [join(killed, 'commit.db'), join(killed, 'commit.db-wal')].reduce(
      (sum, path) => sum + statSync(path).size,
      0,
    );
    const mount = join(root, 'small');
    mkdirSync(mount);
    const script =
      `mount -t tmpfs -o size=${bytes + 256 * 1024} none "$1" && cp "$2"/commit.db* "$1" && ` +
      `exec "$0" --no-warnings "$3" "$1"`;
    needMounts(this);
    const args = ['-rm', '/bin/sh', '-c', script, process.execPath, mount, killed, LOAD];
    const stdout = execFileSync('unshare', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    const { code, message, hint } = JSON.parse(stdout) as Record<string, string>;
    expect(code).to.equal('LOG_STORAGE');
    expect(message).to.match(/cannot be (written|copied) \(ENOSPC/);
    expect(hint).to.match(/^Nothing was changed\..*make room for \d+ MB on that disk/);
  });
});
