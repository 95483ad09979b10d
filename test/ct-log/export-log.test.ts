import { expect } from 'chai';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checkLog } from '../../ct-log/check.ts';
import { openDirectorySource } from '../../ct-log/directory-source.ts';
import { exportLog, type LogExport } from '../../ct-log/export-log.ts';
import { logV3Json } from '../../ct-log/format/log-v3-json.ts';
import { tilePath, tilesOf } from '../../ct-log/format/tile.ts';
import { LogError } from '../../ct-log/log-error.ts';
import type { CtLog } from '../../ct-log/log.ts';
import type { LogIdentity } from '../../ct-log/log-identity.ts';
import { logKeys } from '../../ct-log/log-keys.ts';
import { staticSource } from '../../ct-log/static-source.ts';
import { verifyCheckpoint } from '../../ct-log/verify-head.ts';
import { issuingLog, type IssuingLog } from './support/issuing-log.ts';
import { entry, testLog } from './support/test-log.ts';

const describeLog = (identity: LogIdentity): string =>
  JSON.stringify(
    logV3Json({
      ...identity,
      ...{ url: 'https://localhost/log/2026', intendedUse: 'test' },
      software: { name: 'test', version: '1' },
    }),
  );

describe('ct-log/export-log', function () {
  this.timeout(60_000);
  let test: IssuingLog;
  let out: string;
  beforeEach(async () => {
    test = await issuingLog();
    out = join(test.root, 'exported');
  });
  afterEach(() => test.remove());

  const run = async (over: Partial<Parameters<typeof exportLog>[0]> = {}): Promise<LogExport> =>
    exportLog({
      source: await openDirectorySource(test.directory),
      ...{ out, description: describeLog(test.identity) },
      ...over,
    });
  const codeOf = (work: Promise<unknown>): Promise<string> =>
    work.then(
      () => 'none',
      (error: unknown) => (error instanceof LogError ? error.code : String(error)),
    );
  const names = async (): Promise<string[]> =>
    (await readdir(out, { recursive: true, withFileTypes: true }))
      .filter((found) => found.isFile())
      .map((found) => join(found.parentPath, found.name).slice(out.length + 1))
      .sort();
  const check = async (): Promise<unknown> => {
    const source = staticSource(out);
    const head = verifyCheckpoint(await source.checkpoint(), logKeys(test.identity));
    return checkLog(source, { head, headName: 'checkpoint', sctExtensions: undefined });
  };
  const issue = async (count: number): Promise<void> => {
    const { log } = await test.issue(count);
    await log.close();
  };

  for (const size of [0, 1, 255, 256, 300, 700]) {
    it(`writes all that the checkpoint of ${size} entries implies, and nothing else`, async () => {
      await issue(size);
      expect((await run()).head.size).to.equal(size);
      const issuers = await readdir(join(test.directory, 'issuer'));
      const expected = [
        ...[...tilesOf(size)].map(tilePath),
        ...issuers.map((name) => `issuer/${name}`),
        ...['checkpoint', 'log.v3.json'],
      ];
      expect(await names()).to.deep.equal(expected.sort());
      expect(await check()).to.deep.include({ ok: true, entries: size });
    });
  }

  it('writes files that every user may read, and no more', async () => {
    await issue(3);
    await run();
    for (const path of [...(await names()), 'tile', 'tile/0', 'tile/0/000.p', 'issuer', '.']) {
      const { mode } = await stat(join(out, path));
      expect(mode & 0o777, path).to.equal((await stat(join(out, path))).isFile() ? 0o644 : 0o755);
    }
  });

  it('brings a copy up to date, and leaves what is there', async () => {
    await issue(300);
    const first = await run();
    expect(first.present).to.equal(0);
    const old = new Map(
      await Promise.all((await names()).map(async (name) => [name, await inodeOf(join(out, name))] as const)),
    );
    await issue(300);
    const second = await run();
    expect(second.head.size).to.equal(600);
    expect(second.present, 'full tiles and issuers').to.equal(4);
    for (const name of old.keys()) {
      const isReplaced = name === 'checkpoint' || name === 'log.v3.json';
      expect((await inodeOf(join(out, name))) === old.get(name), name).to.equal(!isReplaced);
    }
    expect(await check()).to.deep.include({ ok: true, entries: 600 });
    // Readers of the older checkpoint still find its partial tiles.
    expect(await names()).to.include.members(['tile/data/001.p/44', 'tile/data/002.p/88']);
  });

  it('is completed by a second run wherever the first one was broken off', async () => {
    await issue(300);
    const source = await openDirectorySource(test.directory);
    const total = (await run({ out: join(test.root, 'whole') })).written;
    for (const steps of Array.from({ length: total }, (_, i) => i)) {
      await rm(out, { recursive: true, force: true });
      let left = steps;
      const breaking = {
        ...{ name: source.name, identity: source.identity, head: source.head, frozenAt: undefined },
        checkpoint: () => source.checkpoint(),
        reread: () => source.reread(),
        firstDifference: () => source.firstDifference(),
        tile: (path: string) => (left-- > 0 ? source.tile(path) : Promise.reject(new Error('broken off'))),
        issuer: (hex: string) => (left-- > 0 ? source.issuer(hex) : Promise.reject(new Error('broken off'))),
      };
      const outcome = await codeOf(run({ source: breaking }));
      if (outcome !== 'none') {
        expect(outcome).to.equal('Error: broken off');
        expect(existsSync(join(out, 'checkpoint')), 'the checkpoint is last').to.equal(false);
      }
      await run();
      expect(await check(), `after ${steps} steps`).to.deep.include({ ok: true, entries: 300 });
    }
  });

  it('writes a file again that is there and empty, as a power cut leaves one', async () => {
    await issue(300);
    await run();
    const files = (await names()).filter((name) => /^(tile|issuer)\//.test(name));
    for (const name of files) await writeFile(join(out, name), '');
    expect((await run()).written).to.equal(files.length + 2);
    expect(await check()).to.deep.include({ ok: true, entries: 300 });
  });

  it('copies one moment of a log that is being written', async () => {
    const written = await testLog();
    try {
      let count = 0;
      const append = async (log: CtLog, batches: number): Promise<void> => {
        for (; batches > 0; batches--)
          await Promise.all(Array.from({ length: 50 }, () => log.append(entry(count++))));
      };
      const copy = async (): Promise<LogExport> => {
        const source = await openDirectorySource(written.directory);
        return exportLog({ source, out, description: describeLog(written.identity) });
      };
      // Closing writes the checkpoint.
      await (await written.open()).close();
      // As much as a copy takes, and no more: a writer that only the copies end outgrows them on a slow machine.
      for (let round = 0; round < 5; round++) {
        const log = await written.open();
        await rm(out, { recursive: true, force: true });
        const [{ head }] = await Promise.all([copy(), append(log, 4)]);
        expect(head.size).to.be.within(200 * round, 200 * (round + 1));
        for (const path of [...tilesOf(head.size)].map(tilePath)) {
          const own = Buffer.from(await log.reader.tile(path));
          expect(await readFile(join(out, path)), path).to.deep.equal(own);
        }
        await log.close();
      }
    } finally {
      await written.remove();
    }
  });

  it('refuses a directory of another log, of something else, or with a newer copy', async () => {
    await issue(3);
    await mkdir(out);
    await writeFile(join(out, 'index.html'), 'a web site');
    expect(await codeOf(run())).to.equal('LOG_EXISTS');
    await rm(out, { recursive: true });
    const other = await issuingLog();
    await (await other.issue(2)).log.close();
    await exportLog({
      source: await openDirectorySource(other.directory),
      ...{ out, description: describeLog(other.identity) },
    });
    await other.remove();
    expect(await codeOf(run())).to.equal('LOG_EXISTS');
    await rm(join(out, 'checkpoint'));
    expect(await codeOf(run()), 'broken off').to.equal('LOG_EXISTS');
    await rm(out, { recursive: true });
    await run();
    const copy = await readFile(join(test.directory, 'checkpoint'));
    await issue(3);
    await run();
    await writeFile(join(test.directory, 'checkpoint'), copy);
    expect(await codeOf(run()), 'older').to.equal('LOG_EXISTS');
  });

  it('writes no checkpoint over tiles that do not give its root', async () => {
    await issue(300);
    const tile = join(test.directory, 'tile/0/000');
    const bytes = await readFile(tile);
    bytes[5] = (bytes[5] ?? 0) ^ 1;
    await chmod(tile, 0o600);
    await writeFile(tile, bytes);
    expect(await codeOf(run())).to.equal('LOG_CORRUPT');
    expect(await codeOf(stat(out))).to.match(/ENOENT/);
  });
});

/** Another one when the file was written again. */
const inodeOf = async (path: string): Promise<number> => (await stat(path)).ino;
