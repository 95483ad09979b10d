/** Tokens that may wait for one issuer's answer at a time: one that hangs must not hold every place of the server. */
export const MAX_WAITING = 128;

/** The same over all issuers that share a room: nor must several that hang together. Half of the server's places
 * stay free for issuers that answer. */
export const MAX_WAITING_IN_ALL = 256;

/** Counts the tokens that wait for any issuer of one authenticator. */
export class WaitingRoom {
  #waiting = 0;

  /** Takes a place; false when none is left. */
  enter(): boolean {
    if (this.#waiting >= MAX_WAITING_IN_ALL) return false;
    this.#waiting++;
    return true;
  }

  /** Gives a place back. */
  leave(): void {
    this.#waiting--;
  }
}
