import { expect } from 'chai';
import { LogError } from '../../tlog/core/log-error.ts';
import { Ledger } from './support/ledger.ts';
import { entry, testLog, type TestLog } from './support/test-log.ts';
import { failureOf } from '../support/failure.ts';

describe('ct-log/log and its clock', () => {
  let test: TestLog;
  let now: number;
  beforeEach(async () => {
    test = await testLog();
    now = Date.now() + 60_000;
  });
  afterEach(() => test.remove());

  it('makes at most one head a millisecond, later than the one before and than every SCT', async () => {
    const ledger = new Ledger();
    // A clock that stands still, until it is asked for the tenth time.
    let asked = 0;
    const clock = (): number => (asked++ % 10 === 9 ? ++now : now);
    const log = await test.open({ clock, signers: ledger.watch(test.signers) });
    for (let i = 0; i < 6; i++) ledger.note(await log.append(entry(i)));
    await log.close();
    expect(asked).to.be.at.least(50);
    expect(new Set(ledger.heads.map(({ timestamp }) => timestamp)).size).to.equal(7);
    await ledger.expectKept(test.directory);
  });

  it('waits for a clock that is a little behind', async () => {
    let late = false;
    const log = await test.open({ clock: () => (late ? (now += 3) : now) });
    const first = await log.append(entry(0));
    now -= 8;
    late = true;
    const second = await log.append(entry(1));
    expect(second.timestamp).to.be.above(first.timestamp);
    expect(second.timestamp).to.equal(now);
  });

  it('refuses while the clock is far behind, and goes on when it is right', async () => {
    const log = await test.open({ clock: () => now });
    const first = await log.append(entry(0));
    now -= 1001;
    const attempts = await Promise.allSettled([log.append(entry(1)), log.append(entry(2))]);
    for (const attempt of attempts) {
      expect(attempt).to.include({ status: 'rejected' });
      const reason: unknown = (attempt as PromiseRejectedResult).reason;
      expect(reason).to.be.instanceOf(LogError).with.property('code', 'LOG_CLOCK');
    }
    expect(log.status()).to.include({ size: 1, queued: 0 }).and.not.have.property('failed');
    now += 1002;
    expect(await log.append(entry(3))).to.include({ index: 1, timestamp: first.timestamp + 1 });
  });

  it('does not date a head before the last one after a restart with a clock that went back', async () => {
    const before = await test.open({ clock: () => now });
    await before.append(entry(0));
    await before.close();
    const after = await test.open({ clock: () => now - 3_600_000 });
    expect(after.status().timestamp).to.equal(now);
    const failure: unknown = await failureOf(after.append(entry(1)));
    expect(failure).to.be.instanceOf(LogError).with.property('code', 'LOG_CLOCK');
  });
});
