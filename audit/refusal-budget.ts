/**
 * How many lines refusals may cause. Anybody can be refused as often as they like, so each reason of each entry has a
 * bucket of lines; what is over it is counted, and told in one line when {@link RefusalBudget.takeSuppressed} is asked.
 */
import type { Clock } from '../core/clock.ts';
import type { SuppressedRefusals } from './audit-line.ts';

const MINUTE = 60_000;

/** Entries have names that change with the configuration; reasons are a closed set. */
const MAX_BUCKETS = 4_096;

interface Bucket {
  readonly entry: string | undefined;
  readonly reason: string;
  lines: number;
  filledAt: number;
  count: number;
  from: number;
  to: number;
}

/** See above. */
export class RefusalBudget {
  readonly #perMinute: number;
  readonly #clock: Clock;
  readonly #buckets = new Map<string, Bucket>();

  /** `perMinute` lines for each entry and reason, and as many at once. */
  constructor(perMinute: number, clock: Clock) {
    this.#perMinute = perMinute;
    this.#clock = clock;
  }

  /** Whether the refusal may have a line of its own; else it was counted. */
  take(entry: string | undefined, reason: string): boolean {
    const now = this.#clock();
    const bucket = this.#bucket(entry, reason, now);
    this.#fill(bucket, now);
    if (bucket.lines >= 1) {
      bucket.lines--;
      return true;
    }
    if (bucket.count === 0) bucket.from = now;
    bucket.to = now;
    bucket.count++;
    return false;
  }

  /** What was counted since the last call. Buckets that nobody draws from are forgotten. */
  takeSuppressed(): SuppressedRefusals[] {
    const now = this.#clock();
    const suppressed: SuppressedRefusals[] = [];
    for (const [key, bucket] of this.#buckets) {
      const { entry, reason, count, from, to } = bucket;
      if (count > 0) suppressed.push({ entry, reason, count, from, to });
      bucket.count = 0;
      this.#fill(bucket, now);
      if (bucket.lines >= this.#perMinute) this.#buckets.delete(key);
    }
    return suppressed;
  }

  #bucket(entry: string | undefined, reason: string, now: number): Bucket {
    const key = `${reason} ${entry ?? ''}`;
    const known = this.#buckets.get(key);
    if (known !== undefined) return known;
    if (entry !== undefined && this.#buckets.size >= MAX_BUCKETS) return this.#bucket(undefined, reason, now);
    const bucket = { entry, reason, lines: this.#perMinute, filledAt: now, count: 0, from: now, to: now };
    this.#buckets.set(key, bucket);
    return bucket;
  }

  #fill(bucket: Bucket, now: number): void {
    // A clock that was set back fills nothing and takes nothing.
    const passed = Math.max(0, now - bucket.filledAt);
    bucket.lines = Math.min(this.#perMinute, bucket.lines + (passed / MINUTE) * this.#perMinute);
    bucket.filledAt = now;
  }
}
