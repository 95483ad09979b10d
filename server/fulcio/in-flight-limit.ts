/**
 * The limits on signing requests that are under way at once, whatever protocol they came by. An untrusted client can send
 * any number of requests, so a request counts against `max-in-flight` only when its token is verified.
 */
import type { ConcurrencySlot } from '../../ca/issuance.ts';
import { ConcurrencyLimit } from '../../core/concurrency-limit.ts';
import { TransportError } from '../http/transport-error.ts';

/** Requests whose RSA key waits to be looked at. Keys are looked at one after the other, those of 4096 bits for some 20 ms each. */
const KEY_CHECKS = 128;

/** Counts what is under way up to a limit: a `ConcurrencyLimit`, or one that several threads share. */
export type CountedLimit = Pick<ConcurrencyLimit, 'used' | 'enter' | 'enterAnyway' | 'leave'>;

/** The limits of one service. */
export class InFlightLimit {
  readonly #signing: CountedLimit;
  readonly #keyChecks: ConcurrencyLimit;

  /** `signing` limits those that sign, by their number or in a count that threads share. One of `sharers` threads that share the
   * places of those whose key waits. */
  constructor(signing: number | CountedLimit, sharers = 1) {
    this.#signing = typeof signing === 'number' ? new ConcurrencyLimit(signing) : signing;
    this.#keyChecks = new ConcurrencyLimit(Math.ceil(KEY_CHECKS / sharers));
  }

  /** Requests that count against `max-in-flight`: the token is verified, and they are not decided. One whose RSA key waits
   * to be looked at counts against that limit instead. */
  get signing(): number {
    return this.#signing.used;
  }

  /** The slot of one request. */
  slot(): InFlightSlot {
    return new InFlightSlot(this.#signing, this.#keyChecks);
  }
}

/** Holds at most one place: among the requests that sign, or among those whose key is looked at. */
class InFlightSlot implements ConcurrencySlot {
  readonly #signing: CountedLimit;
  readonly #keyChecks: ConcurrencyLimit;
  #held: CountedLimit | undefined;

  constructor(signing: CountedLimit, keyChecks: ConcurrencyLimit) {
    this.#signing = signing;
    this.#keyChecks = keyChecks;
  }

  admit(): void {
    this.#enter(this.#signing);
  }

  toKeyCheck(): void {
    this.leave();
    this.#enter(this.#keyChecks);
  }

  /** Refuses nobody: the token may be used up by now, and requests that come back are few. */
  fromKeyCheck(): void {
    this.leave();
    this.#signing.enterAnyway();
    this.#held = this.#signing;
  }

  /** Returns what is held; to be called when the request is decided. */
  leave(): void {
    this.#held?.leave();
    this.#held = undefined;
  }

  #enter(limit: CountedLimit): void {
    if (!limit.enter()) throw busy();
    this.#held = limit;
  }
}

const busy = (): TransportError =>
  new TransportError('TOO_BUSY', 'the server works on as many requests as it can', {
    hint: 'Try again in a second.',
  });
