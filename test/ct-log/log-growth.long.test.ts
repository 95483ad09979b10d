import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { fromBase64, toHex } from '../../core/bytes.ts';
import type { SctReceipt } from '../../ct-log/format/sct.ts';
import type { CommittedEntry } from '../../tlog/core/committed.ts';
import { verifyConsistency, verifyInclusion } from '../../tlog/format/merkle-verify.ts';
import type { CtLog } from '../../ct-log/ct-log.ts';
import { sha256 } from '../../tlog/core/sha256.ts';
import { Ledger } from './support/ledger.ts';
import { entry, testLog, type TestLog } from './support/test-log.ts';

describe('ct-log/log as it grows', function () {
  this.timeout(180_000);
  let test: TestLog;
  let ledger: Ledger;
  beforeEach(async () => {
    test = await testLog();
    ledger = new Ledger();
  });
  afterEach(() => test.remove());

  const grow = async (log: CtLog, to: number): Promise<CommittedEntry<SctReceipt>[]> => {
    const from = log.status().size;
    const answers = await Promise.all(
      Array.from({ length: to - from }, (_, i) => log.append(entry(from + i))),
    );
    for (const answer of answers) ledger.note(answer);
    return answers;
  };

  it('can be closed and opened at every size around a full tile', async () => {
    for (const size of [1, 2, 255, 256, 257, 511, 512, 513, 767, 1024]) {
      const log = await test.open({ signers: ledger.watch(test.signers) });
      await grow(log, size);
      await log.close();
      await ledger.expectKept(test.directory);
    }
    expect(existsSync(join(test.directory, 'tile/data/003'))).to.equal(true);
    expect(existsSync(join(test.directory, 'tile/0/004'))).to.equal(false);
  });

  it('keeps what is not in tiles yet, and no more, in the commit store', async () => {
    const log = await test.open();
    await grow(log, 520);
    await log.close();
    const again = await test.open();
    await grow(again, 521);
    const { openDirectorySource } = await import('../../ct-log/directory-source.ts');
    const source = await openDirectorySource(test.directory);
    expect(source.locate?.('tile/data/002.p/9', 0)).to.equal('commit.db, entry 512 at byte 0');
    expect(source.locate?.('tile/data/001', 0)).to.equal('tile/data/001 at byte 0');
  });

  it('crosses 65,536 entries: tiles of level 1 and 2, proofs across them, restart, look-up by hash', async () => {
    const log = await test.open({ limits: { queued: 70_000 }, signers: ledger.watch(test.signers) });
    const [first] = await grow(log, 1);
    await grow(log, 65_000);
    const before = log.status();
    const answers = await grow(log, 66_000);
    await log.close();
    await ledger.expectKept(test.directory);
    expect(existsSync(join(test.directory, 'tile/1/000'))).to.equal(true);

    const again = await test.open({ signers: ledger.watch(test.signers) });
    const { reader } = again;
    const now = again.status();
    expect(now.size).to.equal(66_000);
    expect((await reader.tile('tile/2/000.p/1')).length).to.equal(32);
    expect((await reader.tile('tile/1/001.p/1')).length).to.equal(32);
    const { consistency } = await reader.getSthConsistency(65_000, 66_000);
    expect(verifyConsistency(sha256, before, now, consistency.map(fromBase64))).to.equal(true);
    for (const answer of [first, answers[0], answers.at(-1)]) {
      if (answer === undefined) throw new Error('an answer is missing');
      const { leafHash, index } = answer;
      const { audit_path } = await reader.getEntryAndProof(index, 66_000);
      const claim = { leafHash, index, size: 66_000 };
      expect(verifyInclusion(sha256, claim, audit_path.map(fromBase64), now.root), `entry ${index}`).to.equal(
        true,
      );
    }
    const last = answers.at(-1)?.leafHash ?? new Uint8Array();
    expect((await reader.getProofByHash(last, 66_000)).leaf_index, toHex(last)).to.equal(65_999);
  });
});
