/** A number of things that may be under way at once. What is over it is refused, not queued: under saturation a queue is all
 * that the slowest caller ever sees. */
export class ConcurrencyLimit {
  readonly limit: number;
  #used = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  /** How much is under way. */
  get used(): number {
    return this.#used;
  }

  /** Takes `amount` if that much is left, and returns whether it did. To be freed once by {@link leave}. */
  enter(amount = 1): boolean {
    if (this.#used + amount > this.limit) return false;
    this.#used += amount;
    return true;
  }

  /** Takes one whatever the limit: for what must not be refused, such as one that was under way before. */
  enterAnyway(): void {
    this.#used++;
  }

  /** Frees what was taken. */
  leave(amount = 1): void {
    this.#used -= amount;
  }
}
