/** Amounts by key. A key whose amount is back at 0 is forgotten, so that the tally is no larger than what is under way. */
export class Tally<Key> {
  readonly #amounts = new Map<Key, number>();

  /** Adds `amount`, which may be negative, and returns the new amount of `key`. */
  add(key: Key, amount: number): number {
    const sum = this.of(key) + amount;
    if (sum > 0) this.#amounts.set(key, sum);
    else this.#amounts.delete(key);
    return sum;
  }

  /** The amount of `key`. */
  of(key: Key): number {
    return this.#amounts.get(key) ?? 0;
  }

  /** The keys that have an amount, with it. */
  [Symbol.iterator](): IterableIterator<[key: Key, amount: number]> {
    return this.#amounts.entries();
  }
}
