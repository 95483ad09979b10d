/** Tokens that a client spends on what it sends over HTTP/2. They come back with time and with answers. */

/** How many there are. */
export interface BudgetLimits {
  readonly capacity: number;
  readonly perSecond: number;
}

/** Tokens that come back with each answered request, which needs up to ten. */
const PER_ANSWER = 16;

/** The tokens of one client. */
export class FrameBudget {
  readonly #clock: () => number;
  #limits: BudgetLimits;
  #tokens: number;
  #filledAt: number;

  /** Full at first. `clock` counts milliseconds and never goes back. */
  constructor(limits: BudgetLimits, clock: () => number) {
    this.#limits = limits;
    this.#clock = clock;
    this.#tokens = limits.capacity;
    this.#filledAt = clock();
  }

  /** Whether there are as many; then they are spent. */
  spend(cost: number): boolean {
    if (cost === 0) return true;
    const now = this.#clock();
    this.#fill(((now - this.#filledAt) / 1000) * this.#limits.perSecond);
    this.#filledAt = now;
    if (this.#tokens < cost) return false;
    this.#tokens -= cost;
    return true;
  }

  /** A request was answered. */
  answered(): void {
    this.#fill(PER_ANSWER);
  }

  /** From now on there are more. */
  enlarge(limits: BudgetLimits): void {
    this.#tokens += Math.max(0, limits.capacity - this.#limits.capacity);
    this.#limits = limits;
  }

  #fill(tokens: number): void {
    this.#tokens = Math.min(this.#limits.capacity, this.#tokens + tokens);
  }
}
