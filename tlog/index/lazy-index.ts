import { setTimeout as delay } from 'node:timers/promises';
import type { Candidates, HashIndex } from './hash-index.ts';

/** Milliseconds for which the first look-up waits for the index: one of less than some million entries is there by then. */
const FIRST_WAIT = 1_000;

/** A {@link HashIndex} that is made when somebody looks for an entry: until then it costs neither a read nor a thread. */
export class LazyIndex {
  readonly #make: () => HashIndex;
  #index: HashIndex | undefined;
  #isClosed = false;

  constructor(make: () => HashIndex) {
    this.#make = make;
  }

  /** Where this hash may be; never rejects. What is asked while the index is being made may not be found yet. */
  async candidates(leafHash: Uint8Array): Promise<Candidates> {
    if (this.#isClosed) return { indexes: [], isAll: false };
    if (this.#index === undefined) {
      this.#index = this.#make();
      await Promise.race([this.#index.settled(), delay(FIRST_WAIT, undefined, { ref: false })]);
    }
    return this.#index.candidates(leafHash);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#index?.close();
  }
}
