/** The budget of the log's read side: reads wait for one another, never an issuance for a read. */

/** Lets a bounded number of reads run, a bounded number wait, and refuses the rest. */
export class ReadBudget {
  readonly #concurrency: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(concurrency: number) {
    this.#concurrency = concurrency;
  }

  /** Reads that run. */
  get running(): number {
    return this.#running;
  }

  /** Runs `read` when its turn comes; undefined, at once, when too many wait already. Each read begins in a turn of
   * the event loop of its own, so that signing requests get theirs in between. */
  async run<T>(read: () => Promise<T>): Promise<T | undefined> {
    if (this.#running >= this.#concurrency && this.#waiting.length >= 4 * this.#concurrency) return undefined;
    await this.#turn();
    try {
      return await read();
    } finally {
      this.#running--;
      this.#waiting.shift()?.();
    }
  }

  async #turn(): Promise<void> {
    if (this.#running >= this.#concurrency) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#running++;
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
  }
}
