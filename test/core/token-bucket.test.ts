import { expect } from 'chai';
import fc from 'fast-check';
import { TokenBuckets } from '../../core/token-bucket.ts';

/** The bucket of the textbook, which counts what is left. Time that goes back counts as none. */
function textbookBucket(burst: number, interval: number) {
  let [left, at] = [burst, 0];
  return (now: number): boolean => {
    left = Math.min(burst, left + Math.max(0, now - at) / interval);
    at = now;
    if (left < 1 - 1e-6) return false;
    left--;
    return true;
  };
}

describe('core/token-bucket', () => {
  it('lets through what the bucket of the textbook lets through, wherever the clock is set', () => {
    const pauses = fc.array(fc.integer({ min: -3000, max: 5000 }), { maxLength: 100 });
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 2000 }),
        pauses,
        (burst, interval, steps) => {
          let now = 0;
          const bucket = new TokenBuckets({ burst, interval }, () => now).open();
          const expected = textbookBucket(burst, interval);
          for (const pause of steps) {
            now += pause;
            expect(bucket.take() === 0).to.equal(expected(now));
          }
        },
      ),
    );
  });

  it('says how long it takes until there is a token', () => {
    let now = 0;
    const bucket = new TokenBuckets({ burst: 2, interval: 100 }, () => now).open();
    expect([bucket.take(), bucket.take(), bucket.take()]).to.deep.equal([0, 0, 100]);
    now += 60;
    expect(bucket.take()).to.equal(40);
    now += 40;
    expect([bucket.take(), bucket.isFull]).to.deep.equal([0, false]);
    now += 200;
    expect(bucket.isFull).to.equal(true);
  });

  it('is charged for more than it holds, and is empty until that has come back', () => {
    let now = 0;
    const bucket = new TokenBuckets({ burst: 2, interval: 100 }, () => now).open();
    expect(bucket.take()).to.equal(0);
    bucket.charge(3);
    expect(bucket.take()).to.equal(300);
    now += 300;
    expect([bucket.take(), bucket.take()]).to.deep.equal([0, 100]);
  });

  it('takes back no more than was taken', () => {
    const bucket = new TokenBuckets({ burst: 1, interval: 100 }, () => 0).open();
    bucket.refund();
    expect([bucket.take(), bucket.take()]).to.deep.equal([0, 100]);
    bucket.refund();
    bucket.refund();
    expect([bucket.take(), bucket.take()]).to.deep.equal([0, 100]);
  });
});
