/** Tokens that may wait for one issuer's answer at a time: one that hangs must not hold every place of the server. */
export const MAX_WAITING = 128;

/** The same over all issuers that share a room: nor must several that hang together. */
export const MAX_WAITING_IN_ALL = 256;

/** Tokens of one issuer that may wait although the room is full: issuers that hang must not keep the tokens of another
 * one from waiting for its first answer. */
export const RESERVED_PER_ISSUER = 8;

/** The same for all issuers that only a pattern describes, in a room of their own: whoever makes them up must not take
 * the places of those that an operator named. */
export const MAX_WAITING_FOR_UNKNOWN_ISSUERS = 64;

/** Counts the tokens that wait for any of the issuers that share it. */
export class WaitLimit {
  /** How many may wait at a time. */
  readonly places: number;
  readonly #reservedPerIssuer: number;
  #waiting = 0;

  /** `reservedPerIssuer` has to be 0 where an untrusted client can make up issuers. */
  constructor(places = MAX_WAITING_IN_ALL, reservedPerIssuer = RESERVED_PER_ISSUER) {
    this.places = places;
    this.#reservedPerIssuer = reservedPerIssuer;
  }

  /** Takes a place for a token of an issuer for which `ofIssuer` tokens wait already; false when none is left. */
  enter(ofIssuer: number): boolean {
    if (this.#waiting >= this.places && ofIssuer >= this.#reservedPerIssuer) return false;
    this.#waiting++;
    return true;
  }

  /** Gives a place back. */
  leave(): void {
    this.#waiting--;
  }
}
