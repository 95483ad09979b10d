/** Limits on what is under way at once. What is over them is refused, not queued: under saturation a queue is all
 * that the slowest caller ever sees. */

/** A number of things that may be under way at once. */
export class ConcurrencyLimit {
  readonly #limit: number;
  #used = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** How much is under way. */
  get used(): number {
    return this.#used;
  }

  /** Takes `amount` if it is still to be had; whoever gets true gives the same amount back once. */
  enter(amount = 1): boolean {
    if (this.#used + amount > this.#limit) return false;
    this.#used += amount;
    return true;
  }

  /** Takes one that was held before and is needed again, whatever the limit. */
  enterAgain(): void {
    this.#used++;
  }

  /** Gives back what {@link enter} gave. */
  leave(amount = 1): void {
    this.#used -= amount;
  }
}
