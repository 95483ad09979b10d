/** Tokens that may wait for one issuer's answer at a time: one that hangs must not hold every place of the server. */
export const MAX_WAITING = 128;

/** The same over all issuers that share a room: nor must several that hang together. Half of the server's places
 * stay free for issuers that answer. */
export const MAX_WAITING_IN_ALL = 256;

/** The same for all issuers that only a pattern describes, in a room of their own: whoever makes them up must not take
 * the places of those that an operator named. */
export const MAX_WAITING_FOR_STRANGERS = 64;

/** Counts the tokens that wait for any of the issuers that share it. */
export class WaitingRoom {
  /** How many may wait at a time. */
  readonly places: number;
  #waiting = 0;

  constructor(places = MAX_WAITING_IN_ALL) {
    this.places = places;
  }

  /** Takes a place; false when none is left. */
  enter(): boolean {
    if (this.#waiting >= this.places) return false;
    this.#waiting++;
    return true;
  }

  /** Gives a place back. */
  leave(): void {
    this.#waiting--;
  }
}
