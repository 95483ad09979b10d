import { expect } from 'chai';
import fc from 'fast-check';
import { openDirectorySource } from '../../ct-log/directory-source.ts';
import {
  searchEntries,
  type EntryQuery,
  type EntryRange,
  type FoundEntry,
} from '../../ct-log/entry-search.ts';
import { LogError, LogReadError } from '../../tlog/core/log-error.ts';
import { loggedTbs } from '../../ct-log/logged-tbs.ts';
import type { LogSource } from '../../ct-log/source.ts';
import { concat } from '../../core/bytes.ts';
import { encodeEntry, type PrecertificateEntry } from '../../ct-log/format/leaf.ts';
import { hashLeaf } from '../../tlog/format/merkle.ts';
import { TILE_WIDTH, tilePath, type Tile } from '../../tlog/format/tile.ts';
import { naiveRoot } from '../support/naive-merkle.ts';
import { parseSct } from '../../ct-log/format/sct.ts';
import { sha256 } from '../../tlog/core/sha256.ts';
import { runMayfly } from '../support/mayfly.ts';
import { issuingLog, type IssuingLog } from './support/issuing-log.ts';
import { entry } from './support/test-log.ts';

const NAME = 'alice@example.org';
/** As long as the name, so that it fits where the name was: clears the screen, rings, ends the line. */
const HOSTILE = '\u001b[2J\u0007abc@ex\r\n.org';

async function collect(
  source: LogSource,
  head: { size: number; root: Uint8Array },
  query: EntryQuery = {},
  range: EntryRange = {},
): Promise<FoundEntry[]> {
  const found: FoundEntry[] = [];
  for await (const one of searchEntries(source, head, query, range)) found.push(one);
  return found;
}

const indexes = (found: readonly FoundEntry[]): number[] => found.map(({ index }) => index);

describe('ct-log/entry-search', function () {
  this.timeout(120_000);
  /** After the one certificate that is issued: times of a log never go back. */
  let T0 = 0;
  let test: IssuingLog;
  let tbs: Uint8Array;
  /** Time of each entry. */
  const times: number[] = [];
  before(async () => {
    test = await issuingLog();
    const { log: first, issued } = await test.issue(1);
    tbs = loggedTbs(issued[0]?.certificate ?? new Uint8Array());
    await first.close();
    const chainFingerprints = concat(test.ca.authority.chain.map(sha256));
    const entryOf = (of: Uint8Array): PrecertificateEntry => ({ ...entry(0), tbs: of, chainFingerprints });
    T0 = Date.now() + 60_000;
    const time = { now: T0 };
    const log = await test.open({ clock: () => time.now });
    for (; times.length < 600; time.now += 1000) {
      const count = Math.min(90, 600 - times.length);
      const receipts = await Promise.all(Array.from({ length: count }, () => log.append(entryOf(tbs))));
      for (const {
        receipt: { sct },
      } of receipts)
        times.push(parseSct(sct).timestamp);
    }
    await log.append(entryOf(withName(tbs, HOSTILE)));
    time.now++;
    await log.append(entryOf(entry(602).tbs));
    await log.close();
  });
  after(() => test.remove());

  const opened = async (): Promise<{ source: LogSource; head: { size: number; root: Uint8Array } }> => {
    const source = await openDirectorySource(test.directory);
    return { source, head: source.head };
  };

  it('finds in every span of times and places what lies there, in either order', async () => {
    const { source, head } = await opened();
    const all = await collect(source, head, {}, { oldestFirst: true });
    expect(indexes(all)).to.deep.equal(Array.from({ length: 603 }, (_, i) => i));
    expect(all.slice(1, 601).map(({ timestamp }) => timestamp)).to.deep.equal(times);
    const time = fc.option(fc.integer({ min: T0 - 2000, max: T0 + 9000 }), { nil: undefined });
    const place = fc.option(fc.integer({ min: 0, max: 610 }), { nil: undefined });
    await fc.assert(
      fc.asyncProperty(
        time,
        time,
        place,
        place,
        fc.boolean(),
        async (since, until, from, before, oldestFirst) => {
          const found = await collect(source, head, { since, until }, { from, before, oldestFirst });
          const wanted = all.filter(
            ({ index, timestamp }) =>
              timestamp >= (since ?? 0) &&
              timestamp <= (until ?? Infinity) &&
              index >= (from ?? 0) &&
              index < (before ?? Infinity),
          );
          expect(indexes(found)).to.deep.equal(indexes(oldestFirst ? wanted : wanted.reverse()));
        },
      ),
      { numRuns: 40 },
    );
  });

  it('finds what was logged in one millisecond, the first and the last that are asked for', async () => {
    const { source, head } = await opened();
    const all = await collect(source, head, {}, { oldestFirst: true });
    for (const place of [0, 1, 256, 400, 602]) {
      const at = all[place]?.timestamp ?? 0;
      const found = await collect(source, head, { since: at, until: at }, { oldestFirst: true });
      expect(indexes(found)).to.deep.equal(indexes(all.filter(({ timestamp }) => timestamp === at)));
    }
  });

  it('lists an entry in which it can read no certificate, whatever is looked for', async () => {
    const { source, head } = await opened();
    const [last, ...others] = await collect(source, head, { identity: 'nobody@example.org' });
    expect(last).to.include.keys('unreadable').and.include({ index: 602 });
    expect(others).to.deep.equal([]);
  });

  it('believes no byte that the head does not cover, and misses no entry for it', async () => {
    const { source, head } = await opened();
    const good = await collect(source, head);
    const paths = new Set<string>();
    const watched: LogSource = { ...plain(source), tile: (path) => (paths.add(path), source.tile(path)) };
    await collect(watched, head);
    expect([...paths].some((path) => path.startsWith('tile/1/'))).to.equal(true);
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...paths), fc.nat(), async (changed, at) => {
        const bent: LogSource = {
          ...plain(source),
          tile: async (path) => {
            const bytes = Uint8Array.from(await source.tile(path));
            if (path === changed) bytes[at % bytes.length] = (bytes[at % bytes.length] ?? 0) ^ 1;
            return bytes;
          },
        };
        const found = await collect(bent, head).catch((error: unknown) => error);
        // The precertificate beside a leaf is not covered, and not read either.
        if (found instanceof LogError) expect(found.code).to.equal('LOG_CORRUPT');
        else expect(found).to.deep.equal(good);
      }),
      { numRuns: 60 },
    );
    for (const lost of paths) {
      const tile = (path: string): Promise<Uint8Array> =>
        path === lost ? Promise.reject(new LogReadError('NOT_FOUND', 'lost')) : source.tile(path);
      const found = await collect({ ...plain(source), tile }, head).catch((error: unknown) => error);
      expect(found, lost).to.be.instanceOf(LogError).with.property('code', 'LOG_CORRUPT');
    }
  });

  it('does not show entries of another time for those of this one', async () => {
    const { source, head } = await opened();
    const swapped: LogSource = {
      ...plain(source),
      tile: (path) => source.tile(path.startsWith('tile/data/') ? 'tile/data/001' : path),
    };
    const found = await collect(swapped, head, {}, { before: 256 }).catch((error: unknown) => error);
    expect(found).to.be.instanceOf(LogError).with.property('code', 'LOG_CORRUPT');
  });

  it('shows names so that they move no cursor and hide nothing', async () => {
    for (const args of [
      ['list', '--limit', '2'],
      ['list', '--limit', '2', '--json'],
      ['show', '601'],
      ['show', '601', '--json'],
    ]) {
      const { code, stdout } = await runMayfly(['log', ...args, '--data', test.directory]);
      expect(code, stdout).to.equal(0);
      expect(stdout).to.not.match(/[^\x20-\x7e\n]/);
      const lines = args[0] === 'list' ? (args.includes('--json') ? 2 : 3) : undefined;
      if (lines !== undefined) expect(stdout.trimEnd().split('\n')).to.have.length(lines);
      expect(stdout).to.include(args.includes('--json') ? '\\u001b[2J\\u0007abc' : '\\u{1b}[2J\\u{7}abc');
    }
    const { code, stdout } = await runMayfly(['log', 'show', '602', '--data', test.directory]);
    expect(code).to.equal(0);
    expect(stdout).to.match(/^unreadable +\S/m);
  });

  it('shows no precertificate that is not of the leaf', async () => {
    const { code, stdout, stderr } = await runMayfly(['log', 'show', '5', '--pem', '--data', test.directory]);
    expect([code, stdout]).to.deep.equal([1, '']);
    expect(stderr).to.include('the precertificate of entry 5 is not the one that was logged');
  });

  it('holds entries to the head in a tree with tiles of tiles of tiles', async () => {
    const size = 66_000;
    const { source, root } = treeOf(size);
    const found = indexes(await collect(source, { size, root }, {}, { from: 65_000 }));
    expect([found[0], found.at(-1), found.length]).to.deep.equal([size - 1, 65_000, 1000]);
    expect(indexes(await collect(source, { size, root }, {}, { before: 3 }))).to.deep.equal([2, 1, 0]);
    for (const changed of ['tile/2/000.p/1', 'tile/1/000', 'tile/1/001.p/1', 'tile/0/257.p/208']) {
      const bent: LogSource = {
        ...source,
        tile: async (path) => (await source.tile(path)).map((byte) => (path === changed ? byte ^ 1 : byte)),
      };
      const error: unknown = await collect(bent, { size, root }, {}, { before: 3 }).catch(
        (fault: unknown) => fault,
      );
      expect(error, changed).to.be.instanceOf(LogError).with.property('code', 'LOG_CORRUPT');
    }
  });
});

/** A tree of small entries, and all tiles of it. */
function treeOf(size: number): { source: LogSource; root: Uint8Array } {
  const tiles = new Map<string, Uint8Array>();
  const put = (level: Tile['level'], items: readonly Uint8Array[]): void => {
    for (let n = 0; n * TILE_WIDTH < items.length; n++) {
      const inside = items.slice(n * TILE_WIDTH, (n + 1) * TILE_WIDTH);
      tiles.set(tilePath({ level, n, width: inside.length }), concat(inside));
    }
  };
  const entries = Array.from({ length: size }, (_, i) => encodeEntry(entry(i), i, new Uint8Array()));
  put(
    'data',
    entries.map(({ tileLeaf }) => tileLeaf),
  );
  let hashes = entries.map(({ leaf }) => hashLeaf(sha256, leaf));
  const root = naiveRoot(hashes);
  for (let level = 0; hashes.length > 0; level++) {
    put(level, hashes);
    const full = Math.floor(hashes.length / TILE_WIDTH);
    hashes = Array.from({ length: full }, (_, n) =>
      naiveRoot(hashes.slice(n * TILE_WIDTH, (n + 1) * TILE_WIDTH)),
    );
  }
  const absent = (path: string): Promise<Uint8Array> => Promise.reject(new LogReadError('NOT_FOUND', path));
  const tile = (path: string): Promise<Uint8Array> => {
    const bytes = tiles.get(path);
    return bytes === undefined ? absent(path) : Promise.resolve(bytes);
  };
  return {
    source: { name: 'memory', checkpoint: () => absent('checkpoint'), tile, chainCertificate: absent },
    root,
  };
}

/** Without methods of the class behind it. */
const plain = (source: LogSource): LogSource => ({
  name: source.name,
  checkpoint: () => source.checkpoint(),
  tile: (path) => source.tile(path),
  chainCertificate: (hex) => source.chainCertificate(hex),
});

/** The TBSCertificate for another name of the same length. */
function withName(tbs: Uint8Array, name: string): Uint8Array {
  const bytes = Buffer.from(tbs);
  const at = bytes.indexOf(NAME);
  const written = Buffer.from(name);
  expect([at > 0, written.length]).to.deep.equal([true, NAME.length]);
  written.copy(bytes, at);
  return Uint8Array.from(bytes);
}
