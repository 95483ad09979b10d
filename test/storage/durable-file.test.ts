import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import promises from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import {
  makeDirectory,
  removeTemporary,
  replaceDurably,
  syncDirectory,
  writeDurably,
  writeNew,
  writeNewWhole,
} from '../../storage/durable-file.ts';
import { FileFault } from '../../storage/file-fault.ts';
import { systemCode } from '../../core/errors.ts';
import { skipUnless } from '../support/skipped.ts';
import { failureOf } from '../support/failure.ts';

describe('storage/durable-file', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'mayfly-file-'));
  });
  afterEach(() => {
    rmSync(root, { recursive: true });
  });

  const code = (path: string): Promise<unknown> => makeDirectory(path).then(() => undefined, systemCode);

  it('makes a directory with its parents, for the owner alone, and again without complaint', async () => {
    const path = join(root, 'a', 'b', 'c');
    await Promise.all([makeDirectory(path), makeDirectory(path), makeDirectory(path, root)]);
    await makeDirectory(path);
    for (const name of ['a', 'a/b', 'a/b/c']) expect(statSync(join(root, name)).mode & 0o777).to.equal(0o700);
  });

  it('leaves the modes of what is there', async () => {
    mkdirSync(join(root, 'open'), { mode: 0o755 });
    await makeDirectory(join(root, 'open', 'new'));
    expect(statSync(join(root, 'open')).mode & 0o777).to.equal(0o755);
  });

  it('rejects where a file is in the way', async () => {
    writeFileSync(join(root, 'file'), '');
    expect(await code(join(root, 'file'))).to.equal('ENOTDIR');
    expect(await code(join(root, 'file', 'below'))).to.equal('ENOTDIR');
  });

  it('rejects where a link leads nowhere', async () => {
    symlinkSync('nowhere', join(root, 'link'));
    expect(await code(join(root, 'link'))).to.equal('EEXIST');
  });

  it('rejects where the system lets nobody make a directory', async function () {
    skipUnless(this, process.platform === 'linux', 'this is not Linux');
    expect(await code('/proc/mayfly')).to.equal('ENOENT');
    expect(await code('/proc/mayfly/below')).to.equal('ENOENT');
  });

  it('writes a new file with its mode, whatever the umask, and never over one that is there', async () => {
    const umask = process.umask(0o027);
    try {
      for (const write of [writeNew, writeNewWhole])
        for (const mode of [0o600, 0o644]) {
          const file = join(root, `${write.name} ${mode}`);
          await write(file, 'first', mode);
          expect(statSync(file).mode & 0o777).to.equal(mode);
          expect(statSync(file).nlink).to.equal(1);
          expect(systemCode(await failureOf(write(file, 'second', mode)))).to.equal('EEXIST');
          expect(readFileSync(file, 'utf8')).to.equal('first');
        }
      expect(readdirSync(root).filter((name) => name.startsWith('.'))).to.deep.equal([]);
    } finally {
      process.umask(umask);
    }
  });

  it('writes a new file where the file system has no links, and no other failure is taken for that', async () => {
    const { link } = promises;
    const file = join(root, 'file');
    let fault = 'EPERM';
    promises.link = () => Promise.reject(Object.assign(new Error('made up'), { code: fault }));
    syncBuiltinESMExports();
    try {
      await writeNewWhole(file, 'first', 0o600);
      expect(systemCode(await failureOf(writeNewWhole(file, 'second', 0o600)))).to.equal('EEXIST');
      fault = 'EIO';
      expect(systemCode(await failureOf(writeNewWhole(join(root, 'other'), '', 0o600)))).to.equal('EIO');
    } finally {
      promises.link = link;
      syncBuiltinESMExports();
    }
    expect(readdirSync(root)).to.deep.equal(['file']);
    expect(readFileSync(file, 'utf8')).to.equal('first');
  });

  it('replaces a file with its mode, whatever the umask, and behind a link', async () => {
    const file = join(root, 'file');
    writeFileSync(file, 'old');
    symlinkSync('file', join(root, 'link'));
    const umask = process.umask(0o077);
    try {
      for (const mode of [0o600, 0o644, 0o660]) {
        chmodSync(file, mode);
        await replaceDurably(join(root, 'link'), Buffer.from(`new ${mode}`));
        expect(readFileSync(file, 'utf8')).to.equal(`new ${mode}`);
        expect(statSync(file).mode & 0o777).to.equal(mode);
      }
    } finally {
      process.umask(umask);
    }
    expect(lstatSync(join(root, 'link')).isSymbolicLink()).to.equal(true);
    expect(readdirSync(root).sort()).to.deep.equal(['file', 'link']);
  });

  it('replaces a file of another user and leaves it theirs', async function () {
    skipUnless(this, process.getuid?.() === 0, 'only root can do this');
    const file = join(root, 'file');
    writeFileSync(file, 'old', { mode: 0o600 });
    chownSync(file, 12_345, 12_345);
    await replaceDurably(file, Buffer.from('new'));
    const { uid, gid, mode } = statSync(file);
    expect({ uid, gid, mode: mode & 0o777 }).to.deep.equal({ uid: 12_345, gid: 12_345, mode: 0o600 });
  });

  it('leaves nothing where there is nothing to replace', async () => {
    expect(
      await replaceDurably(join(root, 'absent'), Buffer.from('x')).then(() => undefined, systemCode),
    ).to.equal('ENOENT');
    expect(readdirSync(root)).to.deep.equal([]);
  });

  it('writes what it was given, with the mode it was given, whatever the umask', async () => {
    const path = join(root, 'file');
    const umask = process.umask(0o077);
    try {
      await writeDurably(path, Buffer.from('text'), 0o644);
    } finally {
      process.umask(umask);
    }
    expect(readFileSync(path, 'utf8')).to.equal('text');
    expect(statSync(path).mode & 0o777).to.equal(0o644);
  });

  it('leaves no temporary file when something fails, and names the file and what failed', async () => {
    mkdirSync(join(root, 'there', 'inside'), { recursive: true });
    const failure: unknown = await failureOf(writeDurably(join(root, 'there'), Buffer.from('x'), 0o600));
    expect(failure).to.be.instanceOf(FileFault);
    expect((failure as FileFault).message).to.match(/there cannot be renamed \(E[A-Z]+: [a-z ]+\)$/);
    expect(readdirSync(root)).to.deep.equal(['there']);
    const nowhere: unknown = await failureOf(syncDirectory(join(root, 'nowhere')));
    expect((nowhere as FileFault).message).to.match(/nowhere cannot be opened \(ENOENT: [a-z ]+\)$/);
    expect(systemCode(nowhere)).to.equal('ENOENT');
  });

  it('removes the temporary files that a crash left, and no other', async () => {
    for (const name of [
      '.a.0123456789ab.tmp',
      '.b.c.ffffffffffff.tmp',
      '.a.tmp',
      'a.0123456789ab.tmp',
      '.a.0123.tmp',
    ])
      writeFileSync(join(root, name), '');
    expect(await removeTemporary(root)).to.equal(2);
    expect(readdirSync(root).sort()).to.deep.equal(['.a.0123.tmp', '.a.tmp', 'a.0123456789ab.tmp']);
    expect(await removeTemporary(join(root, 'nowhere'))).to.equal(0);
  });
});
