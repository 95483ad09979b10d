import { expect } from 'chai';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { toHex } from '../../../core/bytes.ts';
import type { CtLog } from '../../../ct-log/ct-log.ts';
import { LogError } from '../../../tlog/core/log-error.ts';
import { RequiredFiles } from '../../../tlog/tree/required-files.ts';
import { sha256 } from '../../../tlog/core/sha256.ts';
import { TreeEdge } from '../../../tlog/tree/tree-edge.ts';
import { TILE_LEAVES } from '../../../ct-log/tile-leaves.ts';
import { TreeTiles } from '../../../tlog/tree/tree-tiles.ts';
import { entry, ISSUER, testLog, type TestLog } from '../../ct-log/support/test-log.ts';

const failure = (read: Promise<unknown>): Promise<unknown> =>
  read.then(() => undefined).catch((error: unknown) => error);

describe('ct-log: files that reads need', () => {
  let test: TestLog;
  let log: CtLog;
  beforeEach(async () => {
    test = await testLog();
    log = await test.open();
    await Promise.all(Array.from({ length: 300 }, (_, i) => log.append(entry(i))));
    // What is full is in files alone after a restart.
    await log.close();
    log = await test.open({ chain: [Uint8Array.of(0x30, 0x03, 0x02, 0x01, 0x08)] });
  });
  afterEach(() => test.remove());

  const issuer = `issuer/${toHex(sha256(ISSUER))}`;
  const cutOff = async (path: string): Promise<void> => {
    const bytes = await readFile(path);
    await rm(path);
    await writeFile(path, bytes.subarray(0, bytes.length - 1));
  };

  for (const [what, path, read] of [
    ['a data tile', 'tile/data/000', () => log.reader.tile('tile/data/000')],
    ['a data tile that entries are read from', 'tile/data/000', () => log.reader.getEntries(0, 5)],
    ['an issuer that an entry names', issuer, () => log.reader.getEntries(0, 5)],
  ] as const) {
    it(`reports ${what} when it is lost, and no more when it is back`, async () => {
      const file = join(test.directory, path);
      await rename(file, `${file}.away`);
      const lost = await failure(read());
      expect(lost).to.be.instanceOf(LogError).with.property('code', 'LOG_CORRUPT');
      expect(log.status().unreadable).to.deep.equal({ count: 1, first: `${path} is missing` });
      await rename(`${file}.away`, file);
      expect(await failure(read())).to.equal(undefined);
      expect(log.status().unreadable).to.equal(undefined);
    });
  }

  it('reports a data tile that is cut off, where a read notices it', async () => {
    await cutOff(join(test.directory, 'tile/data/000'));
    expect(await failure(log.reader.getEntries(250, 255))).to.be.instanceOf(Error);
    expect(log.status().unreadable)
      .to.have.property('first')
      .that.matches(/^tile\/data\/000: /);
  });

  it('reports a hash tile that is lost or cut off, unless it is in memory', async () => {
    const stored = new Map([['tile/0/000', new Uint8Array(8191)]]);
    const files = new RequiredFiles(
      { get: (path) => Promise.resolve(stored.get(path)), put: () => Promise.resolve() },
      0,
    );
    const tiles = new TreeTiles(TILE_LEAVES, new TreeEdge('data'), files);
    const tile = (n: number): Promise<Uint8Array> => tiles.tile({ level: 0, n, width: 256 });
    expect(await failure(tile(0))).to.have.property('message', 'tile/0/000 has 8191 bytes, not 8192');
    expect(await failure(tile(1))).to.have.property('message', 'tile/0/001 is missing');
    expect(files.unreadable).to.deep.equal({ count: 2, first: 'tile/0/000 has 8191 bytes, not 8192' });
    for (const path of ['tile/0/000', 'tile/0/001']) stored.set(path, new Uint8Array(8192));
    expect([(await tile(0)).length, (await tile(1)).length]).to.deep.equal([8192, 8192]);
    expect(files.unreadable).to.equal(undefined);
    stored.clear();
    expect((await tile(1)).length).to.equal(8192);
  });

  it('does not take a question for a lost file', async () => {
    expect(await failure(log.reader.chainCertificate('00'.repeat(32)))).to.have.property('code', 'NOT_FOUND');
    expect(await failure(log.reader.tile('tile/data/001'))).to.have.property('code', 'NOT_FOUND');
    expect(log.status().unreadable).to.equal(undefined);
  });

  it('goes on taking entries', async () => {
    await rm(join(test.directory, 'tile/data/000'));
    await log.close();
    log = await test.open();
    await failure(log.reader.tile('tile/data/000'));
    expect((await log.append(entry(300))).index).to.equal(300);
  });

  it('notices all files that are back in one round, and asks for few that are not', async () => {
    const stored = new Map<string, Uint8Array>();
    let asked: string[] = [];
    const get = (path: string): Promise<Uint8Array | undefined> => {
      asked.push(path);
      return Promise.resolve(stored.get(path));
    };
    const files = new RequiredFiles({ get, put: () => Promise.resolve() }, 200);
    for (let i = 0; i < 500; i++) await failure(files.read(`tile/0/${i}`, (bytes) => bytes));
    asked = [];
    const round = async (): Promise<string[]> => {
      while (asked.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
      await new Promise((resolve) => setImmediate(resolve));
      return asked.splice(0);
    };
    expect(await round()).to.have.length(16);
    for (let i = 0; i < 500; i++) stored.set(`tile/0/${i}`, Uint8Array.of(1));
    expect(await round()).to.have.length(500);
    expect(files.unreadable).to.equal(undefined);
    files.close();
  });

  it('notices by itself that a file is back, and remembers no more than it may', async () => {
    const stored = new Map<string, Uint8Array>();
    const files = new RequiredFiles(
      { get: (path) => Promise.resolve(stored.get(path)), put: () => Promise.resolve() },
      1,
    );
    for (let i = 0; i < 1_100; i++) await failure(files.read(`tile/0/${i}`, (bytes) => bytes));
    expect(files.unreadable).to.deep.include({ count: 1_000 });
    for (let i = 0; i < 1_000; i++) stored.set(`tile/0/${i}`, Uint8Array.of(1));
    while (files.unreadable !== undefined) await new Promise((resolve) => setTimeout(resolve, 1));
    files.close();
  });
});
