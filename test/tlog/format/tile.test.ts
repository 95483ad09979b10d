import { expect } from 'chai';
import fc from 'fast-check';
import { concat, toHex } from '../../../core/bytes.ts';
import { FormatError } from '../../../core/errors.ts';
import { CompactRange } from '../../../tlog/format/compact-range.ts';
import { hashLeaf } from '../../../tlog/format/merkle.ts';
import { consistencyProof, inclusionProof, rootFrom } from '../../../tlog/format/merkle-proof.ts';
import { verifyConsistency, verifyInclusion } from '../../../tlog/format/merkle-verify.ts';
import {
  hashesFromTiles,
  parseTilePath,
  placeOf,
  tilePath,
  tilesOf,
  tileWidth,
  type Tile,
} from '../../../tlog/format/tile.ts';
import { naiveRoot } from '../../support/naive-merkle.ts';
import { expectTypedErrorsOnText, sha256 } from '../../support/parsers.ts';
import { failureOf } from '../../support/failure.ts';

const paths = (tiles: Iterable<Tile>): string[] => [...tiles].map(tilePath);

describe('ct-log/format/tile paths', () => {
  it('writes the known paths', () => {
    const known: [number, string][] = [
      [0, '000'],
      [999, '999'],
      [1000, 'x001/000'],
      [1234067, 'x001/x234/067'],
      [999999999, 'x999/x999/999'],
    ];
    for (const [n, path] of known) expect(tilePath({ level: 0, n, width: 256 })).to.equal(`tile/0/${path}`);
    expect(tilePath({ level: 'data', n: 1000, width: 7 })).to.equal('tile/data/x001/000.p/7');
  });

  it('round-trips every tile', () => {
    const tile = fc.record({
      level: fc.oneof(fc.nat(5), fc.constantFrom('data' as const, 'entries' as const)),
      n: fc.oneof(fc.nat(), fc.maxSafeNat(), fc.nat(2000)).filter((n) => n < 1e15),
      width: fc.integer({ min: 1, max: 256 }),
    });
    fc.assert(
      fc.property(tile, (value) => {
        const bundle = typeof value.level === 'string' ? value.level : 'data';
        expect(parseTilePath(tilePath(value), bundle)).to.deep.equal(value);
      }),
    );
  });

  it('refuses every second spelling', () => {
    const wrong = [
      'tile/0/0',
      'tile/0/0000',
      'tile/0/x000/001',
      'tile/0/001/000',
      'tile/00/000',
      'tile/6/000',
      'tile/-1/000',
      'tile/x/000',
      'tile/0/000.p/0',
      'tile/0/000.p/256',
      'tile/0/000.p/01',
      'tile/0/000.p/',
      'tile/0/000.p',
      'tile/0/000/',
      '/tile/0/000',
      'tile/0/000\n',
      'tile/0/../000',
      'tile/0/x001/x002',
      'tile/data/',
      'tile/names/000',
      'tile/entries/000',
      'tile/0/x1/000',
      'tile/0/٠٠٠',
    ];
    const parse = (path: string): Tile => parseTilePath(path, 'data');
    for (const path of wrong) expect(() => parse(path), path).to.throw(FormatError);
    expect(() => parseTilePath('tile/data/000', 'entries')).to.throw(FormatError);
    expectTypedErrorsOnText(parse, ['tile/0/x001/x234/067.p/12', 'tile/data/000']);
  });
});

describe('ct-log/format/tile trees', () => {
  it('lists the tiles of the sizes in the specification', () => {
    expect(paths(tilesOf(0, 'data'))).to.be.empty;
    expect(paths(tilesOf(256, 'data'))).to.deep.equal(['tile/0/000', 'tile/1/000.p/1', 'tile/data/000']);
    const many = paths(tilesOf(70000, 'data'));
    expect(many.filter((path) => path.startsWith('tile/0/'))).to.have.length(274);
    expect(many).to.include.members([
      'tile/0/273.p/112',
      'tile/1/000',
      'tile/1/001.p/17',
      'tile/2/000.p/1',
      'tile/data/273.p/112',
    ]);
    expect(many.filter((path) => /^tile\/[12]\//.test(path))).to.have.length(3);
  });

  it('knows the width of a tile that is full, partial or not there', () => {
    expect([tileWidth(0, 0, 300), tileWidth(0, 1, 300), tileWidth(0, 2, 300)]).to.deep.equal([256, 44, 0]);
    expect([tileWidth(1, 0, 300), tileWidth('data', 1, 300), tileWidth(4, 0, 2 ** 40)]).to.deep.equal([
      1, 44, 256,
    ]);
  });

  it('finds the place of each node', () => {
    expect(placeOf(0, 300)).to.deep.equal({ level: 0, n: 1, first: 44, count: 1 });
    expect(placeOf(7, 3)).to.deep.equal({ level: 0, n: 1, first: 128, count: 128 });
    expect(placeOf(8, 300)).to.deep.equal({ level: 1, n: 1, first: 44, count: 1 });
  });

  // 66,000 leaves reach the third level of tiles.
  const SIZE = 66_000;
  const leaves = Array.from({ length: SIZE }, (_, i) => hashLeaf(sha256, Uint8Array.of(i >> 16, i >> 8, i)));
  const levels = new Map<number, Uint8Array[]>();
  const roots = new Map<number, Uint8Array>();
  const range = new CompactRange(sha256);
  before(() => {
    for (const leaf of leaves) {
      range.append(leaf, (level, _index, hash) => {
        if (level % 8 !== 0) return;
        const row = levels.get(level / 8) ?? [];
        row.push(hash);
        levels.set(level / 8, row);
      });
      roots.set(
        range.size,
        range.size % 1009 === 0 || range.size < 600 || range.size > SIZE - 2
          ? range.root()
          : new Uint8Array(),
      );
    }
  });
  /** The tile as a file would hold it; full where the tree allows, as if the log had grown on. */
  const readTile = ({ level, n, width }: { level: number; n: number; width: number }): Uint8Array =>
    concat((levels.get(level) ?? []).slice(n * 256, n * 256 + width));

  it('reads every proof out of tiles', async () => {
    for (const size of [1, 2, 255, 256, 257, 511, 512, 599, 1009 * 64, SIZE]) {
      const read = hashesFromTiles(sha256, size, readTile);
      const root = roots.get(size) ?? new Uint8Array();
      expect(toHex(await rootFrom(sha256, size, read)), String(size)).to.equal(toHex(root));
      for (const index of new Set([0, 1, 254, 255, 256, size >> 1, size - 1].filter((i) => i < size))) {
        const proof = await inclusionProof(sha256, index, size, read);
        const claim = { leafHash: leaves[index] ?? new Uint8Array(), index, size };
        expect(verifyInclusion(sha256, claim, proof, root), `${index}/${size}`).to.equal(true);
      }
      for (const first of [1, 255, 256, 257, 599].filter((n) => n <= size)) {
        const proof = await consistencyProof(sha256, first, size, read);
        const before = { size: first, root: roots.get(first) ?? new Uint8Array() };
        expect(verifyConsistency(sha256, before, { size, root }, proof), `${first}/${size}`).to.equal(true);
      }
    }
  });

  it('keeps partial tiles as prefixes of the full tile, and full tiles as the nodes of the level above', () => {
    for (const width of [1, 17, 255]) {
      const full = readTile({ level: 0, n: 3, width: 256 });
      expect(Buffer.compare(readTile({ level: 0, n: 3, width }), full.subarray(0, width * 32))).to.equal(0);
    }
    for (const n of [0, 100, 256]) {
      const row = levels.get(0)?.slice(n * 256, n * 256 + 256) ?? [];
      expect(levels.get(1)?.[n]).to.deep.equal(naiveRoot(row));
    }
    expect(levels.get(2)).to.have.length(1);
  });

  it('refuses a tile that is shorter or longer than its path says', async () => {
    for (const change of [
      (tile: Uint8Array) => tile.subarray(32),
      (tile: Uint8Array) => concat([tile, new Uint8Array(32)]),
    ]) {
      const read = hashesFromTiles(sha256, 300, (tile) => change(readTile(tile)));
      expect(await failureOf(rootFrom(sha256, 300, read))).to.be.instanceOf(FormatError);
    }
  });
});
