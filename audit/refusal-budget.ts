/**
 * How many lines refusals may cause. Anybody can be refused as often as they like, so each reason of each entry has a
 * bucket of lines. What is over it is counted, and {@link RefusalBudget.takeSuppressed} returns the counts.
 */
import type { Clock } from '../core/clock.ts';
import { TokenBuckets, type TokenBucket } from '../core/token-bucket.ts';
import type { SuppressedRefusals } from './audit-line.ts';

const MINUTE = 60_000;

/** Entries have names that change with the configuration; reasons are a closed set. */
const MAX_BUCKETS = 4_096;

/** The lines of one reason of one entry, and what was refused without a line. */
interface Budget {
  readonly entry: string | undefined;
  readonly reason: string;
  readonly lines: TokenBucket;
  count: number;
  from: number;
  to: number;
}

/** Lines for each entry and reason. Beyond {@link MAX_BUCKETS} of them the entries of a reason share one bucket. */
export class RefusalBudget {
  readonly #clock: Clock;
  readonly #buckets: TokenBuckets;
  readonly #budgets = new Map<string, Budget>();

  /** `perMinute` lines for each entry and reason, and as many at once. */
  constructor(perMinute: number, clock: Clock) {
    this.#clock = clock;
    this.#buckets = new TokenBuckets({ burst: perMinute, interval: MINUTE / perMinute }, clock);
  }

  /** Whether the refusal may have a line of its own; else it was counted. */
  take(entry: string | undefined, reason: string): boolean {
    const budget = this.#budget(entry, reason);
    if (budget.lines.take() === 0) return true;
    const now = this.#clock();
    if (budget.count === 0) budget.from = now;
    budget.to = now;
    budget.count++;
    return false;
  }

  /** What was counted since the last call. Buckets that are full again are forgotten. */
  takeSuppressed(): SuppressedRefusals[] {
    const suppressed: SuppressedRefusals[] = [];
    for (const [key, budget] of this.#budgets) {
      const { entry, reason, count, from, to } = budget;
      if (count > 0) suppressed.push({ entry, reason, count, from, to });
      budget.count = 0;
      if (budget.lines.isFull) this.#budgets.delete(key);
    }
    return suppressed;
  }

  #budget(entry: string | undefined, reason: string): Budget {
    const key = `${reason} ${entry ?? ''}`;
    const known = this.#budgets.get(key);
    if (known !== undefined) return known;
    if (entry !== undefined && this.#budgets.size >= MAX_BUCKETS) return this.#budget(undefined, reason);
    const budget = { entry, reason, lines: this.#buckets.open(), count: 0, from: 0, to: 0 };
    this.#budgets.set(key, budget);
    return budget;
  }
}
