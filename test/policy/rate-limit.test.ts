import { expect } from 'chai';
import fc from 'fast-check';
import { MAX_BUCKETS, rateLimiter, type RateLimiter } from '../../policy/rate-limit.ts';

describe('policy/rate-limit', () => {
  let now: number;
  const clock = (): number => now;
  const LIMIT = { perMinute: 60, burst: 3 };
  const granted = (limiter: RateLimiter, name: string, tries: number): number =>
    Array.from({ length: tries }, () => limiter.take(name)).filter(({ ok }) => ok).length;

  beforeEach(() => {
    now = 1_700_000_000_000;
  });

  it('lets a burst through, then as many as the rate', () => {
    const limiter = rateLimiter(LIMIT, clock);
    expect(granted(limiter, 'a', 10)).to.equal(3);
    now += 1000;
    expect(granted(limiter, 'a', 10)).to.equal(1);
    now += 2000;
    expect(granted(limiter, 'a', 10)).to.equal(2);
    now += 3_600_000;
    expect(granted(limiter, 'a', 10)).to.equal(3);
  });

  it('says in how many seconds to come back, and means it', () => {
    const limiter = rateLimiter({ perMinute: 2, burst: 1 }, clock);
    limiter.take('a');
    now += 500;
    const refused = limiter.take('a');
    expect(refused).to.deep.equal({ ok: false, retryAfterSeconds: 30 });
    now += 29_000;
    expect(limiter.take('a')).to.deep.equal({ ok: false, retryAfterSeconds: 1 });
    now += 1000;
    expect(limiter.take('a')).to.deep.equal({ ok: true });
  });

  it('keeps names apart, also long ones', () => {
    const limiter = rateLimiter({ perMinute: 1, burst: 1 }, clock);
    const long = 'x'.repeat(10_000);
    for (const name of ['a', 'b', `${long}1`, `${long}2`]) {
      expect(granted(limiter, name, 2), name.slice(-1)).to.equal(1);
    }
  });

  it('is not fooled by a clock that is set back, nor locks anybody out for long', () => {
    const limiter = rateLimiter(LIMIT, clock);
    expect(granted(limiter, 'a', 10)).to.equal(3);
    now -= 86_400_000;
    expect(granted(limiter, 'a', 10)).to.equal(0);
    now += 1000;
    expect(granted(limiter, 'a', 10)).to.equal(1);
    now += 365 * 86_400_000;
    expect(granted(limiter, 'a', 10)).to.equal(3);
    now -= 365 * 86_400_000;
    now += 3000;
    expect(granted(limiter, 'a', 10)).to.equal(0);
    now += 3000;
    expect(granted(limiter, 'a', 10)).to.equal(3);
  });

  it('holds a bounded number of names, and keeps who is being refused', () => {
    const limiter = rateLimiter({ perMinute: 1, burst: 1 }, clock);
    limiter.take('loud');
    for (let i = 0; i < MAX_BUCKETS + 1000; i++) {
      limiter.take(`name ${i}`);
      if (i % 1000 === 0) expect(limiter.take('loud').ok).to.equal(false);
    }
    expect(limiter.size).to.equal(MAX_BUCKETS);
  });

  it('puts back what came to nothing, and no more than was taken', () => {
    const limiter = rateLimiter(LIMIT, clock);
    const all = granted(limiter, 'a', 10);
    for (let i = 0; i < 2; i++) limiter.refund('a');
    expect(granted(limiter, 'a', 10)).to.equal(2);
    limiter.refund('nobody');
    for (let i = 0; i < 50; i++) limiter.refund('a');
    limiter.take('a');
    for (let i = 0; i < 5; i++) limiter.refund('a');
    expect(granted(limiter, 'a', 20)).to.equal(all);
    const long = 'n'.repeat(500);
    expect(granted(limiter, long, 10)).to.equal(all);
    limiter.refund(long);
    expect(granted(limiter, long, 10)).to.equal(1);
  });

  it('lives on in a new configuration with the same limit, and starts anew with another', () => {
    const first = rateLimiter(LIMIT, clock);
    granted(first, 'a', 10);
    expect(granted(rateLimiter({ ...LIMIT }, clock, first), 'a', 10)).to.equal(0);
    expect(granted(rateLimiter({ ...LIMIT, burst: 5 }, clock, first), 'a', 10)).to.equal(5);
  });

  it('never lets more through than burst and rate allow, however the requests come', () => {
    const pauses = fc.array(fc.nat({ max: 5000 }), { maxLength: 200 });
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 600 }),
        fc.integer({ min: 1, max: 50 }),
        pauses,
        (perMinute, burst, all) => {
          now = 0;
          const limiter = rateLimiter({ perMinute, burst }, clock);
          let count = 0;
          for (const pause of all) {
            now += pause;
            if (limiter.take('a').ok) count++;
          }
          expect(count).to.be.at.most(burst + (now * perMinute) / 60_000 + 1e-3);
        },
      ),
    );
  });
});
