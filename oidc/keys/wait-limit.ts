/** Limits on tokens that wait for the documents of issuers. Without them, issuers that do not answer would hold all
 * requests of the service. */
import { ConcurrencyLimit } from '../../core/concurrency-limit.ts';

/** Tokens that may wait for one issuer at a time. */
export const MAX_WAITING = 128;

/** Tokens that may wait at a time for all issuers that share a {@link WaitLimit}. */
export const MAX_WAITING_IN_ALL = 256;

/** Tokens of one issuer that may wait although the shared limit is reached. Other issuers that do not answer cannot keep
 * them from waiting for the first answer of their own. */
export const RESERVED_PER_ISSUER = 8;

/** Tokens that may wait at a time for all issuers that only a pattern describes. They have a limit of their own: untrusted
 * callers choose these issuers, and must not use up the limit of those that an operator named. */
export const MAX_WAITING_FOR_UNKNOWN_ISSUERS = 64;

/** Counts the tokens that wait for any of the issuers that share it. */
export class WaitLimit {
  readonly #waiting: ConcurrencyLimit;
  readonly #reservedPerIssuer: number;

  /** `reservedPerIssuer` has to be 0 where an untrusted client can make up issuers. */
  constructor(limit = MAX_WAITING_IN_ALL, reservedPerIssuer = RESERVED_PER_ISSUER) {
    this.#waiting = new ConcurrencyLimit(limit);
    this.#reservedPerIssuer = reservedPerIssuer;
  }

  /** How many may wait at a time. */
  get limit(): number {
    return this.#waiting.limit;
  }

  /** Counts one more token of an issuer for which `ofIssuer` tokens wait already; returns false when the limit is reached. */
  enter(ofIssuer: number): boolean {
    if (this.#waiting.enter()) return true;
    if (ofIssuer >= this.#reservedPerIssuer) return false;
    this.#waiting.enterAnyway();
    return true;
  }

  /** Counts one token less. */
  leave(): void {
    this.#waiting.leave();
  }
}
