import { expect } from 'chai';
import { existsSync } from 'node:fs';
import { chmod, cp, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checkLog } from '../../ct-log/check.ts';
import { openDirectorySource } from '../../ct-log/directory-source.ts';
import { exportLog, type LogExport } from '../../ct-log/export-log.ts';
import { logV3Json } from '../../ct-log/format/log-v3-json.ts';
import { rootFrom } from '../../tlog/format/merkle-proof.ts';
import { hashesFromTiles, hashInTile, tilePath, tilesOf, type Tile } from '../../tlog/format/tile.ts';
import { headSigner } from '../../tlog/sequence/head-signer.ts';
import { LogError } from '../../tlog/core/log-error.ts';
import type { CtLog } from '../../ct-log/ct-log.ts';
import type { CtLogIdentity } from '../../ct-log/log-identity.ts';
import { checkpointSigners, logKeys } from '../../ct-log/log-keys.ts';
import { sha256 } from '../../tlog/core/sha256.ts';
import { withFileLock } from '../../storage/file-lock.ts';
import { staticSource } from '../../ct-log/static-source.ts';
import { verifyCheckpoint } from '../../tlog/tree/verify-head.ts';
import { issuingLog, type IssuingLog } from './support/issuing-log.ts';
import { entry, testLog } from './support/test-log.ts';
import { failureOf } from '../support/failure.ts';

const describeLog = (identity: CtLogIdentity): string =>
  JSON.stringify(
    logV3Json({
      ...identity,
      url: 'https://localhost/log/2026',
      intendedUse: 'test',
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
      out,
      description: describeLog(test.identity),
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
        ...[...tilesOf(size, 'data')].map(tilePath),
        ...issuers.map((name) => `issuer/${name}`),
        ...['checkpoint', 'log.v3.json'],
        // Empty: what keeps a second export waiting.
        '.lock',
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
        name: source.name,
        identity: source.identity,
        head: source.head,
        frozenAt: undefined,
        checkpoint: () => source.checkpoint(),
        reread: () => source.reread(),
        firstDifference: () => source.firstDifference(),
        storeName: source.storeName,
        findDamage: () => source.findDamage(),
        chainCertificates: () => source.chainCertificates(),
        tile: (path: string) => (left-- > 0 ? source.tile(path) : Promise.reject(new Error('broken off'))),
        chainCertificate: (hex: string) =>
          left-- > 0 ? source.chainCertificate(hex) : Promise.reject(new Error('broken off')),
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
        for (const path of [...tilesOf(head.size, 'data')].map(tilePath)) {
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
      out,
      description: describeLog(other.identity),
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

  it('refuses a copy of another history of the same log', async () => {
    await issue(3);
    const fork = join(test.root, 'fork');
    await cp(test.directory, fork, { recursive: true });
    await issue(2);
    const { log } = await test.issue(4, { directory: fork });
    await log.close();
    await exportLog({
      source: await openDirectorySource(test.directory),
      out,
      description: describeLog(test.identity),
    });
    const before = await readFile(join(out, 'checkpoint'));
    const failure: unknown = await failureOf(run({ source: await openDirectorySource(fork) }));
    expect(failure).to.be.instanceOf(LogError).with.property('code', 'LOG_EXISTS');
    expect((failure as LogError).message).to.include('holds a copy of another history of this log');
    expect(await readFile(join(out, 'checkpoint'))).to.deep.equal(before);
  });

  it('says that tiles of the copy are damaged, and writes them again when they are gone', async () => {
    await issue(300);
    await run();
    for (const name of ['tile/0/001.p/44', 'tile/1/000.p/1']) {
      await flip(join(out, name), 5);
      expect(await codeOf(run()), name).to.equal('LOG_CORRUPT');
      await rm(join(out, name));
      await run();
      expect(await check(), name).to.deep.include({ ok: true, entries: 300 });
    }
    await writeFile(join(out, 'tile/0/000'), 'cut off');
    await run();
    expect(await check(), 'cut off').to.deep.include({ ok: true, entries: 300 });
  });

  it('removes what a run that was broken off left half written', async () => {
    await issue(300);
    await run();
    const left = [
      'tile/data/001.p/.44.0123456789ab.tmp',
      'tile/0/.000.0123456789ab.tmp',
      '.x.0123456789ab.tmp',
    ];
    for (const name of left) await writeFile(join(out, name), 'half');
    for (const name of ['tile/data/001.p/44', 'tile/0/000']) await rm(join(out, name));
    await run();
    expect(await names()).to.not.include.members(left);
  });

  it('writes one after the other where several run at once, and never steps back', async () => {
    await issue(300);
    const early = await openDirectorySource(test.directory);
    await issue(300);
    const runs = await Promise.all([run({ source: early }), run(), run({ source: early }), run()]);
    expect(runs.map(({ head }) => head.size)).to.deep.equal([600, 600, 600, 600]);
    expect(runs.filter(({ present }) => present === 0)).to.have.length(1);
    expect(await check()).to.deep.include({ ok: true, entries: 600 });
  });

  it('waits for another one for a bounded time', async () => {
    await issue(3);
    await mkdir(out);
    await withFileLock(join(out, '.lock'), 1000, async () => {
      expect(await codeOf(run({ waitMs: 50 }))).to.equal('LOG_LOCKED');
    });
    expect(await names()).to.deep.equal(['.lock']);
    expect((await run({ waitMs: 50 })).head.size).to.equal(3);
  });

  it('leaves no lock in a directory of something else', async () => {
    await issue(3);
    await mkdir(out);
    await writeFile(join(out, 'index.html'), 'a web site');
    expect(await codeOf(run())).to.equal('LOG_EXISTS');
    expect(await names()).to.deep.equal(['index.html']);
  });

  it('copies no data tile whose entries are not those of the tree', async () => {
    await issue(300);
    await flip(join(test.directory, 'tile/data/000'), 20);
    const failure: unknown = await failureOf(run());
    expect(failure).to.be.instanceOf(LogError).with.property('code', 'LOG_CORRUPT');
    expect((failure as LogError).message).to.match(/tile\/data\/000 is not of the tree of this log/);
    expect(await names()).to.not.include('checkpoint');
  });

  it('copies no tile inside the tree that is not of it', async () => {
    // Large enough that the root needs no tile of the lowest level but the last one.
    const size = 256 * 256 + 256;
    const tiles = new Map<string, Uint8Array>();
    const get = (tile: Tile): Uint8Array => tiles.get(tilePath(tile)) ?? new Uint8Array();
    for (const tile of tilesOf(size, 'data')) {
      const { level, n, width } = tile;
      if (typeof level === 'string') continue;
      const hash = (i: number): Uint8Array => {
        const below = { level: level - 1, n: n * 256 + i };
        if (level === 0) return sha256(Buffer.from(`leaf ${below.n}`));
        return hashInTile(sha256, { ...below, first: 0, count: 256 }, get({ ...below, width: 256 }));
      };
      tiles.set(tilePath(tile), Buffer.concat(Array.from({ length: width }, (_, i) => hash(i))));
    }
    // These have no entries: the copy has something there.
    await mkdir(join(out, 'tile/data'), { recursive: true });
    for (const tile of tilesOf(size, 'data'))
      if (tile.level === 'data') await writeFile(join(out, tilePath(tile)), 'entries');
    await writeFile(join(out, 'log.v3.json'), describeLog(test.identity));
    await issue(0);
    const root = await rootFrom(sha256, size, hashesFromTiles(sha256, size, get));
    const { checkpoint } = await headSigner(
      test.identity.origin,
      checkpointSigners(test.identity, test.signers),
    )({ size, root, timestamp: 1 });
    const real = await openDirectorySource(test.directory);
    const source = {
      name: test.directory,
      identity: test.identity,
      head: { size, root, timestamp: 1 },
      frozenAt: undefined,
      checkpoint: () => Promise.resolve(checkpoint),
      tile: (path: string) => Promise.resolve(tiles.get(path) ?? new Uint8Array()),
      chainCertificate: (hex: string) => real.chainCertificate(hex),
      reread: () => real.reread(),
      firstDifference: () => real.firstDifference(),
      storeName: real.storeName,
      findDamage: () => real.findDamage(),
      chainCertificates: () => real.chainCertificates(),
    };
    for (const path of ['tile/0/005', 'tile/1/000']) {
      const right = tiles.get(path) ?? new Uint8Array();
      tiles.set(
        path,
        right.map((byte, at) => (at === 7000 ? byte ^ 1 : byte)),
      );
      const failure: unknown = await failureOf(run({ source }));
      expect(failure, path).to.be.instanceOf(LogError).with.property('code', 'LOG_CORRUPT');
      expect((failure as LogError).message).to.match(/tile\/[01]\/\d+ is not of the tree of this log/);
      tiles.set(path, right);
      for (const name of ['tile/0', 'tile/1']) await rm(join(out, name), { recursive: true, force: true });
    }
    expect((await run({ source })).head.size).to.equal(size);
  });

  it('writes no checkpoint over tiles that do not give its root', async () => {
    await issue(300);
    await flip(join(test.directory, 'tile/0/000'), 5);
    expect(await codeOf(run())).to.equal('LOG_CORRUPT');
    expect(await codeOf(stat(out))).to.match(/ENOENT/);
  });
});

async function flip(path: string, at: number): Promise<void> {
  const bytes = await readFile(path);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  await chmod(path, 0o600);
  await writeFile(path, bytes);
}

/** Another one when the file was written again. */
const inodeOf = async (path: string): Promise<number> => (await stat(path)).ino;
