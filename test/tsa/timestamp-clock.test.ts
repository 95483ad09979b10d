import { expect } from 'chai';
import { TIMESTAMP_JUMP_TOLERANCE, TimestampClock } from '../../tsa/timestamp-clock.ts';
import { TimestampError } from '../../tsa/timestamp-error.ts';
import { failureAs } from '../support/failure.ts';

const START = Date.UTC(2026, 10, 22, 10, 0, 0, 400);

describe('tsa/timestamp-clock', () => {
  let passed: number;
  let skew: number;
  let fault: string | undefined;
  let clock: TimestampClock;

  beforeEach(() => {
    [passed, skew, fault] = [0, 0, undefined];
    const steady = (): number => passed;
    clock = new TimestampClock({
      clock: () => START + passed + skew,
      steadyClock: { now: steady, uptime: steady },
      witnesses: [() => (fault === undefined ? undefined : { sentence: fault, hint: 'Ask them.' })],
    });
  });

  afterEach(() => {
    clock.close();
  });

  let hint: string | undefined;
  const refusal = async (): Promise<string> => {
    const error = await failureAs(TimestampError, () => clock.now());
    expect(error.code).to.equal('TIMESTAMP_CLOCK');
    hint = error.hint;
    expect(clock.fault).to.equal(error.message);
    return error.message;
  };

  it('says whole seconds', () => {
    expect(clock.now()).to.equal(START - 400);
    passed += 599;
    expect(clock.now()).to.equal(START - 400);
    passed += 1;
    expect(clock.now()).to.equal(START + 600);
    expect(clock.fault).to.equal(undefined);
  });

  for (const jump of [3_600_000, -3_600_000, TIMESTAMP_JUMP_TOLERANCE + 1, -TIMESTAMP_JUMP_TOLERANCE - 1])
    it(`stops when the clock jumps by ${jump} ms, and goes on at once when it is set right`, async () => {
      clock.now();
      skew = jump;
      passed += 10;
      expect(await refusal()).to.match(jump > 0 ? /jumped \d+ s ahead/ : /jumped \d+ s back/);
      skew = 0;
      expect(clock.now()).to.equal(START - 400);
    });

  it('trusts a new time that stands, after ten minutes at most', async () => {
    clock.now();
    skew = 86_400_000;
    await refusal();
    passed += 599_000;
    await refusal();
    passed += 1_000;
    expect(clock.now()).to.equal(Math.floor((START + passed + skew) / 1000) * 1000);
  });

  it('says what holds when a wrong time was trusted and then set right: to catch up may take longer than ten minutes', async () => {
    clock.now();
    skew = 86_400_000;
    await refusal();
    expect(hint).to.match(/ten minutes/);
    passed += 600_000;
    clock.now();
    skew = 0;
    await refusal();
    passed += 600_000;
    expect(await refusal()).to.match(
      /^the clock is 23\.8 h behind the last timestamp.* or when the service is started anew$/,
    );
    expect(hint)
      .to.match(/start the service anew/)
      .and.not.match(/ten minutes/);
  });

  it('never goes back, also where the step is small', async () => {
    passed += 700;
    clock.now();
    skew = -1_500;
    expect(await refusal()).to.match(/^the clock is 2 s behind the last timestamp/);
    passed += 1_400;
    expect(clock.now()).to.equal(START + 600);
  });

  it('believes others that do not trust the clock', async () => {
    fault = 'the time servers say something else';
    expect(await refusal()).to.equal(fault);
    expect(hint).to.equal('Ask them.');
    fault = undefined;
    passed += 100;
    clock.now();
  });
});
