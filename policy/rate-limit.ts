/**
 * Rate limits: a token bucket for each name. Where several services share what they allow, the buckets are in one place for all of them
 * ({@link SharedBuckets}); otherwise here.
 *
 * Those here are bounded in number; the one that was asked for least recently goes first, and is then full. Emptying a bucket
 * in that way takes {@link MAX_BUCKETS} other names, each with a request that is let through; a client that has those has
 * that many limits to use up anyway, and gains nothing. A name that is refused and asks again stays recent.
 */
import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../core/clock.ts';
import { TokenBuckets, type BucketSize, type TokenBucket } from '../core/token-bucket.ts';
import type { RateLimit } from './issuer-policy-definition.ts';

/** Whether a request may go on, or in how many whole seconds (at least 1) it may. */
export type Taken =
  | { readonly ok: true; readonly bucket: Pick<TokenBucket, 'charge' | 'refund'> }
  | { readonly ok: false; readonly retryAfterSeconds: number };

/** One limit for any number of names, wherever its buckets are. */
export interface AnyLimiter {
  readonly limit: RateLimit;
  /** Takes one request out of the bucket of that name, unless it is empty. At once where the buckets are here; rejects with PolicyError `RATE_LIMITS_UNAVAILABLE` where they are elsewhere and cannot be
   * reached. */
  take(name: string): Taken | Promise<Taken>;
  /** Takes so many more for a request that {@link take} let through with this answer and that costs as much as several, also more than are left. Does nothing for one
   * that was refused. */
  charge(taken: Taken, requests: number): void;
  /** Puts back, once, the request that {@link take} let through with this answer and that was refused later. A bucket that is full
   * holds no more than that. Where buckets are shared, and this one was full since, what is put back may be what somebody took afterwards. */
  refund(taken: Taken): void;
}

/** One whose buckets are here. */
export interface RateLimiter extends AnyLimiter {
  take(name: string): Taken;
  /** Buckets that are held. */
  readonly size: number;
}

/** Buckets that several services take from, each known by 32 bytes. */
export interface SharedBuckets {
  /** Takes one out of a bucket and resolves with 0; or takes nothing and resolves with in how many milliseconds there will be one. Of all services
   * together, no more than the bucket has. Rejects with PolicyError `RATE_LIMITS_UNAVAILABLE`; then one may be taken. */
  take(key: Uint8Array, size: BucketSize): Promise<number>;
  /** Takes so many more, also where there are fewer; puts back where it is less than 0, no more than the bucket holds. Soon; what cannot be done is not. */
  charge(key: Uint8Array, size: BucketSize, tokens: number): void;
}

/** Most buckets that one limiter holds, some hundred bytes each. */
export const MAX_BUCKETS = 20_000;

/** Longer names are held by their hash. */
const LONGEST_NAME = 64;

const MINUTE = 60_000;

/** A limiter; `previous` itself, with what it remembers, when it has the same limit, so that loading a configuration
 * again is no fresh burst for anybody. */
export function rateLimiter(limit: RateLimit, clock: Clock, previous?: RateLimiter): RateLimiter {
  const same = previous?.limit.perMinute === limit.perMinute && previous.limit.burst === limit.burst;
  return previous !== undefined && same ? previous : new NamedBuckets(limit, clock);
}

/** A limiter whose buckets are `shared`. `scope` says what is limited: services that say the same, for the same limit, share its buckets. */
export const sharedLimiter = (
  limit: RateLimit,
  scope: readonly string[],
  shared: SharedBuckets,
): AnyLimiter => ({
  limit,
  async take(name) {
    const size = sizeOf(limit);
    // Nobody who reads the buckets learns a name.
    const key = hash('sha256', JSON.stringify([...scope, limit.perMinute, limit.burst, name]), 'buffer');
    const wait = await shared.take(key, size);
    if (wait > 0) return refusedFor(wait);
    let isRefunded = false;
    return {
      ok: true,
      bucket: {
        charge: (tokens) => {
          shared.charge(key, size, tokens);
        },
        refund: () => {
          if (isRefunded) return;
          isRefunded = true;
          shared.charge(key, size, -1);
        },
      },
    };
  },
  charge: (taken, requests) => {
    if (taken.ok && requests !== 0) taken.bucket.charge(requests);
  },
  refund: (taken) => {
    if (taken.ok) taken.bucket.refund();
  },
});

const sizeOf = ({ burst, perMinute }: RateLimit): BucketSize => ({ burst, interval: MINUTE / perMinute });

const refusedFor = (wait: number): Taken => ({
  ok: false,
  retryAfterSeconds: Math.max(1, Math.ceil(wait / 1000)),
});

class NamedBuckets implements RateLimiter {
  readonly limit: RateLimit;
  readonly #sized: TokenBuckets;
  /** By name; one that is full again is as good as none. Grows with use: sized by count, not up front. */
  readonly #buckets = new LRUCache<string, TokenBucket>({ maxSize: MAX_BUCKETS, sizeCalculation: () => 1 });

  constructor(limit: RateLimit, clock: Clock) {
    this.limit = limit;
    this.#sized = new TokenBuckets(sizeOf(limit), clock);
  }

  get size(): number {
    return this.#buckets.size;
  }

  take(name: string): Taken {
    const key = keyOf(name);
    const known = this.#buckets.get(key);
    // A new one once it was full: what was taken before then cannot be put back.
    const bucket = known === undefined || known.isFull ? this.#sized.open() : known;
    const wait = bucket.take();
    if (wait > 0) return refusedFor(wait);
    if (bucket !== known) this.#buckets.set(key, bucket);
    return { ok: true, bucket };
  }

  charge(taken: Taken, requests: number): void {
    if (taken.ok) taken.bucket.charge(requests);
  }

  refund(taken: Taken): void {
    if (taken.ok) taken.bucket.refund();
  }
}

const keyOf = (name: string): string => (name.length > LONGEST_NAME ? hash('sha256', name, 'base64') : name);
