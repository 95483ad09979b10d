import type { CountedLimit } from '../../server/fulcio/in-flight-limit.ts';

/** Memory for the counts of so many threads. */
export const sharedCounts = (threads: number): SharedArrayBuffer =>
  new SharedArrayBuffer(threads * Int32Array.BYTES_PER_ELEMENT);

/** A limit on what all threads together have under way. Each has a number of its own in memory that all read, so that what a
 * thread held that ended can be freed. No more than the limit is ever let in; two that come at the same moment for the last
 * place may both be refused. */
export class SharedCount implements CountedLimit {
  readonly #counts: Int32Array;
  readonly #thread: number;
  readonly #limit: number;

  constructor(counts: SharedArrayBuffer, thread: number, limit: number) {
    this.#counts = new Int32Array(counts);
    this.#thread = thread;
    this.#limit = limit;
  }

  /** Of all threads. */
  get used(): number {
    let sum = 0;
    for (let thread = 0; thread < this.#counts.length; thread++) sum += Atomics.load(this.#counts, thread);
    return sum;
  }

  enter(amount = 1): boolean {
    Atomics.add(this.#counts, this.#thread, amount);
    if (this.used <= this.#limit) return true;
    this.leave(amount);
    return false;
  }

  enterAnyway(): void {
    Atomics.add(this.#counts, this.#thread, 1);
  }

  leave(amount = 1): void {
    Atomics.sub(this.#counts, this.#thread, amount);
  }

  /** Frees what the thread held: it ended. */
  reset(): void {
    Atomics.store(this.#counts, this.#thread, 0);
  }
}
