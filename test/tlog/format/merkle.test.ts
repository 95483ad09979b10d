import { expect } from 'chai';
import { toHex } from '../../../core/bytes.ts';
import { FormatError } from '../../../core/errors.ts';
import { CompactRange } from '../../../tlog/format/compact-range.ts';
import { emptyRoot, hashLeaf, hashNode, nodesOf, splitPoint } from '../../../tlog/format/merkle.ts';
import {
  consistencyProof,
  inclusionProof,
  rememberingHashes,
  rootFrom,
  type HashReader,
} from '../../../tlog/format/merkle-proof.ts';
import { verifyConsistency, verifyInclusion } from '../../../tlog/format/merkle-verify.ts';
import { naivePath, naiveRoot, naiveSubproof } from '../../support/naive-merkle.ts';
import { hex, sha256 } from '../../support/parsers.ts';
import { failureOf } from '../../support/failure.ts';
import { isFull } from '../../support/runs.ts';

const STANDARD_LEAVES = [
  '',
  '00',
  '10',
  '2021',
  '3031',
  '40414243',
  '5051525354555657',
  '606162636465666768696a6b6c6d6e6f',
];
/** Roots for 0 to 8 of those leaves, as every CT implementation tests them. */
const STANDARD_ROOTS = [
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
];
type InclusionClaim = Parameters<typeof verifyInclusion>[1];
const leafHashes = (count: number): Uint8Array[] =>
  Array.from({ length: count }, (_, i) => hashLeaf(sha256, Uint8Array.of(i >> 8, i & 255)));

/** A tree that remembers all of its complete subtrees, as the append reports them. */
function grow(hashes: readonly Uint8Array[]): { range: CompactRange; read: HashReader } {
  const nodes = new Map<string, Uint8Array>();
  const range = new CompactRange(sha256);
  for (const hash of hashes) range.append(hash, (level, index, node) => nodes.set(`${level}/${index}`, node));
  const read: HashReader = (level, index) => {
    const node = nodes.get(`${level}/${index}`);
    if (node === undefined) throw new Error(`no node ${level}/${index}`);
    return node;
  };
  return { range, read };
}

describe('tlog/format/merkle', () => {
  it('computes the roots of the eight standard leaves', () => {
    const range = new CompactRange(sha256);
    for (const [size, expected] of STANDARD_ROOTS.entries()) {
      expect(toHex(range.root()), String(size)).to.equal(expected);
      range.append(hashLeaf(sha256, hex(STANDARD_LEAVES[size] ?? '')));
    }
    expect(new CompactRange(sha256).root()).to.deep.equal(emptyRoot(sha256));
  });

  it('grows the same tree as the recursive definition, at every size', () => {
    // More than one tile holds.
    const hashes = leafHashes(isFull ? 600 : 260);
    const range = new CompactRange(sha256);
    for (let size = 0; size <= hashes.length; size++) {
      expect(toHex(range.root()), String(size)).to.equal(toHex(naiveRoot(hashes.slice(0, size))));
      const next = hashes[size];
      if (next !== undefined) range.append(next);
    }
  });

  it('goes on from a stored frontier as if it had never stopped', () => {
    const hashes = leafHashes(70);
    for (let size = 0; size < 70; size++) {
      const { range } = grow(hashes.slice(0, size));
      const again = new CompactRange(sha256, range.size, range.hashes);
      for (const hash of hashes.slice(size)) again.append(hash);
      expect(again.root(), String(size)).to.deep.equal(naiveRoot(hashes));
    }
  });

  it('tries a batch on a copy without touching the original', () => {
    const { range } = grow(leafHashes(5));
    const before = toHex(range.root());
    range.clone().append(new Uint8Array(32));
    expect([range.size, toHex(range.root())]).to.deep.equal([5, before]);
    (range.hashes as Uint8Array[]).pop();
    expect(toHex(range.root())).to.equal(before);
  });

  it('refuses a frontier that does not belong to its size', () => {
    const { range } = grow(leafHashes(5));
    const wrong: [number, readonly Uint8Array[]][] = [
      [4, range.hashes],
      [7, range.hashes],
      [-1, []],
      [0.5, []],
      [1, [new Uint8Array(31)]],
    ];
    for (const [size, hashes] of wrong)
      expect(() => new CompactRange(sha256, size, hashes)).to.throw(FormatError);
  });

  it('hashes a node without a trace of the one before', () => {
    const [short, long] = [new Uint8Array(31).fill(7), new Uint8Array(32).fill(9)];
    const before = toHex(hashNode(sha256, short, long));
    hashNode(sha256, new Uint8Array(32).fill(1), new Uint8Array(32).fill(2));
    expect(toHex(hashNode(sha256, short, long))).to.equal(before);
  });

  it('splits where RFC 6962 splits, beyond 32 bits too', () => {
    expect([2, 3, 4, 5, 8, 9].map(splitPoint)).to.deep.equal([1, 2, 2, 4, 4, 8]);
    expect(splitPoint(2 ** 40)).to.equal(2 ** 39);
    expect(splitPoint(2 ** 40 + 1)).to.equal(2 ** 40);
    expect(nodesOf({ start: 2 ** 39, end: 2 ** 39 + 3 })).to.deep.equal([
      { level: 1, index: 2 ** 38 },
      { level: 0, index: 2 ** 39 + 2 },
    ]);
  });
});

describe('ct-log/format/merkle-proof and merkle-verify', () => {
  const LIMIT = 70;
  const hashes = leafHashes(LIMIT);
  const { read } = grow(hashes);
  const roots = Array.from({ length: LIMIT + 1 }, (_, size) => naiveRoot(hashes.slice(0, size)));
  const rootOf = (size: number): Uint8Array => roots[size] ?? new Uint8Array();
  const leafAt = (index: number): Uint8Array => hashes[index] ?? new Uint8Array();

  it('makes the inclusion proofs of the recursive definition, and they hold', async () => {
    for (let size = 1; size <= LIMIT; size++) {
      expect(await rootFrom(sha256, size, read)).to.deep.equal(rootOf(size));
      for (let index = 0; index < size; index++) {
        const proof = await inclusionProof(sha256, index, size, read);
        expect(proof.map(toHex), `${index}/${size}`).to.deep.equal(
          naivePath(index, hashes.slice(0, size)).map(toHex),
        );
        expect(
          verifyInclusion(sha256, { leafHash: leafAt(index), index, size }, proof, rootOf(size)),
        ).to.equal(true);
      }
    }
  });

  it('makes the same proofs of a tree for many leaves, asking for each hash once', async () => {
    const asked: string[] = [];
    const known = rememberingHashes((level, index) => {
      asked.push(`${level}/${index}`);
      return read(level, index);
    });
    for (let index = 0; index < LIMIT; index++)
      expect((await inclusionProof(sha256, index, LIMIT, known)).map(toHex)).to.deep.equal(
        naivePath(index, hashes).map(toHex),
      );
    expect(asked).to.have.lengthOf(new Set(asked).size);
  });

  it('makes the consistency proofs of the recursive definition, and they hold', async () => {
    for (let second = 0; second <= LIMIT; second++) {
      for (let first = 0; first <= second; first++) {
        const proof = await consistencyProof(sha256, first, second, read);
        const naive = first === 0 ? [] : naiveSubproof(first, hashes.slice(0, second));
        expect(proof.map(toHex), `${first}/${second}`).to.deep.equal(naive.map(toHex));
        const holds = verifyConsistency(
          sha256,
          { size: first, root: rootOf(first) },
          { size: second, root: rootOf(second) },
          proof,
        );
        expect(holds, `${first}/${second}`).to.equal(true);
      }
    }
  });

  it('refuses an inclusion proof for another leaf, place, size or root, or with a hash changed, missing or added', async () => {
    for (const [index, size] of [
      [0, 1],
      [0, 2],
      [3, 7],
      [6, 7],
      [64, 65],
      [41, 70],
    ] as const) {
      const proof = await inclusionProof(sha256, index, size, read);
      const claim: InclusionClaim = { leafHash: leafAt(index), index, size };
      const check = (change: Partial<InclusionClaim>, path = proof, root = rootOf(size)): boolean =>
        verifyInclusion(sha256, { ...claim, ...change }, path, root);
      expect(check({})).to.equal(true);
      expect(check({ leafHash: new Uint8Array(32) })).to.equal(false);
      for (let other = 0; other < size; other++)
        if (other !== index) expect(check({ index: other }), `${other} for ${index}`).to.equal(false);
      expect(check({}, proof, rootOf(size - 1))).to.equal(false);
      expect(check({}, [...proof, leafAt(0)])).to.equal(false);
      expect(check({}, [leafAt(0), ...proof])).to.equal(false);
      for (let i = 0; i < proof.length; i++) {
        expect(
          check(
            {},
            proof.filter((_, at) => at !== i),
          ),
        ).to.equal(false);
        expect(
          check(
            {},
            proof.map((hash, at) => (at === i ? sha256(hash) : hash)),
          ),
        ).to.equal(false);
        expect(
          check(
            {},
            proof.map((hash, at) => (at === i ? hash.subarray(1) : hash)),
          ),
        ).to.equal(false);
      }
      for (const odd of [-1, size, 0.5, Number.NaN, 2 ** 60])
        expect(check({ index: odd }), String(odd)).to.equal(false);
    }
  });

  it('refuses a consistency proof for other sizes or roots, or with a hash changed, missing or added', async () => {
    for (const [first, second] of [
      [1, 2],
      [3, 7],
      [4, 7],
      [6, 8],
      [64, 65],
      [33, 70],
    ] as const) {
      const proof = await consistencyProof(sha256, first, second, read);
      const check = (path = proof, before = rootOf(first), after = rootOf(second)): boolean =>
        verifyConsistency(sha256, { size: first, root: before }, { size: second, root: after }, path);
      expect(check()).to.equal(true);
      expect(check(proof, rootOf(first - 1))).to.equal(false);
      expect(check(proof, rootOf(first), rootOf(second - 1))).to.equal(false);
      expect(check([...proof, leafAt(0)])).to.equal(false);
      expect(check([])).to.equal(false);
      for (let i = 0; i < proof.length; i++) {
        expect(check(proof.filter((_, at) => at !== i))).to.equal(false);
        expect(check(proof.map((hash, at) => (at === i ? sha256(hash) : hash)))).to.equal(false);
      }
    }
    const tree = { size: 5, root: rootOf(5) };
    expect(
      verifyConsistency(sha256, tree, { size: 5, root: rootOf(4) }, []),
      'two roots of one size',
    ).to.equal(false);
    expect(verifyConsistency(sha256, tree, { size: 4, root: rootOf(4) }, []), 'a tree that shrank').to.equal(
      false,
    );
    expect(verifyConsistency(sha256, { size: 0, root: rootOf(0) }, tree, [leafAt(0)])).to.equal(false);
  });

  it('holds for indexes beyond 32 bits', async () => {
    // A tree of 2^33 + 1 leaves in which each level's nodes are all the same: complete subtrees need no storage.
    const levels: Uint8Array[] = [sha256(hex('00'))];
    for (let i = 0; i < 33; i++)
      levels.push(sha256(Buffer.concat([hex('01'), levels[i] ?? hex(''), levels[i] ?? hex('')])));
    const same: HashReader = (level) => levels[level] ?? new Uint8Array();
    const size = 2 ** 33 + 1;
    const root = await rootFrom(sha256, size, same);
    for (const index of [0, 2 ** 32 + 5, 2 ** 33]) {
      const proof = await inclusionProof(sha256, index, size, same);
      const claim = { leafHash: levels[0] ?? hex(''), index, size };
      expect(verifyInclusion(sha256, claim, proof, root), String(index)).to.equal(true);
    }
    const earlier = 2 ** 32 + 3;
    const proof = await consistencyProof(sha256, earlier, size, same);
    const before = { size: earlier, root: await rootFrom(sha256, earlier, same) };
    expect(verifyConsistency(sha256, before, { size, root }, proof)).to.equal(true);
  });

  it('does not prove what lies outside of the tree', async () => {
    for (const [index, size] of [
      [0, 0],
      [1, 1],
      [-1, 1],
      [0.5, 2],
    ] as const) {
      const outcome = await failureOf(inclusionProof(sha256, index, size, read));
      expect(outcome, `${index}/${size}`).to.be.instanceOf(RangeError);
    }
    expect(await failureOf(consistencyProof(sha256, 2, 1, read))).to.be.instanceOf(RangeError);
  });
});

describe('tlog/format/merkle-verify', () => {
  const [extra, ...leaves] = leafHashes(6);
  const over = extra ?? new Uint8Array(32);
  const lifted = (root: Uint8Array): Uint8Array => hashNode(sha256, over, root);

  it('takes no proof that goes on above the root, though its hashes lead to the root that is claimed', () => {
    for (const size of [1, 2, 3, 5]) {
      const tree = leaves.slice(0, size);
      for (const [index, leafHash] of tree.entries()) {
        const claim = { leafHash, index, size };
        const path = naivePath(index, tree);
        expect(verifyInclusion(sha256, claim, path, naiveRoot(tree))).to.equal(true);
        expect(verifyInclusion(sha256, claim, [...path, over], lifted(naiveRoot(tree)))).to.equal(false);
      }
    }
  });

  it('takes no such proof that one tree continues another', () => {
    const proof = naiveSubproof(3, leaves.slice(0, 4));
    const roots = [3, 4].map((size) => naiveRoot(leaves.slice(0, size))) as [Uint8Array, Uint8Array];
    const holds = (first: Uint8Array, second: Uint8Array, path: readonly Uint8Array[]): boolean =>
      verifyConsistency(sha256, { size: 3, root: first }, { size: 4, root: second }, path);
    expect(holds(roots[0], roots[1], proof)).to.equal(true);
    expect(holds(lifted(roots[0]), lifted(roots[1]), [...proof, over])).to.equal(false);
  });
});
