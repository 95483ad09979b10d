/**
 * Token buckets by name, as the generic cell rate algorithm has them: one number for each bucket, the moment at which it
 * will be full again. A bucket that is full is the same as none, so nothing has to be cleaned up.
 *
 * Buckets are bounded in number; the one that was asked for least recently goes first, and is then full. Whoever wants to
 * empty a place for that reason needs {@link MAX_BUCKETS} other names, each with a request that is let through; who has
 * those has that many limits to use up anyway, and gains nothing. A name that is refused and asks again stays recent.
 */
import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../core/clock.ts';
import type { RateLimit } from './issuer-policy-definition.ts';

/** Whether a request may go on, or in how many whole seconds (at least 1) it may. */
export type Taken =
  { readonly ok: true; readonly bucket: Bucket } | { readonly ok: false; readonly retryAfterSeconds: number };

/** A bucket from when it stops being full until it is full again. */
interface Bucket {
  /** When it will be full, in the limiter's own time. */
  fullAt: number;
}

/** Buckets of one size. */
export interface RateLimiter {
  readonly limit: RateLimit;
  /** Takes one request out of the bucket of that name, unless it is empty. */
  take(name: string): Taken;
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
 * again gives nobody a fresh burst. */
export function rateLimiter(limit: RateLimit, clock: Clock, previous?: RateLimiter): RateLimiter {
  const same = previous?.limit.perMinute === limit.perMinute && previous.limit.burst === limit.burst;
  return previous !== undefined && same ? previous : new Buckets(limit, clock);
}

class Buckets implements RateLimiter {
  readonly limit: RateLimit;
  readonly #clock: Clock;
  /** Milliseconds until one request comes back. */
  readonly #interval: number;
  /** By name; one that is full again is as good as none. Grows with use: sized by count, not up front. */
  readonly #buckets = new LRUCache<string, Bucket>({ maxSize: MAX_BUCKETS, sizeCalculation: () => 1 });
  #time = 0;
  #lastRead: number;

  constructor(limit: RateLimit, clock: Clock) {
    this.limit = limit;
    this.#clock = clock;
    this.#interval = MINUTE / limit.perMinute;
    this.#lastRead = clock();
  }

  get size(): number {
    return this.#buckets.size;
  }

  take(name: string): Taken {
    const key = keyOf(name);
    const now = this.#now();
    const known = this.#buckets.get(key);
    const bucket = known === undefined || known.fullAt <= now ? { fullAt: now } : known;
    const excess = bucket.fullAt + this.#interval - now - this.#interval * this.limit.burst;
    // A rounding error must not cost a request.
    if (excess > 1e-6 * this.#interval) {
      return { ok: false, retryAfterSeconds: Math.max(1, Math.ceil(excess / 1000)) };
    }
    bucket.fullAt += this.#interval;
    if (bucket !== known) this.#buckets.set(key, bucket);
    return { ok: true, bucket };
  }

  refund(taken: Taken): void {
    if (taken.ok && taken.bucket.fullAt > this.#now()) taken.bucket.fullAt -= this.#interval;
  }

  /** Time that only goes forward: a clock that is set back stands still here until it moves on, and one that is set
   * ahead fills the buckets once. */
  #now(): number {
    const read = this.#clock();
    if (read > this.#lastRead) this.#time += read - this.#lastRead;
    this.#lastRead = read;
    return this.#time;
  }
}

const keyOf = (name: string): string => (name.length > LONGEST_NAME ? hash('sha256', name, 'base64') : name);
