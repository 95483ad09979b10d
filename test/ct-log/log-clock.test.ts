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

  for (const [what, step, isRefused] of [
    ['a little back', -200, false],
    ['far back', -60_000, true],
    ['ahead', 5000, false],
    ['ahead and far back again', 60_000, true],
  ] as const)
    it(`dates no entry before the head that it builds on when the clock is set ${what} within a batch`, async () => {
      const ledger = new Ledger();
      let base = 0;
      let [readings, stepAt, backAt] = [0, Infinity, Infinity];
      const clock = (): number => {
        readings++;
        return Date.now() + base + (readings >= stepAt && readings < backAt ? step : 0);
      };
      const log = await test.open({ clock, signers: ledger.watch(test.signers) });
      let [next, refused] = [0, 0];
      const burst = async (): Promise<void> => {
        const attempts = await Promise.allSettled([1, 2, 3].map(() => log.append(entry(next++))));
        for (const attempt of attempts)
          if (attempt.status === 'fulfilled') ledger.note(attempt.value);
          else {
            refused++;
            expect(attempt.reason).to.be.instanceOf(LogError).with.property('code', 'LOG_CLOCK');
          }
      };
      // At each of the readings of a batch.
      for (let at = 1; at <= 6; at++) {
        await burst();
        stepAt = readings + at;
        backAt = what.startsWith('ahead and') ? stepAt + at : Infinity;
        for (let i = 0; i < 4; i++) await burst();
        // As after a correction by hand.
        [stepAt, backAt, base] = [Infinity, Infinity, base + Math.max(0, step)];
        ledger.note(await log.append(entry(next++)));
      }
      await log.close();
      expect(refused > 0).to.equal(isRefused);
      await ledger.expectKept(test.directory);
      for (const { index, timestamp } of ledger.answers) {
        const before = ledger.heads.filter(({ size }) => size <= index).map((head) => head.timestamp);
        expect(timestamp).to.be.above(Math.max(...before));
      }
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
