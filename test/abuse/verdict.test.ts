import { expect } from 'chai';
import type { ServedClients, Phase } from '../../abuse/honest-clients.ts';
import { faultLines } from '../../abuse/report.ts';
import {
  faultsOf,
  isTooBusy,
  MAX_ATTACK_GROWTH,
  MAX_MEMORY_GROWTH,
  type AttackMeasurement,
} from '../../abuse/verdict.ts';

const served = (over: Partial<ServedClients> = {}): ServedClients => ({
  served: 100,
  refused: 0,
  p99: 20,
  ...over,
});
const stretch = (signing: Partial<ServedClients> = {}, reading: Partial<ServedClients> = {}): Phase => ({
  signing: served(signing),
  reading: served(reading),
  logging: served(),
});
const measured = (over: Partial<AttackMeasurement> = {}): AttackMeasurement => ({
  attack: 'test',
  before: stretch(),
  during: stretch({ p99: 250 }, { p99: 269 }),
  after: stretch(),
  memory: { isFresh: false, rest: 250e6, before: 350e6, peak: 250e6 + MAX_MEMORY_GROWTH, after: 400e6 },
  logBytesPerSecond: 20_000,
  hasArrived: true,
  isRunning: true,
  processorShare: 1,
  shareAfter: 1,
  ...over,
});

describe('abuse/verdict', () => {
  it('finds nothing where the measure holds', () => {
    expect(faultsOf(measured())).to.deep.equal([]);
    expect(faultsOf(measured({ during: stretch({ served: 99, refused: 1 }) }))).to.deep.equal([]);
  });

  const BROKEN: readonly (readonly [over: Partial<AttackMeasurement>, fault: string])[] = [
    [{ isRunning: false }, 'the service ended'],
    [{ during: stretch({ p99: 271 }) }, 'p99 of honest signing requests grew from 20 to 271 ms'],
    [{ during: stretch({}, { p99: 900 }) }, 'p99 of honest reading requests grew from 20 to 900 ms'],
    [
      { during: { ...stretch(), logging: served({ p99: 900 }) } },
      'p99 of honest logging requests grew from 20 to 900 ms',
    ],
    [
      { during: stretch({ served: 90, refused: 10, firstRefusal: '503 busy' }) },
      '10 of 100 honest signing requests were refused: 503 busy',
    ],
    [
      { after: stretch({}, { served: 39, refused: 1, firstRefusal: '429' }) },
      '1 of 40 honest reading requests were refused after the attack: 429',
    ],
    [
      {
        memory: {
          isFresh: false,
          rest: 250e6,
          before: 350e6,
          peak: 251e6 + MAX_MEMORY_GROWTH,
          after: 400e6,
        },
      },
      `resident memory grew from 250 to ${251 + MAX_MEMORY_GROWTH / 1e6} MB`,
    ],
    [
      {
        memory: { isFresh: true, rest: 250e6, before: 250e6, peak: 251e6 + MAX_ATTACK_GROWTH, after: 300e6 },
      },
      `resident memory grew from 250 to ${251 + MAX_ATTACK_GROWTH / 1e6} MB`,
    ],
    [{ logBytesPerSecond: 9_000_000 }, 'the service log grew by 9000 kB a second'],
  ];
  for (const [over, fault] of BROKEN)
    it(`finds that ${fault}`, () => {
      expect(faultsOf(measured(over))).to.deep.equal([fault]);
    });

  it('finds that nobody was served, who then has no time at all', () => {
    const nobody = stretch({
      served: 0,
      refused: 100,
      p99: Number.POSITIVE_INFINITY,
      firstRefusal: 'aborted',
    });
    expect(faultsOf(measured({ during: nobody }))).to.have.length(2);
  });

  it('takes from the time what the service waited for a processor, and does not judge it when that was most', () => {
    const slow = stretch({ p99: 400 });
    expect(faultsOf(measured({ during: slow }))).to.have.length(1);
    expect(faultsOf(measured({ during: slow, processorShare: 0.6 }))).to.deep.equal([]);
    const slower = measured({ during: stretch({ p99: 5000 }), processorShare: 0.4 });
    expect(isTooBusy(slower)).to.equal(true);
    expect(faultsOf(slower)).to.deep.equal([]);
    const refusing = stretch({ served: 0, refused: 100, firstRefusal: 'no' });
    expect(faultsOf(measured({ during: refusing, processorShare: 0.4 }))).to.have.length(1);
    const some = stretch({}, { served: 90, refused: 10, firstRefusal: '503 too many reads at once' });
    const both = { during: some, after: some };
    expect(faultsOf(measured({ ...both, processorShare: 0.6 }))).to.have.length(2);
    expect(faultsOf(measured({ ...both, processorShare: 0.4, shareAfter: 0.4 }))).to.deep.equal([]);
    // What was refused in the quiet after it has no excuse in the attack.
    expect(faultsOf(measured({ ...both, processorShare: 0.4 }))).to.have.length(1);
  });

  it('names its faults again at the end, those that came twice last', () => {
    const lines = faultLines([
      { attempt: 1, measured: measured({ attack: 'lost' }), faults: ['one', 'two\n'] },
      { attempt: 2, measured: measured({ attack: 'lost' }), faults: ['three'] },
      { attempt: 1, measured: measured({ attack: 'held' }), faults: ['four'] },
      { attempt: 2, measured: measured({ attack: 'held' }), faults: [] },
      { attempt: 1, measured: measured({ attack: 'good' }), faults: [] },
    ]);
    expect(lines).to.deep.equal([
      'WARNING: held at the second attempt: held, attempt 1: four',
      'FAILED: lost, attempt 1: one',
      'FAILED: lost, attempt 1: two',
      'FAILED: lost, attempt 2: three',
    ]);
  });
});
