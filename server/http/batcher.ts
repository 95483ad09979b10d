/**
 * Lets requests that arrive together work together.
 *
 * Each request alone runs through every part of the program in turn: JSON, RSA, elliptic curves, DER, sockets. Their
 * code and tables do not fit into a core's first caches side by side, so the next request finds none of them there.
 * Requests that begin in one turn of the event loop go through the steps side by side instead, because every `await`
 * lets the others catch up: all tokens, then all proofs, then all signatures. Measured, that is a quarter of the
 * whole cost of a certificate.
 */
import { AcceptPriority, type AcceptCount } from './accept-priority.ts';

/** As many as share a turn: what they hold together still fits into the second cache, and who came first does not
 * wait for a crowd. */
const WIDTH = 32;

/** Pieces of low priority that begin in a turn, and milliseconds after which no more of them do; one piece always does. */
const LOW_WIDTH = 4;
const LOW_TIME = 2;

/** Work of low priority is likely to be refused, or costs more than usual. It begins behind all other work, a few pieces a
 * turn, and yields to new connections. */
export type Priority = 'normal' | 'low';

/** Work that begins at the end of the turn in which it came, at most about {@link WIDTH} pieces a turn. */
export class Batcher {
  readonly #normal: (() => void)[] = [];
  readonly #low: (() => void)[] = [];
  readonly #acceptPriority: AcceptPriority;
  #isRolling = false;

  constructor(accepted: AcceptCount) {
    this.#acceptPriority = new AcceptPriority(accepted);
  }

  /** Calls `work` in this turn's end or, when many came before, a later one's. */
  join(work: () => void, priority: Priority = 'normal'): void {
    (priority === 'normal' ? this.#normal : this.#low).push(work);
    if (this.#isRolling) return;
    this.#isRolling = true;
    setImmediate(this.#roll);
  }

  readonly #roll = (): void => {
    for (const work of this.#normal.splice(0, WIDTH)) work();
    if (this.#low.length > 0 && this.#acceptPriority.mayRun()) this.#beginLow();
    this.#isRolling = this.#normal.length + this.#low.length > 0;
    if (this.#isRolling) setImmediate(this.#roll);
  };

  #beginLow(): void {
    const until = performance.now() + LOW_TIME;
    let begun = 0;
    do this.#low[begun++]?.();
    while (begun < Math.min(LOW_WIDTH, this.#low.length) && performance.now() < until);
    this.#low.splice(0, begun);
  }
}
