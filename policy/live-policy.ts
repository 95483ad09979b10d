import type { PolicySnapshot } from './snapshot.ts';

/** The policy that is in force. Replacing it is one assignment: a request sees the old one or the new one, whole. */
export class LivePolicy {
  #current: PolicySnapshot;
  readonly #onClose: () => Promise<void>;

  /** `onClose` ends what all policies share. */
  constructor(first: PolicySnapshot, onClose: () => Promise<void> = () => Promise.resolve()) {
    this.#current = first;
    this.#onClose = onClose;
  }

  get current(): PolicySnapshot {
    return this.#current;
  }

  /** Puts `next` in force. What only the old one used is closed when its last request is through. */
  replace(next: PolicySnapshot): void {
    const old = this.#current;
    this.#current = next;
    old.retire();
  }

  /** Closes the connections of the policy in force, and what all share. */
  async close(): Promise<void> {
    await Promise.all([this.#current.close(), this.#onClose()]);
  }
}
