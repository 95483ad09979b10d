/** What has ended or damaged other people's logs, each by its name, against ours. */
import { readFileSync, rmSync, writeFileSync, chmodSync } from 'node:fs';
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { checkDirectory } from '../../ct-log/check-directory.ts';
import { openDirectorySource } from '../../ct-log/directory-source.ts';
import type { CtLog } from '../../ct-log/ct-log.ts';
import { parseSct } from '../../ct-log/format/sct.ts';
import { httpSource } from '../../ct-log/http-source.ts';
import { emptyGroup } from '../../tlog/index/hash-group.ts';
import { HashIndex } from '../../tlog/index/hash-index.ts';
import { fromBase64 } from '../../core/bytes.ts';
import { LogError } from '../../tlog/core/log-error.ts';
import { sha256 } from '../../tlog/core/sha256.ts';
import { CompactRange } from '../../tlog/format/compact-range.ts';
import { verifyConsistency } from '../../tlog/format/merkle-verify.ts';
import type { CommitStore } from '../../tlog/store/commit-store.ts';
import { fileTileStore } from '../../tlog/store/file-tile-store.ts';
import { sqliteCommitStore } from '../../tlog/store/sqlite-commit-store.ts';
import { failureAs } from '../support/failure.ts';
import { artifact, rekorLog } from '../rekor/support/rekor-log.ts';
import { issuingLog, type IssuingLog } from './support/issuing-log.ts';
import { Ledger } from './support/ledger.ts';
import { serveReader } from './support/serve-reader.ts';
import { entry, testLog, type TestLog } from './support/test-log.ts';

async function untilGoesOn(log: CtLog): Promise<void> {
  while (log.refusal() !== undefined) await delay(20);
}

/** Appends entries `first` to before `end`, all at once, and notes what is acknowledged; resolves with how many were. */
async function append(log: CtLog, ledger: Ledger, first: number, end: number): Promise<number> {
  const all = Array.from({ length: end - first }, (_, i) => log.append(entry(first + i)));
  let count = 0;
  for (const result of await Promise.allSettled(all)) {
    if (result.status === 'rejected') continue;
    ledger.note(result.value);
    count++;
  }
  return count;
}

/** What `mayfly log check` finds in a directory. */
async function found(directory: string): Promise<string> {
  const result = await checkDirectory(await openDirectorySource(directory));
  return result.ok ? 'nothing' : `${result.problem.where}: ${result.problem.message}`;
}

describe('incidents of other logs', function () {
  this.timeout(60_000);

  describe('of their stores', () => {
    let test: TestLog;
    let ledger: Ledger;
    beforeEach(async () => {
      test = await testLog();
      ledger = new Ledger();
    });
    afterEach(() => test.remove());

    it('Oak 2022, where a migration lost rows of entries: a log that lacks one is not started, and signs nothing', async () => {
      const first = await test.open({ signers: ledger.watch(test.signers) });
      await append(first, ledger, 0, 20);
      await first.close();
      const heads = ledger.heads.length;
      const database = new DatabaseSync(join(test.directory, 'commit.db'));
      database.exec('DELETE FROM entry WHERE idx = 7');
      database.close();
      const refused = await failureAs(LogError, test.open({ signers: ledger.watch(test.signers) }));
      expect(refused.code).to.equal('LOG_CORRUPT');
      expect(ledger.heads).to.have.length(heads);
    });

    for (const step of ['load', 'recover'] as const)
      it(`Raio and Azul 2025, where reading the state again failed after a fault (${step}): it is read again until it can be, and no tile is missing`, async () => {
        const store = sqliteCommitStore(test.directory, test.identity);
        let fails = 0;
        let isOpen = false;
        const failing = async <T>(work: () => Promise<T>): Promise<T> => {
          if (isOpen && fails-- > 0) throw new Error('the storage is away');
          return work();
        };
        const commits: CommitStore = {
          load: () => (step === 'load' ? failing(() => store.load()) : store.load()),
          recover: () => (step === 'recover' ? failing(() => store.recover()) : store.recover()),
          async commit(batch) {
            await store.commit(batch);
            if (batch.next.size === 250) throw new Error('the answer was lost');
          },
          close: () => store.close(),
        };
        const log = await test.open({ signers: ledger.watch(test.signers), stores: { commits } });
        isOpen = true;
        fails = 3;
        expect(await append(log, ledger, 0, 250)).to.equal(0);
        await untilGoesOn(log);
        expect(fails).to.be.below(1);
        expect(await append(log, ledger, 250, 300)).to.equal(50);
        await log.close();
        await ledger.expectKept(test.directory);
        expect(await fileTileStore(test.directory).get('tile/data/000')).to.be.instanceOf(Uint8Array);
      });

    it('Mammoth 2025h1, where a head was older than an SCT in it: a clock that goes back dates no head so', async () => {
      const steps = [0, 400, -300, -250, 900, -899, 5];
      let turn = 0;
      let wrongBy = 0;
      const clock = (): number => Date.now() + (wrongBy += (steps[turn++ % steps.length] ?? 0) / 2);
      const log = await test.open({ signers: ledger.watch(test.signers), clock });
      for (let i = 0; i < 40; i += 4) await append(log, ledger, i, i + 4);
      await log.close();
      expect(ledger.answers.length).to.be.above(0);
      for (const { index, timestamp } of ledger.answers)
        for (const head of ledger.heads)
          if (head.size > index) expect(head.timestamp, `of size ${head.size}`).to.be.at.least(timestamp);
      await ledger.expectKept(test.directory);
    });

    it('Sunlight #11, where two writers wrote over each other’s tiles: tiles are of the one history that is committed', async () => {
      const first = await test.open({ signers: ledger.watch(test.signers) });
      await append(first, ledger, 0, 250);
      // The lock is lost with its file.
      rmSync(join(test.directory, 'lock.db'));
      const second = await test.open({ signers: ledger.watch(test.signers) });
      const both = await Promise.all([
        append(first, ledger, 1_000, 1_020),
        append(second, ledger, 2_000, 2_020),
      ]);
      expect(Math.min(...both)).to.equal(0);
      for (const log of [first, second]) await append(log, ledger, 3_000, 3_020);
      await Promise.all([first.close(), second.close()]);
      const third = await test.open({ signers: ledger.watch(test.signers) });
      await append(third, ledger, 4_000, 4_300);
      await third.close();
      await ledger.expectKept(test.directory);
    });

    it('Sunlight up to 0.8.0, where a certificate was taken for another one whose key began with the same bytes: both places are named, and whole hashes are compared', async () => {
      const hash = sha256(Uint8Array.of(1));
      const twin = Uint8Array.from(hash, (byte, i) => (i === 31 ? byte ^ 1 : byte));
      const data = { path: join(test.root, 'index.db'), logId: new Uint8Array(32) };
      const index = new HashIndex(data, 0, () => Promise.resolve(emptyGroup()));
      try {
        await index.settled();
        index.add(hash, 0);
        expect((await index.candidates(twin)).indexes).to.deep.equal([0]);
        index.add(twin, 1);
        expect((await index.candidates(twin)).indexes).to.deep.equal([0, 1]);
      } finally {
        await index.close();
      }
      const log = await test.open();
      await log.append(entry(1));
      const leaf = Uint8Array.from((await log.reader.tile('tile/0/000.p/1')).subarray(0, 32));
      expect(await log.reader.getProofByHash(leaf, 1)).to.have.property('leaf_index', 0);
      leaf[31] = (leaf[31] ?? 0) ^ 1;
      const missing = await log.reader.getProofByHash(leaf, 1).catch((error: unknown) => error);
      expect(missing).to.have.property('code', 'NOT_FOUND');
    });
  });

  it('Oak 2022, where what was submitted again got a new time: an artifact that is logged again is the stored one, with its time', async () => {
    const test = await rekorLog(1);
    try {
      let now = Date.now();
      const first = await test.open({ clock: () => (now += 10) });
      const added = await first.add(artifact(1));
      await first.close();
      now += 5_000;
      const log = await test.open({ clock: () => (now += 10) });
      const again = await log.add(artifact(1));
      expect([again.isNew, again.entry]).to.deep.equal([false, added.entry]);
      expect(log.status().size).to.equal(2);
    } finally {
      await test.remove();
    }
  });

  describe('of what they served', () => {
    let test: IssuingLog;
    before(async () => {
      test = await issuingLog();
      await (await test.issue(300)).log.close();
      // What is in a full tile is dropped from the commit store with the next batch.
      await (await test.issue(1)).log.close();
    });
    after(() => test.remove());

    for (const path of ['tile/data/000', 'tile/0/000'])
      it(`Yeti 2022, where one bit of a stored entry flipped: the check finds it, and names the file (${path})`, async () => {
        expect(await found(test.directory)).to.equal('nothing');
        const file = join(test.directory, path);
        const good = readFileSync(file);
        chmodSync(file, 0o644);
        try {
          for (const at of [40, good.length >> 1, good.length - 40]) {
            writeFileSync(
              file,
              Uint8Array.from(good, (byte, i) => (i === at ? byte ^ 0x10 : byte)),
            );
            expect(await found(test.directory), `byte ${at}`).to.match(/^(?:tile\/(?:data|0)\/000|issuer\/)/);
          }
        } finally {
          writeFileSync(file, good);
        }
        expect(await found(test.directory)).to.equal('nothing');
      });

    it('TrustAsia log2026, where a cache left the query out: a proof of other sizes convinces nobody, and static resources have no query', async () => {
      const { log } = await test.issue(0);
      try {
        const roots = new Map<number, Uint8Array>();
        const pairs: (readonly [number, number])[] = [];
        const { size, root } = log.tree.head().head;
        for (const first of [1, 2, 100, 255, 256, 299]) pairs.push([first, size]);
        roots.set(size, root);
        const hashes = Buffer.concat([
          await log.reader.tile('tile/0/000'),
          await log.reader.tile(`tile/0/001.p/${size - 256}`),
        ]);
        const range = new CompactRange(sha256);
        for (let i = 0; i < size; i++) {
          range.append(hashes.subarray(i * 32, (i + 1) * 32));
          roots.set(i + 1, range.root());
        }
        const treeOf = (at: number) => ({ size: at, root: roots.get(at) ?? new Uint8Array() });
        for (const [first, second] of pairs) {
          const { consistency } = await log.reader.getSthConsistency(first, second);
          const proof = consistency.map(fromBase64);
          for (const [other] of pairs)
            expect(
              verifyConsistency(sha256, treeOf(other), treeOf(second), proof),
              `${first} for ${other}`,
            ).to.equal(other === first);
        }
        // A cache that knows paths alone changes nothing for who reads the static resources.
        const served = await serveReader(log.reader);
        const cached = new Map<string, Buffer>();
        const cache = createServer((request, response) => {
          const [path = ''] = (request.url ?? '').split('?');
          void (async () => {
            const known =
              cached.get(path) ?? Buffer.from(await (await fetch(served.base + path)).arrayBuffer());
            cached.set(path, known);
            response.end(known);
          })();
        }).listen(0, '127.0.0.1');
        await once(cache, 'listening');
        const source = httpSource(`http://127.0.0.1:${(cache.address() as AddressInfo).port}/log/2026`);
        await source.checkpoint();
        expect(await source.tile('tile/0/000')).to.deep.equal(await log.reader.tile('tile/0/000'));
        expect([...cached.keys()].some((path) => path.includes('?'))).to.equal(false);
        cache.closeAllConnections();
        cache.close();
        await served.close();
      } finally {
        await log.close();
      }
    });
  });

  for (const [extensions, length] of [
    ['none', 0],
    ['leaf_index', 8],
  ] as const)
    it(`sigstore-python #1664, where clients refused SCTs with extensions: a log is made with or without them (${extensions})`, async () => {
      const test = await issuingLog(extensions);
      try {
        const { issued, log } = await test.issue(1);
        const [one] = issued;
        if (one === undefined) throw new Error('nothing was issued');
        expect(parseSct(one.committed.receipt.sct).extensions).to.have.length(length);
        await log.close();
        expect(await found(test.directory)).to.equal('nothing');
      } finally {
        await test.remove();
      }
    });
});
