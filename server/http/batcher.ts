/**
 * Works on requests in batches.
 *
 * Each request alone runs through every part of the program in turn: JSON, RSA, elliptic curves, DER, sockets. Their
 * code and tables do not fit into a core's first caches together, so the next request finds none of them there. Requests
 * that begin in one turn of the event loop go through the steps together instead, because every `await` lets the others
 * catch up: all tokens, then all proofs, then all signatures. Measured, that saves a quarter of the whole cost of a
 * certificate.
 */
import { AcceptPriority, type AcceptCount } from './accept-priority.ts';

/** Requests of one batch. What they hold together still fits into the second cache, and the first of them does not wait
 * long for the others. */
const PER_TURN = 32;

/** Pieces of low priority that begin in a turn, and milliseconds after which no more of them begin. One piece always does. */
const LOW_PER_TURN = 4;
const LOW_TIME_MS = 2;

/** Work of low priority is likely to be refused, or costs more than usual. It begins after all other work, a few pieces a
 * turn, and yields to new connections. */
type Priority = 'normal' | 'low';

/** What begins in one turn. */
interface TurnBounds {
  /** Pieces, about. */
  readonly pieces: number;
  /** Milliseconds after which no more pieces begin; one always does. Only work that is done before its first `await` is bounded so. */
  readonly ms?: number;
}

/** Work that begins at the end of the turn in which it came, within the bounds of a turn. */
export class Batcher {
  readonly #normal: (() => void)[] = [];
  readonly #low: (() => void)[] = [];
  readonly #acceptPriority: AcceptPriority;
  readonly #bounds: TurnBounds;
  #isScheduled = false;

  constructor(accepted: AcceptCount, bounds: TurnBounds = { pieces: PER_TURN }) {
    this.#bounds = bounds;
    this.#acceptPriority = new AcceptPriority(accepted);
  }

  /** Calls `work` in this turn's end or, when many came before, a later one's. */
  join(work: () => void, priority: Priority = 'normal'): void {
    (priority === 'normal' ? this.#normal : this.#low).push(work);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(this.#runTurn);
  }

  readonly #runTurn = (): void => {
    this.#beginNormal();
    if (this.#low.length > 0 && this.#acceptPriority.mayRun()) this.#beginLow();
    this.#isScheduled = this.#normal.length + this.#low.length > 0;
    if (this.#isScheduled) setImmediate(this.#runTurn);
  };

  #beginNormal(): void {
    const { pieces, ms } = this.#bounds;
    const all = this.#normal.splice(0, pieces);
    if (ms === undefined) {
      for (const work of all) work();
      return;
    }
    const until = performance.now() + ms;
    let begun = 0;
    while (begun < all.length && (begun === 0 || performance.now() < until)) all[begun++]?.();
    this.#normal.unshift(...all.slice(begun));
  }

  #beginLow(): void {
    const until = performance.now() + LOW_TIME_MS;
    let begun = 0;
    do this.#low[begun++]?.();
    while (begun < Math.min(LOW_PER_TURN, this.#low.length) && performance.now() < until);
    this.#low.splice(0, begun);
  }
}
