/**
 * Lets requests that arrive together work together.
 *
 * Each request alone runs through every part of the program in turn: JSON, RSA, elliptic curves, DER, sockets. Their
 * code and tables do not fit into a core's first caches side by side, so the next request finds none of them there.
 * Requests that begin in one turn of the event loop go through the steps side by side instead, because every `await`
 * lets the others catch up: all tokens, then all proofs, then all signatures. Measured, that is a quarter of the
 * whole cost of a certificate.
 */

/** As many as share a turn: what they hold together still fits into the second cache, and who came first does not
 * wait for a crowd. */
const WIDTH = 32;

/** Work that begins at the end of the turn in which it came, at most {@link WIDTH} pieces a turn. */
export class Wave {
  #waiting: (() => void)[] = [];

  /** Calls `work` in this turn's end or, when many came before, a later one's. */
  join(work: () => void): void {
    this.#waiting.push(work);
    if (this.#waiting.length === 1) setImmediate(this.#roll);
  }

  readonly #roll = (): void => {
    const wave = this.#waiting.splice(0, WIDTH);
    if (this.#waiting.length > 0) setImmediate(this.#roll);
    for (const work of wave) work();
  };
}
