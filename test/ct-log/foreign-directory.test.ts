import { execFileSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect } from 'chai';
import { messageOf } from '../../core/errors.ts';
import { checkDirectory } from '../../ct-log/check-directory.ts';
import { checkLog } from '../../ct-log/check.ts';
import { openDirectorySource } from '../../ct-log/directory-source.ts';
import { exportLog } from '../../ct-log/export-log.ts';
import { LogError } from '../../tlog/core/log-error.ts';
import { logKeys } from '../../ct-log/log-keys.ts';
import { staticSource } from '../../ct-log/static-source.ts';
import { verifyCheckpoint } from '../../tlog/tree/verify-head.ts';
import { runMayfly, startMayfly, type MayflyProcess } from '../support/mayfly.ts';
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

const changed =
  (sql: string) =>
  (path: string): void => {
    const db = new DatabaseSync(path, { defensive: false });
    db.exec(sql);
    db.close();
  };

const ENDLESS = 'WITH RECURSIVE c(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM c)';

/** Databases that SQLite reads without end or into more memory than there is, and what is said of them. */
const DATABASES: Record<string, readonly [make: (path: string) => void, says: RegExp]> = {
  'a view without an end in the place of a table': [
    changed(`DROP TABLE entry; CREATE VIEW entry AS ${ENDLESS} SELECT n AS idx, x'00' AS bytes FROM c`),
    /its tables are none of ours/,
  ],
  'a view of the head': [
    changed(
      `DROP TABLE head; CREATE VIEW head AS ${ENDLESS} SELECT 1 AS one, n AS size, x'' AS root, 1 AS timestamp FROM c WHERE n < 0`,
    ),
    /its tables are none of ours/,
  ],
  'a column that is made of nothing': [
    changed(
      'DROP TABLE entry; CREATE TABLE entry (idx INTEGER PRIMARY KEY, bytes BLOB AS (zeroblob(idx + 900000000)));' +
        `INSERT INTO entry (idx) ${ENDLESS} SELECT n FROM c LIMIT 44`,
    ),
    /its tables are none of ours/,
  ],
  'a list of tables whose pages refer to each other': [spreadList, /list of its tables is none of ours/],
  'rows that share their bytes': [sharedRows, /longer than the file/],
};

/** Page `child` as often as there is room, in the header at `at` of a page that refers to others. */
function referring(page: Buffer, at: number, child: number): Buffer {
  const [count, cell] = [500, 5];
  const start = page.length - count * cell;
  page[at] = 5;
  page.writeUInt16BE(0, at + 1);
  page.writeUInt16BE(count, at + 3);
  page.writeUInt16BE(start, at + 5);
  page.writeUInt32BE(child, at + 8);
  for (let i = 0; i < count; i++) {
    page.writeUInt16BE(start + i * cell, at + 12 + 2 * i);
    page.writeUInt32BE(child, start + i * cell);
    page[start + i * cell + 4] = 1;
  }
  return page;
}

/** The first page leads to twelve others, one below the other, and the last one to a table that may be there already. */
function spreadList(path: string): void {
  rmSync(path);
  changed(
    'PRAGMA page_size = 8192; CREATE TABLE meta (key); PRAGMA writable_schema = ON;' +
      "UPDATE sqlite_schema SET sql = 'CREATE TABLE IF NOT EXISTS meta (key)'",
  )(path);
  const [file, size, depth] = [readFileSync(path), 8192, 12];
  const count = file.length / size;
  const leaf = Buffer.concat([file.subarray(100, 110), Buffer.alloc(90), file.subarray(100, size)]).subarray(
    0,
    size,
  );
  const first = referring(Buffer.from(file.subarray(0, size)), 100, count + 1);
  first.writeUInt32BE(count + depth + 1, 28);
  const pages = Array.from({ length: depth }, (_, i) => referring(Buffer.alloc(size), 0, count + 2 + i));
  writeFileSync(path, Buffer.concat([first, file.subarray(size), ...pages, leaf]));
}

/** Seven rows of a megabyte, which is in the file once: each refers to the bytes of the first. */
function sharedRows(path: string): void {
  const [rows, length, size] = [7, 1_000_000, 8192];
  changed(
    `DELETE FROM entry; VACUUM; UPDATE head SET size = ${rows};` +
      `INSERT INTO entry (idx, bytes) ${ENDLESS} SELECT n, zeroblob(${length}) FROM c LIMIT ${rows}`,
  )(path);
  const db = new DatabaseSync(path, { readOnly: true });
  const root = Number(
    db.prepare("SELECT rootpage FROM sqlite_schema WHERE name = 'entry'").get()?.['rootpage'],
  );
  db.close();
  const file = readFileSync(path);
  const page = file.subarray((root - 1) * size, root * size);
  // https://www.sqlite.org/fileformat2.html, 1.6: length, number, what is on the page of the record, and the page where the rest is.
  const record = length + 5;
  const least = Math.floor(((size - 12) * 32) / 255) - 23;
  const more = least + ((record - least) % (size - 4));
  const kept = more <= size - 35 ? more : least;
  const places = Array.from({ length: rows }, (_, i) => page.readUInt16BE(8 + 2 * i) + 4 + kept);
  const rest = page.readUInt32BE(places[0] ?? 0);
  for (const place of places) page.writeUInt32BE(rest, place);
  const pages = rest + Math.ceil((record - kept) / (size - 4)) - 1;
  file.writeUInt32BE(pages, 28);
  writeFileSync(path, file.subarray(0, pages * size));
}

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
        // Damage of a tile is an answer of the check; of what the check needs first, a failure.
        const seen = await readAll(here).catch(messageOf);
        expect(typeof seen === 'string' ? seen : JSON.stringify(seen), name).to.include(name);
        expect(seen).not.to.have.property('ok', true);
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

  let running: MayflyProcess | undefined;
  afterEach(() => running?.child.kill('SIGKILL'));
  for (const [what, [make, says]] of Object.entries(DATABASES))
    it(`ends a command where commit.db has ${what}`, async () => {
      cpSync(test.directory, here, { recursive: true });
      for (const suffix of ['-wal', '-shm']) rmSync(join(here, `commit.db${suffix}`));
      make(join(here, 'commit.db'));
      running = startMayfly(['log', 'check', '--data', here]);
      running.firstLine.catch(() => undefined);
      expect(await running.ended).to.equal(1);
      expect(running.stdout() + running.stderr())
        .to.match(says)
        .and.contain(join(here, 'commit.db'));
    });

  it('takes no lock in a file that is not empty', async () => {
    cpSync(test.directory, here, { recursive: true });
    spreadList(join(here, 'commit.db'));
    renameSync(join(here, 'commit.db'), join(here, 'lock.db'));
    cpSync(join(test.directory, 'commit.db'), join(here, 'commit.db'));
    const error: unknown = await failureOf(test.open({ directory: here }));
    expect(error).to.be.instanceOf(LogError).with.property('code', 'LOG_CORRUPT');
    expect((error as LogError).message).to.include('lock.db is damaged');
  });

  it('ends a command where the list of tables is in the WAL', async () => {
    cpSync(test.directory, here, { recursive: true });
    const path = join(here, 'commit.db');
    const db = new DatabaseSync(path);
    for (let i = 0; i < 200; i++) db.exec(`CREATE TABLE other${i} (a)`);
    const there = join(test.root, 'there');
    cpSync(here, there, { recursive: true });
    db.close();
    const error: unknown = await failureOf(
      openDirectorySource(there).then((source) => checkDirectory(source)),
    );
    expect(error).to.be.instanceOf(LogError).with.property('message').that.includes('list of its tables');
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
