import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { rfc3339 } from '../../core/clock.ts';
import { ClockGuard, JUMP_TOLERANCE, LONGEST_DOUBT } from '../../ct-log/clock-guard.ts';
import { LogError } from '../../ct-log/log-error.ts';
import { entry, testLog, type TestLog } from './support/test-log.ts';

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

describe('ct-log/clock-guard', () => {
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

  it('trusts a clock that goes with the time, and small corrections however many there are', () => {
    for (let i = 0; i < 50; i++) {
      run(60_000);
      machine.skew += i % 3 === 0 ? JUMP_TOLERANCE : -400;
      expect(doubt()).to.equal(undefined);
    }
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
    for (const [jump, patience] of [
      [30_000, 30_000],
      [DAY, LONGEST_DOUBT],
      [-DAY, LONGEST_DOUBT],
    ] as const) {
      machine.skew += jump;
      expect(doubt()).to.be.a('string');
      run(patience - 1_000);
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
    const failure: unknown = await log.append(entry(1)).catch((error: unknown) => error);
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
    for (let i = 0; i < 3; i++) {
      machine.skew += JUMP_TOLERANCE - 1;
      for (const before = looks; looks === before;) await delay(50);
      expect(log.refusal()).to.equal(undefined);
    }
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
    const failure: unknown = await waiting.catch((error: unknown) => error);
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
