/** Calls that may run at once; the others wait in their order. */
export class CallSlots {
  #count: number;
  /** Below zero while more run than may, after a {@link resize}. */
  #free: number;
  readonly #waiting = new Set<() => void>();

  constructor(count: number) {
    this.#count = count;
    this.#free = count;
  }

  /** How many may run at once. */
  get count(): number {
    return this.#count;
  }

  /** From now on so many may run; those that do are not disturbed. */
  resize(count: number): void {
    this.#free += count - this.#count;
    this.#count = count;
    for (; this.#free > 0 && this.#waiting.size > 0; this.#free--) this.#next();
  }

  /** Resolves with true once there is room, which {@link leave} is to be called for, and with false at `signal`. */
  enter(signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return Promise.resolve(false);
    if (this.#free > 0) {
      this.#free--;
      return Promise.resolve(true);
    }
    return new Promise((resolve) => {
      const giveUp = (): void => {
        this.#waiting.delete(take);
        resolve(false);
      };
      const take = (): void => {
        signal.removeEventListener('abort', giveUp);
        resolve(true);
      };
      this.#waiting.add(take);
      signal.addEventListener('abort', giveUp, { once: true });
    });
  }

  /** Frees the room of one call. */
  leave(): void {
    if (this.#free < 0 || this.#waiting.size === 0) this.#free++;
    else this.#next();
  }

  #next(): void {
    const [next] = this.#waiting;
    if (next === undefined) return;
    this.#waiting.delete(next);
    next();
  }
}
