import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { rfc3339 } from '../../../core/clock.ts';
import { CLOCK_WINDOW, LONGEST_DOUBT } from '../../../core/steadied-clock.ts';
import { ClockGuard, JUMP_TOLERANCE } from '../../../tlog/sequence/clock-guard.ts';
import { LogError } from '../../../tlog/core/log-error.ts';
import type { CtLog } from '../../../ct-log/ct-log.ts';
import { entry, testLog, type TestLog } from '../../ct-log/support/test-log.ts';
import { failureOf } from '../../support/failure.ts';

const DAY = 86_400_000;

/** A machine whose clocks a test moves. */
class Machine {
  /** What the clock is ahead of the true time. */
  skew = 0;
  #time = Date.now();
  #asleep = 0;
  readonly #start = this.#time;

  readonly wall = (): number => this.#time + this.skew;
  readonly steady = {
    now: (): number => this.#time - this.#start - this.#asleep,
    uptime: (): number => this.#time - this.#start,
  };

  pass(ms: number): void {
    this.#time += ms;
  }

  sleep(ms: number): void {
    this.#time += ms;
    this.#asleep += ms;
  }
}

describe('tlog/sequence/clock-guard', () => {
  let machine: Machine;
  let guard: ClockGuard;
  beforeEach(() => {
    machine = new Machine();
    guard = new ClockGuard(machine.wall, machine.steady);
  });

  /** Lets time pass as a service does, with a look every second. */
  const run = (ms: number): void => {
    for (let passed = 0; passed < ms; passed += 1000) {
      machine.pass(1000);
      guard.look();
    }
  };
  const doubt = (): string | undefined => {
    try {
      guard.now();
      return undefined;
    } catch (error) {
      expect(error).to.be.instanceOf(LogError).with.property('code', 'LOG_CLOCK');
      return (error as LogError).message;
    }
  };

  it('trusts a clock that goes with the time, and corrections that come to little in ten minutes', () => {
    for (let i = 0; i < 20; i++) {
      run(CLOCK_WINDOW + 60_000);
      machine.skew += i % 3 === 0 ? -JUMP_TOLERANCE : JUMP_TOLERANCE;
      expect(doubt()).to.equal(undefined);
    }
    run(CLOCK_WINDOW + 60_000);
    for (let i = 0; i < 100; i++) {
      run(60_000);
      machine.skew += i % 2 === 0 ? JUMP_TOLERANCE : -JUMP_TOLERANCE;
      expect(doubt()).to.equal(undefined);
    }
  });

  it('lets no corrections add up to more than one may be', () => {
    for (let i = 0; i < 4; i++) {
      run(120_000);
      machine.skew += 2_500;
      expect(doubt()).to.equal(undefined);
    }
    machine.skew += 1;
    expect(doubt()).to.match(/^the clock jumped 10 s ahead/);
  });

  for (const rate of [9_900, 5_000, 1_000, 500, 200, 50])
    it(`is not led away by a clock that goes ${rate} ms too far each second`, () => {
      for (let passed = 1_000; passed <= 3_600_000; passed += 1_000) {
        machine.skew += rate;
        run(1_000);
        if (doubt() === undefined) expect(machine.skew).to.be.at.most(JUMP_TOLERANCE + 1_000 + passed / 10);
      }
    });

  it('trusts a clock again that a daemon sets right little by little', () => {
    machine.skew = -120_000;
    let trusted = 0;
    for (; machine.skew < 0; machine.skew += 80) {
      run(1_000);
      if (doubt() === undefined) trusted++;
    }
    expect(trusted).to.be.greaterThan(1_000);
  });

  it('goes on from what an earlier run of the same machine trusted', () => {
    run(5_000);
    const { baseline } = guard;
    machine.pass(3_600_000);
    guard = new ClockGuard(machine.wall, machine.steady, baseline);
    expect(doubt()).to.equal(undefined);
    machine.skew = DAY;
    guard = new ClockGuard(machine.wall, machine.steady, baseline);
    expect(doubt()).to.match(/jumped 86400 s ahead/);
    run(LONGEST_DOUBT);
    expect(doubt()).to.equal(undefined);
    // Of a machine that was on for longer: not this one.
    guard = new ClockGuard(machine.wall, machine.steady, { wall: 0, uptime: machine.steady.uptime() + 1 });
    expect(doubt()).to.equal(undefined);
  });

  for (const [direction, skew] of [
    ['ahead', DAY],
    ['back', -DAY],
    ['a little ahead', JUMP_TOLERANCE + 1],
  ] as const) {
    it(`does not trust a clock that jumped ${direction}, and does at once when it is right again`, () => {
      run(5_000);
      machine.skew = skew;
      expect(doubt()).to.match(/^the clock jumped \d+ s (ahead|back)/);
      run(JUMP_TOLERANCE - 2_000);
      expect(doubt()).to.match(/^the clock jumped/);
      machine.skew = 0;
      expect(doubt()).to.equal(undefined);
    });
  }

  it('trusts a jump that has stood for as long as it is wide, at most ten minutes', () => {
    for (const [jump, doubted] of [
      [30_000, 30_000],
      [DAY, LONGEST_DOUBT],
      [-DAY, LONGEST_DOUBT],
    ] as const) {
      machine.skew += jump;
      expect(doubt()).to.be.a('string');
      run(doubted - 1_000);
      expect(doubt()).to.match(/if it stands, it is in 1 s/);
      run(1_000);
      expect(doubt()).to.equal(undefined);
    }
  });

  it('begins to wait anew with each jump', () => {
    machine.skew = DAY;
    for (let i = 0; i < 10; i++) {
      run(LONGEST_DOUBT - 1_000);
      machine.skew += 60_000;
      expect(doubt()).to.be.a('string');
    }
    run(LONGEST_DOUBT);
    expect(doubt()).to.equal(undefined);
  });

  it('takes the time that a machine slept for time that passed', () => {
    run(3_000);
    machine.sleep(8 * 3_600_000);
    expect(doubt()).to.equal(undefined);
    machine.skew = DAY;
    machine.sleep(1000);
    expect(doubt()).to.match(/jumped 86400 s ahead/);
  });

  it('trusts every time without a steady clock', () => {
    guard = new ClockGuard(machine.wall, undefined);
    machine.skew = DAY;
    expect(guard.now()).to.equal(machine.wall());
  });
});

describe('ct-log/log whose clock is wrong for a minute', () => {
  let test: TestLog;
  let machine: Machine;
  beforeEach(async () => {
    test = await testLog();
    machine = new Machine();
    machine.pass(DAY);
  });
  afterEach(() => test.remove());

  it('logs nothing of tomorrow, and goes on as soon as the clock is right', async () => {
    const log = await test.open({ clock: machine.wall, steadyClock: machine.steady });
    await log.append(entry(0));
    machine.pass(1000);
    machine.skew = DAY;
    expect(log.refusal()).to.have.property('code', 'LOG_CLOCK');
    const failure: unknown = await failureOf(log.append(entry(1)));
    expect(failure).to.be.instanceOf(LogError).with.property('code', 'LOG_CLOCK');
    expect(log.status().clockFailure).to.include('jumped 86400 s ahead');
    machine.pass(60_000);
    machine.skew = 0;
    expect(log.refusal()).to.equal(undefined);
    expect((await log.append(entry(1))).timestamp).to.equal(machine.wall());
    expect(log.status()).to.not.have.property('clockFailure');
  });

  it('looks at the clock by itself, so that small corrections do not add up', async () => {
    let looks = 0;
    const uptime = (): number => (looks++, machine.steady.uptime());
    const log = await test.open({ clock: machine.wall, steadyClock: { ...machine.steady, uptime } });
    for (const code of [undefined, 'LOG_CLOCK']) {
      machine.skew += JUMP_TOLERANCE - 1;
      for (const before = looks; looks === before;) await delay(50);
      expect(log.refusal()?.code).to.equal(code);
    }
    machine.skew = 0;
    expect(log.refusal()).to.equal(undefined);
  });

  it('does not trust a jump after a restart in the bad minute, unless the machine was started anew', async () => {
    const [record, boot] = [join(test.directory, 'clock.json'), 'a'];
    const open = (named: string): Promise<CtLog> =>
      test.open({ clock: machine.wall, steadyClock: { ...machine.steady, boot: named } });
    const first = await open(boot);
    await first.append(entry(0));
    await first.close();
    machine.pass(60_000);
    machine.skew = DAY;
    for (let restart = 0; restart < 2; restart++) {
      const log = await open(boot);
      expect(log.refusal()?.message).to.include('jumped 86400 s ahead');
      await log.close();
    }
    machine.skew = 0;
    const right = await open(boot);
    expect((await right.append(entry(1))).timestamp).to.equal(machine.wall());
    await right.close();
    const kept = readFileSync(record);
    machine.skew = DAY;
    for (const forget of [
      () => open('b'),
      () => (rmSync(record), open(boot)),
      () => (writeFileSync(record, 'damaged'), open(boot)),
      () => (writeFileSync(record, JSON.stringify({ boot, wall: '1', uptime: null })), open(boot)),
    ]) {
      writeFileSync(record, kept);
      const log = await forget();
      expect(log.refusal()).to.equal(undefined);
      await log.close();
    }
  });

  it('trusts no other time than a log that was open before it', async () => {
    const log = await test.open({ clock: machine.wall, steadyClock: machine.steady });
    machine.pass(60_000);
    machine.skew = DAY;
    const clockBaseline = log.clockBaseline();
    expect(await failureOf(() => log.now())).to.have.property('code', 'LOG_CLOCK');
    await log.close();
    const next = await test.open({ clock: machine.wall, steadyClock: machine.steady, clockBaseline });
    expect(next.refusal()?.message).to.include('jumped 86400 s ahead');
    machine.skew = 0;
    expect(next.now()).to.equal(machine.wall());
  });

  it('dates no entry that waited while the clock jumped', async () => {
    let jumps = false;
    const wall = (): number => {
      if (jumps) machine.skew = DAY;
      return machine.wall();
    };
    const log = await test.open({ clock: wall, steadyClock: machine.steady });
    machine.pass(1000);
    const waiting = log.append(entry(0));
    jumps = true;
    const failure: unknown = await failureOf(waiting);
    expect(failure).to.be.instanceOf(LogError).with.property('code', 'LOG_CLOCK');
    expect(log.status().size).to.equal(0);
  });

  it('says until when a head of tomorrow keeps the log from going on', async () => {
    machine.skew = DAY;
    const before = await test.open({ clock: machine.wall, steadyClock: machine.steady });
    await before.append(entry(0));
    await before.close();
    machine.skew = 0;
    const after = await test.open({ clock: machine.wall, steadyClock: machine.steady });
    expect(after.refusal()?.message).to.include(
      `the last tree head, which is of ${rfc3339(before.status().timestamp)}`,
    );
    machine.pass(DAY + 1);
    expect(await after.append(entry(1))).to.include({ index: 1 });
  });
});
