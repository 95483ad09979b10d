import type { PolicySnapshot } from './snapshot.ts';

/** The policy that is in force. Replacing it is one assignment: a request sees the old one or the new one, whole. */
export class LivePolicy {
  #current: PolicySnapshot;

  constructor(first: PolicySnapshot) {
    this.#current = first;
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

  /** Closes the connections of the policy in force. */
  close(): Promise<void> {
    return this.#current.close();
  }
}
