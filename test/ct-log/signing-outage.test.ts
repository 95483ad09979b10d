import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { SignerError } from '../../signers/signer-error.ts';
import type { Signer } from '../../signers/signer.ts';
import { LogError } from '../../tlog/core/log-error.ts';
import { Outage, outageSigner } from './support/faults.ts';
import { Ledger } from './support/ledger.ts';
import { entry, testLog, type TestLog } from './support/test-log.ts';
import { failureOf } from '../support/failure.ts';

describe('ct-log: keys that do not sign', () => {
  let test: TestLog;
  let ledger: Ledger;
  beforeEach(async () => {
    test = await testLog();
    ledger = new Ledger();
  });
  afterEach(() => test.remove());

  const limits = { signingTimeoutMs: 20 };
  for (const which of ['treeHead', 'checkpoint'] as const)
    it(`keep nobody waiting, lose nothing, and are missed no longer than they fail: ${which}`, async () => {
      const outage = new Outage('the key store is gone');
      const signers = ledger.watch(test.signers);
      const log = await test.open({
        signers: { ...signers, [which]: outageSigner(signers[which], outage) },
        limits,
      });
      outage.isOn = true;
      const waiting = failureOf(log.append(entry(0)));
      expect(await waiting)
        .to.be.instanceOf(LogError)
        .with.property('code', 'LOG_UNAVAILABLE');
      expect(log.refusal()).to.have.property('message', 'the log cannot sign at the moment');
      expect(await failureOf(log.append(entry(1)))).to.equal(log.refusal());
      expect(log.status().signingFailure).to.equal('the key store is gone');
      expect(log.reader.getSth().tree_size).to.equal(0);
      outage.isOn = false;
      while (log.refusal() !== undefined) await delay(1);
      ledger.note(await log.append(entry(2)));
      expect(log.status()).to.include({ size: 2, stops: 0 }).and.not.have.property('signingFailure');
      await log.close();
      await ledger.expectKept(test.directory);
    });

  it('and are known to fail refuse every entry before it is stored, with when to come back', async () => {
    let trouble: SignerError | undefined;
    const remote = {
      where: 'openbao://log',
      version: undefined,
      refusal: () => trouble,
      failure: () => trouble,
      counts: () => ({ outcomes: new Map(), buckets: [], count: 0, sum: 0, inFlight: 0 }),
      close: () => Promise.resolve(),
    };
    for (const which of ['treeHead', 'checkpoint'] as const) {
      const signers = { ...test.signers, [which]: { ...test.signers[which], remote } };
      const log = await test.open({ signers });
      trouble = new SignerError('SIGNER_UNAVAILABLE', 'the token is gone', { retryAfterMs: 3_000 });
      const refusal = log.refusal();
      expect(refusal).to.have.property('code', 'LOG_UNAVAILABLE');
      expect(refusal?.metadata).to.deep.equal({ retryAfter: '3' });
      expect(await failureOf(log.append(entry(0)))).to.have.property('code', 'LOG_UNAVAILABLE');
      expect(log.status()).to.deep.include({ size: 0, queued: 0, signingFailure: 'the token is gone' });
      trouble = undefined;
      expect(log.refusal()).to.equal(undefined);
      await log.close();
      // Nothing of it is durable.
      const again = await test.open();
      expect(again.status().size).to.equal(0);
      await again.close();
    }
  });

  it('and do not answer either are said to, and keep no log from being closed', async () => {
    let answers = true;
    const { treeHead } = test.signers;
    const silent: Signer = {
      ...treeHead,
      sign: (data) => (answers ? treeHead.sign(data) : new Promise(() => undefined)),
    };
    const log = await test.open({ signers: { ...test.signers, treeHead: silent }, limits });
    answers = false;
    expect(await failureOf(log.append(entry(0)))).to.have.property('code', 'LOG_UNAVAILABLE');
    expect(log.status().signingFailure).to.equal('the keys of the log do not answer');
    await log.close();
    // The entry was durable before its head was signed.
    expect((await test.open()).status().size).to.equal(1);
  });
});
