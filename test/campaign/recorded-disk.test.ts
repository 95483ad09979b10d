import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { readRecord, RecordedDisk, type CutKind } from '../../campaign/recorded-disk.ts';
import { killLibrary, steeredEnvironment } from '../support/kill-at.ts';
import { skipUnless } from '../support/skipped.ts';

describe('campaign/recorded-disk', () => {
  let folder: string;
  let root: string;
  let library: string;
  before(function () {
    folder = mkdtempSync(join(tmpdir(), 'mayfly-disk-'));
    const made = killLibrary(folder);
    skipUnless(this, made !== undefined, 'there is no gcc, or this is not Linux');
    library = made;
    root = join(folder, 'root');
  });
  beforeEach(() => {
    rmSync(root, { recursive: true, force: true });
    mkdirSync(root);
    writeFileSync(join(root, 'old'), 'before');
  });
  after(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  /** The disk after a program of Node, with `fs` and `at` for a path in the directory, has run. */
  function diskAfter(program: string): RecordedDisk {
    const recordFile = join(folder, 'record');
    rmSync(recordFile, { force: true });
    const disk = new RecordedDisk(root);
    const files = { faultFile: join(folder, 'fault'), clockFile: join(folder, 'clock'), recordFile };
    const env = { ...process.env, ...steeredEnvironment({ library, root, ...files }) };
    const head = `const fs = require('node:fs'); const at = (name) => ${JSON.stringify(root)} + '/' + name;`;
    execFileSync(process.execPath, ['-e', head + program], { env });
    for (const change of readRecord(readFileSync(recordFile))) disk.take(change);
    return disk;
  }

  let cuts = 0;
  /** What is read of a file after a cut; undefined where it is not there. `luck`: what is random. */
  function left(disk: RecordedDisk, kind: CutKind, name: string, luck = 0.5): string | undefined {
    const target = join(folder, `cut-${++cuts}`);
    disk.writeCut(kind, target, () => luck);
    return existsSync(join(target, name)) ? readFileSync(join(target, name), 'utf8') : undefined;
  }

  it('keeps what was there, and what was synced with its name', () => {
    const disk = diskAfter(`
      const file = fs.openSync(at('new'), 'w'); fs.writeSync(file, 'whole'); fs.fsyncSync(file);
      fs.renameSync(at('new'), at('named')); fs.fsyncSync(fs.openSync(at('.'), 'r'));`);
    for (const kind of [
      'all is lost',
      'all is there',
      'names without bytes',
      'bytes without names',
    ] as const) {
      expect(left(disk, kind, 'old')).to.equal('before');
      expect(left(disk, kind, 'named')).to.equal('whole');
      expect(left(disk, kind, 'new')).to.equal(undefined);
    }
    expect(disk.isDirty).to.equal(false);
  });

  it('loses bytes, names or both where they were not synced', () => {
    const disk = diskAfter(
      `fs.writeFileSync(at('new'), 'whole'); fs.appendFileSync(at('old'), ' and after');`,
    );
    expect(disk.isDirty).to.equal(true);
    expect(left(disk, 'all is lost', 'new')).to.equal(undefined);
    expect(left(disk, 'all is lost', 'old')).to.equal('before');
    expect(left(disk, 'names without bytes', 'new')).to.equal('');
    expect(left(disk, 'bytes without names', 'new')).to.equal(undefined);
    expect(left(disk, 'bytes without names', 'old')).to.equal('before and after');
    expect(left(disk, 'all is there', 'new')).to.equal('whole');
  });

  it('keeps an old file whose successor was renamed into its place and not synced there', () => {
    const disk = diskAfter(`
      const file = fs.openSync(at('new'), 'w'); fs.writeSync(file, 'after'); fs.fsyncSync(file);
      fs.renameSync(at('new'), at('old'));`);
    expect(left(disk, 'all is lost', 'old')).to.equal('before');
    expect(left(disk, 'all is there', 'old')).to.equal('after');
    expect(left(disk, 'all is there', 'new')).to.equal(undefined);
  });

  it('tears a write at the end of a sector', () => {
    const disk = diskAfter(`
      const file = fs.openSync(at('old'), 'r+'); fs.writeSync(file, 'x'.repeat(2048), 0);`);
    const torn = left(disk, 'some is torn', 'old', 0.75) ?? '';
    expect(torn).to.equal('x'.repeat(1536));
    expect(left(disk, 'some is torn', 'old', 0.5)).to.equal('before');
  });

  it('ends before a change whose record was cut off', () => {
    diskAfter(`fs.writeFileSync(at('new'), 'whole'); fs.unlinkSync(at('new'));`);
    const record = readFileSync(join(folder, 'record'));
    const whole = readRecord(record);
    expect(whole.at(-1)?.end).to.equal(record.length);
    expect(readRecord(record.subarray(0, -1))).to.have.length(whole.length - 1);
  });
});
