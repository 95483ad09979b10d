import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect } from 'chai';
import { concat, toHex } from '../../core/bytes.ts';
import { FormatError } from '../../core/errors.ts';
import { isCommitted } from '../../tlog/core/committed.ts';
import { freezeLog } from '../../tlog/freeze.ts';
import { hashLeaf } from '../../tlog/format/merkle.ts';
import { LogError } from '../../tlog/core/log-error.ts';
import type { TileLog } from '../../tlog/live-log.ts';
import { sha256 } from '../../tlog/core/sha256.ts';
import { fileTileStore } from '../../tlog/store/file-tile-store.ts';
import { verifyCheckpoint } from '../../tlog/tree/verify-head.ts';
import { entry, testLog } from '../ct-log/support/test-log.ts';
import {
  artifact,
  artifactKey,
  bundleOf,
  testArtifactLog,
  textsOf,
  verifyReceipt,
  type ProofReceipt,
  type TestArtifactLog,
} from './support/artifact-log.ts';

const addAll = (log: TileLog<string, ProofReceipt>, from: number, to: number) =>
  Promise.all(Array.from({ length: to - from }, (_, i) => log.append(artifact(from + i))));

const codeOf = (failing: Promise<unknown>): Promise<unknown> =>
  failing.then(
    () => 'nothing',
    (error: unknown) => (error instanceof LogError ? error.code : error),
  );

describe('tlog/log-kind: a log of another kind than certificates', function () {
  this.timeout(30_000);
  let test: TestArtifactLog;
  beforeEach(async () => {
    test = await testArtifactLog();
  });
  afterEach(() => test.remove());

  it('returns a receipt that proves the entry under a checkpoint of the log', async () => {
    const log = await test.open();
    for (const [i, committed] of (await addAll(log, 0, 300)).entries()) {
      expect(isCommitted(committed)).to.equal(true);
      expect(committed.index).to.equal(i);
      const { index, size, root } = verifyReceipt(committed.receipt, artifact(i), test.verifier);
      expect([index, size]).to.deep.equal([i, committed.treeSize]);
      expect(toHex(root)).to.equal(toHex(committed.root));
      expect(() => verifyReceipt(committed.receipt, artifact(i + 1), test.verifier)).to.throw(FormatError);
    }
  });

  it('proves an entry in a tree whose first tiles are in files', async () => {
    const log = await test.open();
    await addAll(log, 0, 600);
    await log.close();
    const again = await test.open();
    const { receipt } = await again.append(artifact(600));
    expect(verifyReceipt(receipt, artifact(600), test.verifier)).to.include({ index: 600, size: 601 });
  });

  it('keeps its entries in bundles of its own form, under their own name', async () => {
    const log = await test.open();
    await addAll(log, 0, 300);
    await log.close();
    const texts = Array.from({ length: 300 }, (_, i) => artifact(i));
    const bundle = readFileSync(join(test.directory, 'tile/entries/000'));
    expect(textsOf(bundle)).to.deep.equal(texts.slice(0, 256));
    expect(existsSync(join(test.directory, 'tile/data'))).to.equal(false);
    expect(existsSync(join(test.directory, 'issuer'))).to.equal(false);
    const { tree } = await test.open();
    const part = await tree.tiles.tile({ level: 'entries', n: 1, width: 40 });
    expect(toHex(part)).to.equal(toHex(bundleOf(texts.slice(256, 296))));
    const hashes = await tree.tiles.tile({ level: 0, n: 1, width: 44 });
    const leaves = texts.slice(256).map((text) => hashLeaf(sha256, new TextEncoder().encode(text)));
    expect(toHex(hashes)).to.equal(toHex(concat(leaves)));
  });

  it('signs its checkpoint with its one key, and goes on after a restart where it was', async () => {
    const log = await test.open();
    await addAll(log, 0, 10);
    const before = log.tree.head();
    expect(before.signatures.map(({ keyId }) => toHex(keyId))).to.deep.equal([toHex(test.verifier.keyId)]);
    await log.close();
    const again = await test.open();
    expect(again.warnings.filter((warning) => !warning.includes('tmpfs'))).to.deep.equal([]);
    expect(toHex(again.tree.head().head.root)).to.equal(toHex(before.head.root));
    expect((await again.append(artifact(10))).index).to.equal(10);
  });

  it('counts its key on checkpoints of its own origin alone', async () => {
    const log = await test.open();
    const { checkpoint } = log.tree.head();
    expect(verifyCheckpoint(checkpoint, [test.verifier]).origin).to.equal('rekor.localhost - 4711');
    const other = { ...test.verifier, origin: 'rekor.localhost - 4712' };
    expect(() => verifyCheckpoint(checkpoint, [other])).to.throw(LogError, 'no signature of a known key');
  });

  it('refuses an entry that does not fit, alone', async () => {
    const log = await test.open();
    const added = await Promise.all([
      codeOf(log.append('x'.repeat(65_536))),
      log.append('x'.repeat(65_535)).then(({ index }) => index),
    ]);
    expect(added).to.deep.equal(['LOG_ENTRY_REFUSED', 0]);
  });

  it('does not open with the key of another log', async () => {
    expect(await codeOf(test.open({ key: artifactKey() }))).to.equal('LOG_WRONG_KEY');
    expect(await codeOf(test.open())).to.equal('nothing');
  });

  it('does not open with a commit store that does not say which log it is of', async () => {
    const db = new DatabaseSync(join(test.directory, 'commit.db'));
    db.exec("DELETE FROM meta WHERE key = 'identity'");
    db.close();
    expect(await codeOf(test.open())).to.equal('LOG_CORRUPT');
  });

  it('ends as its kind says', async () => {
    const log = await test.open();
    await addAll(log, 0, 3);
    await log.close();
    const { head } = await freezeLog(test.directory, test.identity, [test.verifier], Date.now);
    expect(head.size).to.equal(3);
    const ended = await test.open();
    expect(ended.refusal()).to.include({ code: 'LOG_FROZEN' });
    expect(ended.refusal()?.message).to.match(/: nothing is added any more$/);
    expect(await codeOf(ended.append(artifact(3)))).to.equal('LOG_FROZEN');
  });

  it('calls a bundle that is cut off damaged', async () => {
    const log = await test.open({
      stores: { tiles: { ...fileTileStore(test.directory), put: () => Promise.reject(new Error('full')) } },
    });
    await addAll(log, 0, 256);
    await log.close();
    const whole = bundleOf(Array.from({ length: 256 }, (_, i) => artifact(i)));
    const store = fileTileStore(test.directory);
    await store.put('tile/entries/000', whole.subarray(0, 5000));
    expect(await codeOf(test.open())).to.equal('LOG_CORRUPT');
  });

  it('refuses what another history left beside it', async () => {
    const log = await test.open({
      stores: { tiles: { ...fileTileStore(test.directory), put: () => Promise.reject(new Error('full')) } },
    });
    await addAll(log, 0, 256);
    await log.close();
    const others = Array.from({ length: 256 }, (_, i) => artifact(1000 + i));
    const store = fileTileStore(test.directory);
    await store.put('tile/entries/000', bundleOf(others));
    expect(await codeOf(test.open())).to.equal('LOG_ROLLED_BACK');
  });

  it('runs beside other logs in one process, each with its own store, keys and tree', async () => {
    const other = await testArtifactLog('other.localhost');
    const certificates = await testLog();
    try {
      const [one, two] = [await test.open(), await other.open()];
      const ct = await certificates.open();
      const [ofOne, ofTwo, ofCt] = await Promise.all([
        addAll(one, 0, 300),
        addAll(two, 1000, 1270),
        Promise.all(Array.from({ length: 280 }, (_, i) => ct.append(entry(i)))),
      ]);
      for (const [i, { receipt }] of ofOne.entries()) {
        expect(verifyReceipt(receipt, artifact(i), test.verifier).index).to.equal(i);
        expect(() => verifyReceipt(receipt, artifact(i), other.verifier)).to.throw(LogError);
      }
      for (const [i, { receipt }] of ofTwo.entries())
        expect(verifyReceipt(receipt, artifact(1000 + i), other.verifier).index).to.equal(i);
      expect(ofCt.map(({ index }) => index)).to.deep.equal(ofCt.map((_, i) => i));
      expect([one, two, ct].map((log) => log.status().size)).to.deep.equal([300, 270, 280]);
    } finally {
      await Promise.all([other.remove(), certificates.remove()]);
    }
  });
});
