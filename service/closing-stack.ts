/** Closes something that was opened. */
type Closing = () => unknown;

/** In which order a stack closes: the last opened first, or all at the same time. */
type Order = 'reverse' | 'together';

/**
 * What is open, to be closed in reverse: at the end, or when a later step of the start fails.
 *
 * `AsyncDisposableStack` would close in reverse, too, but the oldest Node that Mayfly runs on does not have it.
 */
export class ClosingStack {
  readonly #order: Order;
  readonly #closings: Closing[] = [];
  #closed: Promise<void> | undefined;

  constructor(order: Order = 'reverse') {
    this.#order = order;
  }

  /** Registers what closes a thing that is open now. */
  add(closing: Closing): void {
    this.#closings.push(closing);
  }

  /** Closes everything, once. One that fails keeps no other from closing; then this rejects with what the first of them
   * failed with. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    const closings = this.#closings.reverse();
    const closed: Promise<unknown>[] = [];
    for (const closing of closings) {
      closed.push(Promise.resolve().then(closing));
      if (this.#order === 'reverse') await Promise.allSettled(closed);
    }
    await Promise.allSettled(closed);
    await Promise.all(closed);
  }
}
