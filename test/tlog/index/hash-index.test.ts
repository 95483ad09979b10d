import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import { uint } from '../../../core/tls.ts';
import { hashInTile } from '../../../tlog/format/tile.ts';
import { GROUP, prefixOf, leafHashGroups } from '../../../tlog/index/hash-group.ts';
import { HashIndex } from '../../../tlog/index/hash-index.ts';
import { findIndexFault } from '../../../tlog/index/hash-index-tables.ts';
import { sha256 } from '../../../tlog/core/sha256.ts';

const LOG_ID = new Uint8Array(32).fill(1);
const leafHash = (index: number): Uint8Array => sha256(uint(4, index));
const leafTile = (n: number, width: number): Buffer =>
  Buffer.concat(Array.from({ length: width }, (_, i) => leafHash(n * 256 + i)));

/** Roots of full level 0 tiles by their number: the same in every test. */
const roots = new Map<number, Uint8Array>();
function rootOf(n: number): Uint8Array {
  let root = roots.get(n);
  if (root === undefined) {
    root = hashInTile(sha256, { level: 0, n, first: 0, count: 256 }, leafTile(n, 256));
    roots.set(n, root);
  }
  return root;
}
const upper = (n: number, width: number): Buffer =>
  Buffer.concat(Array.from({ length: width }, (_, i) => rootOf(n * 256 + i)));

describe('tlog/index/hash-index', function () {
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
    leaves = leafTile;
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((index) => index.close()));
    rmSync(root, { recursive: true });
  });

  /** What the tree says at level 0; a test may damage it. */
  let leaves: (n: number, width: number) => Buffer;

  const index = (size: number, logId = LOG_ID, path = join(root, 'index.db')): HashIndex => {
    const groups = leafHashGroups(async ({ level, n, width }) => {
      if (level === 1) return upper(n, width);
      reads++;
      await before;
      return leaves(n, width);
    });
    const made = new HashIndex({ path, logId }, size, groups);
    open.push(made);
    return made;
  };

  /** Which places the index names, and whether that is all: `[5]`, or `[5, '?']` when there may be others. */
  const look = async (made: HashIndex, i: number): Promise<unknown[]> => {
    const { indexes, isAll } = await made.candidates(leafHash(i));
    return isAll ? [...indexes] : [...indexes, '?'];
  };

  it('finds entries from the start, added ones, and nothing else', async () => {
    const made = index(300);
    await made.settled();
    for (let i = 300; i < 310; i++) made.add(leafHash(i), i);
    for (const i of [0, 255, 299, 300, 309]) expect(await look(made, i)).to.deep.equal([i]);
    expect(await look(made, 310)).to.deep.equal([]);
  });

  it('says that it does not know, rather than no, until it has read everything', async () => {
    const made = index(300);
    expect(await look(made, 5)).to.deep.equal(['?']);
    await made.settled();
    expect(await look(made, 5)).to.deep.equal([5]);
  });

  it('answers all that share a prefix, lowest first', async () => {
    const made = index(0);
    await made.settled();
    const twin = Uint8Array.from(leafHash(7), (byte, i) => (i === 31 ? byte ^ 1 : byte));
    made.add(leafHash(7), 0);
    made.add(twin, 1);
    made.add(leafHash(7), 2);
    expect(await look(made, 7)).to.deep.equal([0, 1, 2]);
  });

  it('moves complete groups to its file, and reads only the rest again after a restart', async () => {
    const first = index(GROUP + 5);
    await first.settled();
    expect(reads).to.equal(257);
    expect(await look(first, 77)).to.deep.equal([77]);
    await first.close();
    reads = 0;
    const second = index(GROUP + 5);
    await second.settled();
    expect(reads).to.equal(1);
    for (const i of [0, 77, GROUP - 1, GROUP, GROUP + 4]) {
      expect(await look(second, i)).to.deep.equal([i]);
    }
  });

  it('knows of no entry that it is absent when it could not store a group, and keeps few in memory', async () => {
    const made = index(10, LOG_ID, join(root, 'nowhere', 'index.db'));
    await made.settled();
    for (let i = 10; i < 5 * GROUP + 5; i++) made.add(leafHash(i), i);
    await made.settled();
    expect(made.failure).to.include('index.db');
    expect(await look(made, 5 * GROUP + 4)).to.deep.equal([5 * GROUP + 4, '?']);
    for (const i of [3 * GROUP, 5 * GROUP - 1, 5 * GROUP + 5])
      expect(await look(made, i)).to.deep.equal(['?']);
  });

  it('reads groups again that came faster than it could store them', async () => {
    const held = Promise.withResolvers<undefined>();
    before = held.promise;
    const made = index(1);
    for (let i = 1; i < 4 * GROUP; i++) made.add(leafHash(i), i);
    expect(await look(made, 4 * GROUP)).to.deep.equal(['?']);
    held.resolve(undefined);
    await made.settled();
    expect(reads).to.equal(1 + 2 * 256);
    for (const i of [0, GROUP, 2 * GROUP + 1, 4 * GROUP - 1]) {
      expect(await look(made, i)).to.deep.equal([i]);
    }
    expect(await look(made, 4 * GROUP)).to.deep.equal([]);
  });

  it('starts anew when its file is damaged, of another log, or ahead of the log', async () => {
    const first = index(GROUP);
    await first.settled();
    await first.close();
    const database = new DatabaseSync(join(root, 'index.db'));
    database.exec('UPDATE mark SET covered = 2');
    database.close();
    reads = 0;
    const shorter = index(GROUP);
    await shorter.settled();
    expect(reads, 'ahead of the log').to.equal(256);
    expect(await look(shorter, 3)).to.deep.equal([3]);
    await shorter.close();
    reads = 0;
    const other = index(GROUP, new Uint8Array(32));
    await other.settled();
    expect(reads, 'of another log').to.equal(256);
    await other.close();
    const triggered = new DatabaseSync(join(root, 'index.db'));
    triggered.exec('CREATE TRIGGER more AFTER INSERT ON leaf BEGIN DELETE FROM leaf; END');
    triggered.close();
    reads = 0;
    const without = index(GROUP, new Uint8Array(32));
    await without.settled();
    expect(reads, 'with a statement of somebody else').to.equal(256);
    await without.close();
    writeFileSync(
      join(root, 'index.db'),
      'this is no database, but it is long enough to be read as one'.repeat(100),
    );
    const damaged = index(GROUP);
    await damaged.settled();
    expect(damaged.failure).to.equal(undefined);
    expect(await look(damaged, 9)).to.deep.equal([9]);
  });

  const whole = async (): Promise<void> => {
    const made = index(GROUP + 3);
    await made.settled();
    await made.close();
  };

  const DAMAGES: Record<string, (bytes: Buffer) => Buffer> = {
    'a bit is wrong in every page': (bytes) =>
      bytes.map((byte, at) => (at % 4096 === 2500 ? byte ^ 4 : byte)) as Buffer,
    'pages were lost': (bytes) => bytes.fill(0, 400_000, 500_000),
  };
  for (const [what, damage] of Object.entries(DAMAGES)) {
    it(`denies no entry when ${what}, says so, and is made anew by itself`, async () => {
      await whole();
      const path = join(root, 'index.db');
      writeFileSync(path, damage(readFileSync(path)));
      const made = index(GROUP + 3);
      await made.settled();
      const failures: (string | undefined)[] = [];
      for (let i = 0; i < GROUP; i += 100) {
        expect(await look(made, i)).to.satisfy(
          (found: unknown[]) => found.includes(i) || found.includes('?'),
        );
        failures.push(made.failure);
      }
      expect(failures.at(-1)).to.include('index.db');
      await made.rebuilt();
      expect(made.failure).to.equal(undefined);
      for (let i = 0; i < GROUP; i += 100) expect(await look(made, i)).to.deep.equal([i]);
      expect(await look(made, GROUP + 3)).to.deep.equal([]);
    });
  }

  it('is found right beside a log that went on since the check of it began, and wrong where it is ahead of the log', async () => {
    const made = index(GROUP + 1);
    await made.settled();
    await made.close();
    const path = join(root, 'index.db');
    const read = leafHashGroups(({ level, n, width }) =>
      Promise.resolve(level === 1 ? upper(n, width) : leafTile(n, width)),
    );
    const fault = (size: number, committed: number): Promise<string | undefined> =>
      findIndexFault(path, LOG_ID, { size, committed: () => Promise.resolve(committed), read });
    expect(await fault(GROUP, GROUP)).to.equal(undefined);
    expect(await fault(GROUP - 1, GROUP)).to.equal(undefined);
    expect(await fault(GROUP - 1, GROUP - 1)).to.match(
      /it says that it has 1 groups, and the log has 65535 entries/,
    );
  });

  it('denies no entry whose bucket was changed, lost, or is another one', async () => {
    await whole();
    const bucket = Math.floor(prefixOf(leafHash(5)) / 2 ** 36);
    const flip = `rows = CAST(substr(rows, 1, 1) || x'ff' || substr(rows, 3) AS BLOB)`;
    for (const [i, statement] of [
      ...[`UPDATE leaf SET ${flip} WHERE bucket = ${bucket}`, `DELETE FROM leaf WHERE bucket = ${bucket}`],
      `UPDATE leaf SET rows = (SELECT rows FROM leaf WHERE bucket = ${bucket ^ 1}) WHERE bucket = ${bucket}`,
      `UPDATE leaf SET rows = CAST(substr(rows, 7) AS BLOB) WHERE bucket = ${bucket}`,
      `UPDATE leaf SET rows = x'' WHERE bucket = ${bucket}`,
    ].entries()) {
      const path = join(root, `${i}.db`);
      copyFileSync(join(root, 'index.db'), path);
      const database = new DatabaseSync(path);
      expect(database.prepare(statement).run().changes).to.equal(1);
      database.close();
      const made = index(GROUP + 3, LOG_ID, path);
      await made.settled();
      expect(await look(made, 5), statement).to.deep.equal(['?']);
      expect(made.failure).to.include(`${i}.db`);
      await made.close();
    }
  });

  it('takes no hash from a tile that does not give the hash above it', async () => {
    leaves = (n, width) => {
      const hashes = leafTile(n, width);
      if (n === 1) hashes[40] = (hashes[40] ?? 0) ^ 1;
      return hashes;
    };
    const made = index(600);
    await made.settled();
    expect(made.failure).to.include('tile/0/001 is damaged');
    expect(await look(made, 257)).to.deep.equal(['?']);
    leaves = leafTile;
    await made.rebuilt();
    expect(await look(made, 257)).to.deep.equal([257]);
    expect(made.failure).to.equal(undefined);
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
