import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
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
  /** What a read waits for. */
  let before: Promise<undefined> | undefined;
  const open: HashIndex[] = [];
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'mayfly-index-'));
    reads = 0;
    before = undefined;
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((index) => index.close()));
    rmSync(root, { recursive: true });
  });

  const index = (size: number, logId = LOG_ID, path = join(root, 'index.db')): HashIndex => {
    const made = new HashIndex({ path, logId }, size, async ({ n, width }) => {
      reads++;
      await before;
      return Buffer.concat(Array.from({ length: width }, (_, i) => leafHash(n * 256 + i)));
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

  it('keeps no complete group in memory that it cannot store', async () => {
    const made = index(10, LOG_ID, join(root, 'nowhere', 'index.db'));
    await made.settled();
    for (let i = 10; i < 2 * GROUP + 5; i++) made.add(leafHash(i), i);
    await made.settled();
    expect(made.failure).to.be.a('string');
    expect(await made.candidates(leafHash(2 * GROUP + 4))).to.deep.equal([2 * GROUP + 4]);
    for (const i of [3, GROUP - 1, GROUP + 1]) expect(await made.candidates(leafHash(i))).to.equal(undefined);
  });

  it('reads groups again that came faster than it could store them', async () => {
    const held = Promise.withResolvers<undefined>();
    before = held.promise;
    const made = index(1);
    for (let i = 1; i < 4 * GROUP; i++) made.add(leafHash(i), i);
    expect(await made.candidates(leafHash(3 * GROUP))).to.equal(undefined);
    held.resolve(undefined);
    await made.settled();
    expect(reads).to.equal(1 + 2 * 256);
    for (const i of [0, GROUP, 2 * GROUP + 1, 4 * GROUP - 1]) {
      expect(await made.candidates(leafHash(i))).to.deep.equal([i]);
    }
    expect(await made.candidates(leafHash(4 * GROUP))).to.deep.equal([]);
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

  it('leaves no thread behind that would hold the process, whenever it is closed', async () => {
    const workers: Worker[] = [];
    const remember = (worker: Worker): void => void workers.push(worker);
    process.on('worker', remember);
    // While the first tile is read, while the thread starts, and while it works.
    for (const turns of [0, 1, 300, 1_000]) {
      const made = index(GROUP + 1, LOG_ID, join(root, `${turns}.db`));
      for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
      await made.close();
    }
    process.off('worker', remember);
    expect(workers.filter(({ threadId }) => threadId !== -1)).to.deep.equal([]);
  });
});
