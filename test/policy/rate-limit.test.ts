import { expect } from 'chai';
import fc from 'fast-check';
import {
  MAX_BUCKETS,
  rateLimiter,
  sharedLimiter,
  type RateLimiter,
  type Taken,
} from '../../policy/rate-limit.ts';

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
    expect(limiter.take('a').ok).to.equal(true);
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

  it('is charged for a request that costs as much as several, and for none that it refused', () => {
    const limiter = rateLimiter(LIMIT, clock);
    const taken = limiter.take('a');
    limiter.charge(taken, 1);
    expect(granted(limiter, 'a', 10)).to.equal(1);
    const refused = limiter.take('a');
    limiter.charge(refused, 100);
    limiter.charge(taken, 10);
    expect(limiter.take('a')).to.deep.equal({ ok: false, retryAfterSeconds: 11 });
    expect(granted(limiter, 'b', 10)).to.equal(3);
  });

  it('puts back what came to nothing, and no more than was taken', () => {
    const limiter = rateLimiter(LIMIT, clock);
    const takeAll = (name: string): Taken[] => Array.from({ length: LIMIT.burst }, () => limiter.take(name));
    const taken = takeAll('a');
    for (const one of taken.slice(1)) limiter.refund(one);
    expect(granted(limiter, 'a', 10)).to.equal(2);
    limiter.refund(limiter.take('a'));
    expect(granted(limiter, 'a', 10), 'a refusal took nothing').to.equal(0);
    const [long] = takeAll('n'.repeat(500));
    if (long !== undefined) limiter.refund(long);
    expect(granted(limiter, 'n'.repeat(500), 10)).to.equal(1);
  });

  it('puts nothing back into a bucket that was full meanwhile', () => {
    const limiter = rateLimiter(LIMIT, clock);
    const early = limiter.take('a');
    now += 10_000;
    limiter.refund(early);
    expect(granted(limiter, 'a', 10)).to.equal(LIMIT.burst);
    limiter.refund(early);
    expect(granted(limiter, 'a', 10)).to.equal(0);
  });

  it('lives on in a new configuration with the same limit, and starts anew with another', () => {
    const first = rateLimiter(LIMIT, clock);
    granted(first, 'a', 10);
    expect(granted(rateLimiter({ ...LIMIT }, clock, first), 'a', 10)).to.equal(0);
    expect(granted(rateLimiter({ ...LIMIT, burst: 5 }, clock, first), 'a', 10)).to.equal(5);
  });

  it('never lets more through than burst and rate allow, however the requests come and are refused', () => {
    const steps = fc.array(
      fc.record({ pause: fc.nat({ max: 5000 }), refund: fc.option(fc.nat({ max: 20 })) }),
      {
        maxLength: 200,
      },
    );
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 600 }),
        fc.integer({ min: 1, max: 50 }),
        steps,
        (perMinute, burst, all) => {
          now = 0;
          const limiter = rateLimiter({ perMinute, burst }, clock);
          /** Requests that were let through and not refused, in their order. */
          const open: { readonly at: number; readonly taken: Taken }[] = [];
          for (const { pause, refund } of all) {
            now += pause;
            const taken = limiter.take('a');
            if (taken.ok) open.push({ at: now, taken });
            const [refused] = refund === null ? [] : open.splice(-1 - (refund % (open.length || 1)), 1);
            if (refused !== undefined) limiter.refund(refused.taken);
          }
          // In every stretch of time, not only in the whole.
          for (let from = 0; from < open.length; from++)
            for (let to = from; to < open.length; to++) {
              const ms = (open[to]?.at ?? 0) - (open[from]?.at ?? 0);
              expect(to - from + 1).to.be.at.most(burst + (ms * perMinute) / 60_000 + 1e-3);
            }
        },
      ),
    );
  });

  it('asks for no change of a shared bucket that changes nothing, and puts back once', async () => {
    const charged: number[] = [];
    const limiter = sharedLimiter(LIMIT, ['test'], {
      take: () => Promise.resolve(0),
      charge: (_key, _size, tokens) => charged.push(tokens),
    });
    const taken = await limiter.take('a');
    limiter.charge(taken, 0);
    limiter.charge(taken, 4);
    limiter.refund(taken);
    limiter.refund(taken);
    expect(charged).to.deep.equal([4, -1]);
  });
});
