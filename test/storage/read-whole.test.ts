import { execFileSync } from 'node:child_process';
import { mkdtemp, open, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { readWhole, readWholeNow, UnfitFile, type ReadLimits } from '../../storage/read-whole.ts';
import { failureOf } from '../support/failure.ts';

describe('storage/read-whole', () => {
  let directory: string;
  beforeEach(async () => (directory = await mkdtemp(join(tmpdir(), 'mayfly-read-'))));
  afterEach(() => rm(directory, { recursive: true }));

  const path = (name: string): string => join(directory, name);
  const pipe = (name: string): string => {
    execFileSync('mkfifo', [path(name)]);
    return path(name);
  };
  const refusal = async (name: string, limits: ReadLimits): Promise<string> => {
    const error: unknown = await failureOf(readWhole(name, limits));
    expect(error).to.be.instanceOf(UnfitFile);
    return (error as UnfitFile).message;
  };

  it('reads a file up to the limit, through a link too, and none beyond it', async () => {
    const content = Buffer.alloc(200_000, 'x');
    await writeFile(path('file'), content);
    await symlink(path('file'), path('link'));
    for (const name of ['file', 'link']) {
      expect((await readWhole(path(name), { size: content.length })).equals(content)).to.equal(true);
      expect(readWholeNow(path(name), content.length)?.equals(content)).to.equal(true);
      expect(() => readWholeNow(path(name), content.length - 1)).to.throw(UnfitFile, /^is larger than /);
    }
    expect(await refusal(path('file'), { size: content.length - 1 })).to.include(
      'is larger than 199999 bytes',
    );
    await writeFile(path('empty'), '');
    expect(await readWhole(path('empty'), { size: 0 })).to.have.length(0);
  });

  it('reads no device without an end, and no directory', async () => {
    expect(await refusal('/dev/zero', { size: 1024 })).to.equal('is not a file');
    expect(await refusal(directory, { size: 1024 })).to.equal('is a directory');
    const error: unknown = await failureOf(readWhole(path('none'), { size: 1 }));
    expect(error).to.have.property('code', 'ENOENT');
  });

  it('waits for no pipe where only a file will do, and not for ever where a pipe will', async () => {
    const silent = pipe('silent');
    expect(await refusal(silent, { size: 1024 })).to.equal('is not a file');
    expect(await refusal(silent, { size: 1024, pipePatience: 50 })).to.include('nobody wrote');
  });

  it('reads what is written into a pipe, also later and in parts, up to the limit', async () => {
    const reading = readWhole(pipe('slow'), { size: 100, pipePatience: 60_000 });
    const writer = await open(path('slow'), 'r+');
    await writer.write('one ');
    await writer.write('two');
    // The end of the pipe, once all is read.
    void writer.close();
    expect((await reading).toString()).to.equal('one two');
    const flood = readWhole(pipe('flood'), { size: 100, pipePatience: 60_000 });
    const flooder = await open(path('flood'), 'r+');
    await flooder.write('x'.repeat(1000));
    const error: unknown = await failureOf(flood);
    await flooder.close();
    expect(error).to.be.instanceOf(UnfitFile).with.property('message').that.includes('larger than 100 bytes');
  });

  it('reads at once what is a file with a size, and leaves the rest alone', async () => {
    await writeFile(path('empty'), '');
    for (const name of [pipe('pipe'), directory, path('empty'), '/dev/zero', '/proc/self/status'])
      expect(readWholeNow(name, 1000), name).to.equal(undefined);
    expect(() => readWholeNow(path('missing'), 1000)).to.throw(/ENOENT/);
  });
});
