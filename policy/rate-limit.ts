/**
 * Rate limits: a token bucket for each name.
 *
 * Buckets are bounded in number; the one that was asked for least recently goes first, and is then full. Emptying a bucket
 * in that way takes {@link MAX_BUCKETS} other names, each with a request that is let through; a client that has those has
 * that many limits to use up anyway, and gains nothing. A name that is refused and asks again stays recent.
 */
import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../core/clock.ts';
import { TokenBuckets, type TokenBucket } from '../core/token-bucket.ts';
import type { RateLimit } from './issuer-policy-definition.ts';

/** Whether a request may go on, or in how many whole seconds (at least 1) it may. */
export type Taken =
  | { readonly ok: true; readonly bucket: TokenBucket }
  | { readonly ok: false; readonly retryAfterSeconds: number };

/** One limit for any number of names. */
export interface RateLimiter {
  readonly limit: RateLimit;
  /** Takes one request out of the bucket of that name, unless it is empty. */
  take(name: string): Taken;
  /** Takes so many more for a request that {@link take} let through with this answer and that costs as much as several, also more than are left. Does nothing for one
   * that was refused. */
  charge(taken: Taken, requests: number): void;
  /** Puts back, once, the request that {@link take} let through with this answer and that was refused later. Does nothing
   * when the bucket was full since: it holds no more than a burst. */
  refund(taken: Taken): void;
  /** Buckets that are held. */
  readonly size: number;
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

class NamedBuckets implements RateLimiter {
  readonly limit: RateLimit;
  readonly #sized: TokenBuckets;
  /** By name; one that is full again is as good as none. Grows with use: sized by count, not up front. */
  readonly #buckets = new LRUCache<string, TokenBucket>({ maxSize: MAX_BUCKETS, sizeCalculation: () => 1 });

  constructor(limit: RateLimit, clock: Clock) {
    this.limit = limit;
    this.#sized = new TokenBuckets({ burst: limit.burst, interval: MINUTE / limit.perMinute }, clock);
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
    if (wait > 0) return { ok: false, retryAfterSeconds: Math.max(1, Math.ceil(wait / 1000)) };
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
