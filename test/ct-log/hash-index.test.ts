import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { uint } from '../../core/tls.ts';
import { GROUP, HashIndex } from '../../ct-log/hash-index.ts';
import { sha256 } from '../../ct-log/sha256.ts';

const LOG_ID = new Uint8Array(32).fill(1);
const leafHash = (index: number): Uint8Array => sha256(uint(4, index));

describe('ct-log/hash-index', function () {
  this.timeout(60_000);
  let root: string;
  let reads: number;
  const open: HashIndex[] = [];
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'mayfly-index-'));
    reads = 0;
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((index) => index.close()));
    rmSync(root, { recursive: true });
  });

  const index = (size: number, logId = LOG_ID): HashIndex => {
    const made = new HashIndex({ path: join(root, 'index.db'), logId }, size, ({ n, width }) => {
      reads++;
      return Promise.resolve(Buffer.concat(Array.from({ length: width }, (_, i) => leafHash(n * 256 + i))));
    });
    open.push(made);
    return made;
  };

  it('finds entries from the start, added ones, and nothing else', async () => {
    const made = index(300);
    await made.settled();
    for (let i = 300; i < 310; i++) made.add(leafHash(i), i);
    for (const i of [0, 255, 299, 300, 309]) expect(await made.candidates(leafHash(i))).to.deep.equal([i]);
    expect(await made.candidates(leafHash(310))).to.deep.equal([]);
  });

  it('says that it does not know, rather than no, until it has read everything', async () => {
    const made = index(300);
    expect(await made.candidates(leafHash(5))).to.equal(undefined);
    await made.settled();
    expect(await made.candidates(leafHash(5))).to.deep.equal([5]);
  });

  it('answers all that share a prefix, lowest first', async () => {
    const made = index(0);
    await made.settled();
    const twin = Uint8Array.from(leafHash(7), (byte, i) => (i === 31 ? byte ^ 1 : byte));
    made.add(leafHash(7), 0);
    made.add(twin, 1);
    made.add(leafHash(7), 2);
    expect(await made.candidates(leafHash(7))).to.deep.equal([0, 1, 2]);
  });

  it('moves complete groups to its file, and reads only the rest again after a restart', async () => {
    const first = index(GROUP + 5);
    await first.settled();
    expect(reads).to.equal(257);
    expect(await first.candidates(leafHash(77))).to.deep.equal([77]);
    await first.close();
    reads = 0;
    const second = index(GROUP + 5);
    await second.settled();
    expect(reads).to.equal(1);
    for (const i of [0, 77, GROUP - 1, GROUP, GROUP + 4]) {
      expect(await second.candidates(leafHash(i))).to.deep.equal([i]);
    }
  });

  it('starts anew when its file is damaged, of another log, or ahead of the log', async () => {
    const first = index(GROUP);
    await first.settled();
    await first.close();
    const smaller = index(10);
    await smaller.settled();
    expect(await smaller.candidates(leafHash(3))).to.deep.equal([3]);
    await smaller.close();
    reads = 0;
    const other = index(GROUP, new Uint8Array(32));
    await other.settled();
    expect(reads).to.equal(256);
    await other.close();
    writeFileSync(
      join(root, 'index.db'),
      'this is no database, but it is long enough to be read as one'.repeat(100),
    );
    const damaged = index(GROUP);
    await damaged.settled();
    expect(damaged.failure).to.equal(undefined);
    expect(await damaged.candidates(leafHash(9))).to.deep.equal([9]);
  });
});
