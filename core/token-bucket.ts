/**
 * Token buckets, as the generic cell rate algorithm has them: one number for each bucket, the moment at which it will be
 * full again. A full bucket is as good as none, so that its owner may forget it.
 */
import type { Clock } from './clock.ts';

/** How much a bucket holds and how fast it fills. */
export interface BucketSize {
  /** Tokens of a full bucket, at least 1. */
  readonly burst: number;
  /** Milliseconds until one token comes back. */
  readonly interval: number;
}

/** Buckets of one size on one clock. */
export class TokenBuckets {
  readonly size: BucketSize;
  readonly #clock: Clock;
  #time = 0;
  #lastRead: number;

  constructor(size: BucketSize, clock: Clock) {
    this.size = size;
    this.#clock = clock;
    this.#lastRead = clock();
  }

  /** A new bucket, which is full. */
  open(): TokenBucket {
    return new TokenBucket(this);
  }

  /** Milliseconds that only go forward. A clock that is set back stands still here until it moves on, and one that is
   * set ahead fills the buckets once. */
  now(): number {
    const read = this.#clock();
    if (read > this.#lastRead) this.#time += read - this.#lastRead;
    this.#lastRead = read;
    return this.#time;
  }
}

/** A rounding error of this share of a token must not cost a token. */
const ROUNDING = 1e-6;

/** One bucket. */
export class TokenBucket {
  readonly #buckets: TokenBuckets;
  /** When it will be full. */
  #fullAt = -Infinity;

  constructor(buckets: TokenBuckets) {
    this.#buckets = buckets;
  }

  /** Whether it holds a whole burst. */
  get isFull(): boolean {
    return this.#fullAt <= this.#buckets.now();
  }

  /** Takes a token and returns 0; or takes nothing and returns in how many milliseconds there will be one. */
  take(): number {
    const now = this.#buckets.now();
    const { burst, interval } = this.#buckets.size;
    const fullAt = Math.max(this.#fullAt, now) + interval;
    const wait = fullAt - now - interval * burst;
    if (wait > ROUNDING * interval) return wait;
    this.#fullAt = fullAt;
    return 0;
  }

  /** Takes so many more, also where there are fewer left: then it takes longer until there is one again. */
  charge(tokens: number): void {
    this.#fullAt = Math.max(this.#fullAt, this.#buckets.now()) + tokens * this.#buckets.size.interval;
  }

  /** Puts back a token. Does nothing to a full bucket, which holds no more than a burst. */
  refund(): void {
    if (!this.isFull) this.#fullAt -= this.#buckets.size.interval;
  }
}
