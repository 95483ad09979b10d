/** Lets work that can wait yield to new connections. */

/** Returns the number of connections accepted so far. */
export type AcceptCount = () => number;

/** Most turns in a row in which work yields. */
const MAX_YIELDS = 8;

/**
 * The runtime accepts one connection in a turn of the event loop. When one came in the last turn, more may be in the
 * kernel's queue, and whatever makes the turn longer delays all of them.
 */
export class AcceptPriority {
  readonly #accepted: AcceptCount;
  #seen = 0;
  #yields = 0;

  constructor(accepted: AcceptCount) {
    this.#accepted = accepted;
  }

  /** Whether work that can wait may run in this turn. To be called once a turn. */
  mayRun(): boolean {
    const accepted = this.#accepted();
    const isQuiet = accepted === this.#seen;
    this.#seen = accepted;
    if (!isQuiet && ++this.#yields < MAX_YIELDS) return false;
    this.#yields = 0;
    return true;
  }
}
