import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { expect } from 'chai';
import { lookAtCopy, removeCopies } from '../../storage/database-copy.ts';
import { FileFault } from '../../storage/file-fault.ts';

describe('storage/database-copy', () => {
  let root: string;
  let path: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'mayfly-copy-'));
    path = join(root, 'commit.db');
    writeFileSync(path, 'database');
    writeFileSync(`${path}-wal`, 'wal');
  });
  afterEach(() => {
    rmSync(root, { recursive: true });
  });

  it('shows the database as it is without its WAL, and then with it, beside the real one', () => {
    const seen = lookAtCopy(path, (copy) => {
      expect(basename(copy.path)).to.equal('commit.db');
      expect(copy.path).to.not.equal(path);
      const before = existsSync(`${copy.path}-wal`);
      copy.addWal();
      const both = [copy.path, `${copy.path}-wal`].map((file) => readFileSync(file, 'utf8'));
      // What is looked at may be changed by that.
      for (const file of [copy.path, `${copy.path}-wal`]) writeFileSync(file, 'changed');
      return [before, ...both];
    });
    expect(seen).to.deep.equal([false, 'database', 'wal']);
    expect(readFileSync(path, 'utf8') + readFileSync(`${path}-wal`, 'utf8')).to.equal('databasewal');
  });

  it('needs no WAL', () => {
    rmSync(`${path}-wal`);
    lookAtCopy(path, (copy) => {
      copy.addWal();
      expect(existsSync(`${copy.path}-wal`)).to.equal(false);
    });
  });

  it('leaves nothing behind, also when the look or a copy fails, which names the file', () => {
    const look = (): never => {
      throw new Error('seen');
    };
    expect(() => lookAtCopy(path, look)).to.throw('seen');
    expect(readdirSync(root).sort()).to.deep.equal(['commit.db', 'commit.db-wal']);
    rmSync(`${path}-wal`);
    mkdirSync(`${path}-wal`);
    const withWal = (): void => {
      lookAtCopy(path, (copy) => {
        copy.addWal();
      });
    };
    expect(withWal).to.throw(FileFault, /commit\.db-wal cannot be copied \(E/);
    rmSync(path);
    expect(withWal).to.throw(FileFault, /commit\.db cannot be copied \(ENOENT/);
    expect(readdirSync(root)).to.deep.equal(['commit.db-wal']);
  });

  it('removes the copies of this database that a crash left, and nothing else', () => {
    for (const name of [
      '.opening-commit.db-Ab12Cd',
      '.opening-commit.db-xyzxyz',
      '.opening-replay.db-Ab12Cd',
    ]) {
      mkdirSync(join(root, name));
      writeFileSync(join(root, name, 'commit.db'), '');
    }
    removeCopies(path);
    expect(readdirSync(root).sort()).to.deep.equal([
      ...['.opening-replay.db-Ab12Cd', 'commit.db', 'commit.db-wal'],
    ]);
  });
});
