import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import { expect } from 'chai';
import { toHex } from '../../core/bytes.ts';
import { checkDirectory } from '../../ct-log/check-directory.ts';
import { checkLog, type CheckResult } from '../../ct-log/check.ts';
import { openDirectorySource } from '../../ct-log/directory-source.ts';
import { CompactRange } from '../../tlog/format/compact-range.ts';
import { parseTileLeaf } from '../../ct-log/format/leaf.ts';
import { hashLeaf } from '../../tlog/format/merkle.ts';
import { LogError } from '../../tlog/core/log-error.ts';
import { sha256 } from '../../tlog/core/sha256.ts';
import type { LogSource } from '../../ct-log/source.ts';
import { issuingLog, type IssuingLog } from './support/issuing-log.ts';
import { failureOf } from '../support/failure.ts';

/** 600 certificates: two full tiles in files, 88 entries in the commit store. */
const SIZE = 600;

describe('ct-log/check', function () {
  this.timeout(60_000);
  let test: IssuingLog;
  before(async () => {
    test = await issuingLog();
    await (await test.issue(512)).log.close();
    // A second run, so that the first batch of it prunes what is in tiles.
    await (await test.issue(SIZE - 512)).log.close();
  });
  after(() => test.remove());

  const check = async (): Promise<CheckResult> => checkDirectory(await openDirectorySource(test.directory));

  /** What the check says while `change` is done to a file; the file is put back. */
  const withChanged = async (path: string, change: (bytes: Buffer) => Buffer): Promise<string> => {
    const file = join(test.directory, path);
    const good = readFileSync(file);
    chmodSync(file, 0o600);
    writeFileSync(file, change(Buffer.from(good)));
    try {
      const result = await check();
      return result.ok ? 'ok' : `${result.problem.where}: ${result.problem.message}`;
    } finally {
      writeFileSync(file, good);
      chmodSync(file, 0o444);
    }
  };

  const flip =
    (at: number) =>
    (bytes: Buffer): Buffer => {
      bytes[at] = (bytes[at] ?? 0) ^ 1;
      return bytes;
    };

  /** Offsets of the parts of entry `i` in the first data tile. */
  const partsOf = (i: number): Record<'start' | 'tbs' | 'extension' | 'precertificate' | 'end', number> => {
    const bytes = readFileSync(join(test.directory, 'tile/data/000'));
    let start = 0;
    for (let n = 0; n < i; n++) start = parseTileLeaf(bytes, start).next;
    const entry = parseTileLeaf(bytes, start);
    if (entry.entry.type !== 'precert') throw new Error('not a precertificate');
    const extension = start + 45 + entry.entry.tbs.length + 2;
    return { start, tbs: start + 45, extension, precertificate: extension + 11, end: entry.next };
  };

  it('passes on a good log, open or closed', async () => {
    expect(await check()).to.deep.equal({ ok: true, entries: SIZE, tiles: 7, chainCertificates: 2 });
    const log = await test.open();
    expect(await check()).to.include({ ok: true });
    await log.close();
  });

  const DATA: Record<
    string,
    [offset: (parts: ReturnType<typeof partsOf>) => number, says: string, exact: boolean]
  > = {
    'the time': [({ start }) => start + 7, 'entry 7: its hash is not that in the tree', false],
    'the type': [({ start }) => start + 9, 'entry 7 is damaged', false],
    "the issuer's key hash": [({ start }) => start + 20, "entry 7: the issuer's key hash", true],
    'the TBSCertificate': [({ tbs }) => tbs + 100, 'entry 7: the TBSCertificate is not that of', true],
    'the leaf index': [({ extension }) => extension + 7, 'entry 7: the extension does not say index 7', true],
    'the precertificate': [
      ({ precertificate }) => precertificate + 100,
      'entry 7: the precertificate is not the one',
      true,
    ],
    'its signature': [({ end }) => end - 2 - 64 - 1, "entry 7: the precertificate's signature", false],
    'the chain': [({ end }) => end - 10, 'is missing, but named in tile/data/000', false],
  };
  for (const [name, [offset, says, exact]] of Object.entries(DATA)) {
    it(`names the first wrong byte when ${name} of an entry is damaged`, async () => {
      const at = offset(partsOf(7));
      const problem = await withChanged('tile/data/000', flip(at));
      expect(problem).to.include(says);
      if (exact) expect(problem).to.include(`tile/data/000 at byte ${at}: `);
      else expect(problem).to.match(/tile\/data\/000 at byte \d+/);
    });
  }

  it('names the first wrong byte of a hash tile', async () => {
    expect(await withChanged('tile/0/000', flip(32 * 9 + 5))).to.equal(
      'tile/0/000 at byte 293: hash 9 is not that of entry 9',
    );
    expect(await withChanged('tile/0/001', flip(0))).to.equal(
      'tile/0/001 at byte 0: hash 0 is not that of entry 256',
    );
    expect(await withChanged('tile/0/001', (bytes) => bytes.subarray(0, 8000))).to.include(
      'tile/0/001 at byte 8000',
    );
  });

  it('names the first of several', async () => {
    const first = partsOf(3).tbs + 50;
    const problem = await withChanged('tile/data/000', (bytes) =>
      flip(first)(flip(partsOf(200).tbs + 9)(bytes)),
    );
    expect(problem).to.include(`tile/data/000 at byte ${first}: entry 3:`);
  });

  it('names a signature that does not hold before what is wrong behind it, in its tile and in later ones', async () => {
    const first = (i: number): number => partsOf(i).end - 2 - 64 - 1;
    const inTile = (bytes: Buffer): Buffer =>
      flip(first(3))(flip(first(7))(flip(partsOf(200).tbs + 9)(bytes)));
    expect(await withChanged('tile/data/000', inTile)).to.include("entry 3: the precertificate's signature");
    const file = join(test.directory, 'tile/0/001');
    const good = readFileSync(file);
    rmSync(file);
    try {
      const problem = await withChanged('tile/data/000', flip(first(255)));
      expect(problem).to.include("entry 255: the precertificate's signature");
    } finally {
      writeFileSync(file, good, { mode: 0o444 });
    }
  });

  it('notices bytes too many and too few', async () => {
    const length = readFileSync(join(test.directory, 'tile/data/001')).length;
    expect(await withChanged('tile/data/001', (bytes) => Buffer.concat([bytes, Buffer.of(0)]))).to.equal(
      `tile/data/001 at byte ${length}: bytes follow the last of 256 entries`,
    );
    expect(await withChanged('tile/data/001', (bytes) => bytes.subarray(0, -1))).to.match(
      /^tile\/data\/001 at byte \d+: entry 511 is damaged/,
    );
  });

  /** What the check says of a log that dated its first entries so, and signed such a head over them. */
  async function dated(times: readonly number[], headTime: number | undefined): Promise<string> {
    const bytes = readFileSync(join(test.directory, 'tile/data/000'));
    const range = new CompactRange(sha256);
    const [entries, hashes]: [Uint8Array[], Uint8Array[]] = [[], []];
    for (const [i, time] of times.entries()) {
      const { start, end } = partsOf(i);
      const entry = Buffer.from(bytes.subarray(start, end));
      entry.writeBigUInt64BE(BigInt(time));
      const leafHash = hashLeaf(sha256, parseTileLeaf(entry).leaf);
      range.append(leafHash);
      entries.push(entry);
      hashes.push(leafHash);
    }
    const real = await openDirectorySource(test.directory);
    const source: LogSource = {
      name: 'a log',
      checkpoint: () => Promise.reject(new Error('not asked for')),
      tile: (path) => Promise.resolve(Buffer.concat(path.startsWith('tile/data') ? entries : hashes)),
      chainCertificate: (hex) => real.chainCertificate(hex),
    };
    const head = { size: times.length, root: range.root(), timestamp: headTime };
    const result = await checkLog(source, { head, headName: 'checkpoint', sctExtensions: 'leaf_index' });
    return result.ok ? 'ok' : `${result.problem.where}: ${result.problem.message}`;
  }

  it('names the first entry that is dated before another one, or after the head', async () => {
    for (const times of [[10], [10, 20, 20, 30], [0, 0, 30, 30]])
      expect(await dated(times, 30)).to.equal('ok');
    const late = 'its time is after that of the head';
    const early = 'its time is before that of the entry before';
    const at = (index: number): string =>
      `tile/data/000.p/4 at byte ${partsOf(index).start}: entry ${index}: `;
    expect(await dated([10, 20, 30, 31], 30)).to.equal(at(3) + late);
    expect(await dated([10, 31, 20, 30], 30)).to.equal(at(1) + late);
    expect(await dated([10, 20, 19, 30], 30)).to.equal(at(2) + early);
    expect(await dated([30, 10, 20, 30], 30)).to.equal(at(1) + early);
    expect(await dated([10, 20, 30, 29], undefined)).to.equal(at(3) + early);
    expect(await dated([10, 20, 30, 9e15], undefined)).to.equal('ok');
  });

  it('names the first wrong byte of a tile above, which a reader would be given', async () => {
    const real = await openDirectorySource(test.directory);
    const { head } = real;
    for (const at of [0, 31, 32, 63]) {
      const source: LogSource = {
        name: real.name,
        checkpoint: () => real.checkpoint(),
        chainCertificate: (hex) => real.chainCertificate(hex),
        tile: async (path) => {
          const bytes = Buffer.from(await real.tile(path));
          return path === 'tile/1/000.p/2' ? flip(at)(bytes) : bytes;
        },
      };
      const result = await checkLog(source, { head, headName: 'commit.db', sctExtensions: 'leaf_index' });
      expect(result).to.deep.equal({
        ok: false,
        problem: {
          where: `tile/1/000.p/2 at byte ${at}`,
          message: `hash ${Math.floor(at / 32)} does not follow from the level below`,
        },
      });
    }
  });

  it('names a damaged issuer', async () => {
    const [issuing] = test.ca.authority.chain;
    const path = `issuer/${toHex(sha256(issuing ?? new Uint8Array()))}`;
    expect(await withChanged(path, flip(40))).to.include(`${path} at byte 0: its SHA-256 is`);
  });

  it('names a damaged checkpoint', async () => {
    const text = readFileSync(join(test.directory, 'checkpoint'), 'latin1');
    expect(await withChanged('checkpoint', flip(text.indexOf('600') + 2))).to.match(/^checkpoint: /);
    expect(await withChanged('checkpoint', flip(text.length - 20))).to.match(/^checkpoint: /);
  });

  it('names a missing tile', async () => {
    const file = join(test.directory, 'tile/data/001');
    const good = readFileSync(file);
    rmSync(file, { force: true });
    const result = await check();
    writeFileSync(file, good, { mode: 0o444 });
    expect(result).to.deep.equal({ ok: false, problem: { where: 'tile/data/001', message: 'is missing' } });
  });

  it('names the entry of the commit store whose byte was flipped on disk', async () => {
    const file = join(test.directory, 'commit.db');
    const db = new DatabaseSync(file, { readOnly: true });
    const row = db.prepare('SELECT bytes FROM entry WHERE idx = 530').get();
    db.close();
    const bytes = row?.['bytes'] as Uint8Array;
    const good = readFileSync(file);
    const at = good.indexOf(bytes.subarray(45, 500));
    expect(at).to.be.above(0);
    writeFileSync(file, flip(at + 60)(Buffer.from(good)));
    const result = await check();
    const failure: unknown = await failureOf(test.open());
    writeFileSync(file, good);
    expect(result).to.deep.equal({
      ok: false,
      problem: {
        where: 'commit.db, entry 530 at byte 105',
        message: 'entry 530: the TBSCertificate is not that of the precertificate',
      },
    });
    expect(failure).to.be.instanceOf(LogError).with.property('code', 'LOG_CORRUPT');
    expect((failure as LogError).message).to.include('commit.db');
  });

  it('names the commit store when its head is not that of the entries', async () => {
    const file = join(test.directory, 'commit.db');
    const good = readFileSync(file);
    const { root } = (await openDirectorySource(test.directory)).head;
    writeFileSync(file, flip(good.indexOf(root))(Buffer.from(good)));
    const result = await check();
    writeFileSync(file, good);
    expect(result).to.have.nested.property('problem.where', 'commit.db');
  });

  it('names the commit store when SQLite cannot read it', async () => {
    const file = join(test.directory, 'commit.db');
    const good = readFileSync(file);
    writeFileSync(file, Buffer.concat([Buffer.alloc(100), good.subarray(100)]));
    const failure: unknown = await failureOf(check());
    writeFileSync(file, good);
    expect(failure).to.be.instanceOf(LogError).with.property('code', 'LOG_CORRUPT');
    expect((failure as LogError).message).to.include('commit.db');
  });

  it('keeps a log shut whose edge is damaged, and names the file', async () => {
    const file = join(test.directory, 'tile/0/001');
    const good = readFileSync(file);
    chmodSync(file, 0o600);
    for (const [bytes, says] of [
      [flip(64)(Buffer.from(good)), 'tile/0/001 is damaged at byte 64'],
      [good.subarray(0, 8160), 'tile/0/001 has 8160 bytes instead of 8192'],
      [Buffer.concat([good, Buffer.alloc(32)]), 'tile/0/001 has 8224 bytes instead of 8192'],
    ] as const) {
      writeFileSync(file, bytes);
      const failure: unknown = await failureOf(test.open());
      expect(failure).to.be.instanceOf(LogError).with.property('code', 'LOG_CORRUPT');
      expect((failure as LogError).message).to.include(says);
    }
    writeFileSync(file, good);
    chmodSync(file, 0o444);
    await (await test.open()).close();
    expect(await check()).to.include({ ok: true });
  });
});
