/**
 * The time of timestamps, and when there is none. A timestamp is a promise about time that nobody can take back, so that a
 * clock which is in doubt stops them:
 *
 * - it is held to the time that really passed (`core/steadied-clock.ts`);
 * - no timestamp is earlier than one before it in the same process;
 * - what others say of the clock counts as well: the log, and time servers where some are configured.
 */
import type { Clock, SteadyClock } from '../core/clock.ts';
import { SteadiedClock } from '../core/steadied-clock.ts';
import { TimestampError } from './timestamp-error.ts';

/** Milliseconds by which the clock may be corrected within ten minutes. Time daemons make corrections of more than a
 * tenth of a second in one step, and smaller ones little by little. */
export const TIMESTAMP_JUMP_TOLERANCE = 2_000;

/** Milliseconds between two readings that keep the clock honest while there are no requests. */
const LOOK_EVERY = 1_000;

/** Milliseconds for which what others say of the clock counts. */
const WITNESS_MEMORY = 100;

/** Why somebody else does not trust the clock, a sentence; undefined when they do. */
export type ClockWitness = () => string | undefined;

/** What {@link TimestampClock} reads. */
interface TimestampClockOptions {
  readonly clock: Clock;
  /** Without it jumps are not seen. */
  readonly steadyClock?: SteadyClock | undefined;
  readonly witnesses?: readonly ClockWitness[] | undefined;
}

/** A clock that says the time only when it can be trusted. */
export class TimestampClock {
  readonly #clock: SteadiedClock;
  readonly #witnesses: readonly ClockWitness[];
  readonly #looks: NodeJS.Timeout;
  /** Whole seconds, in milliseconds, of the latest time that was returned. */
  #latest = -Infinity;
  #testimony: string | undefined;
  #askedAt = NaN;

  constructor({ clock, steadyClock, witnesses = [] }: TimestampClockOptions) {
    this.#clock = new SteadiedClock(clock, steadyClock, TIMESTAMP_JUMP_TOLERANCE);
    this.#witnesses = witnesses;
    this.#looks = setInterval(() => {
      this.#clock.look();
    }, LOOK_EVERY).unref();
  }

  /** The time in whole seconds, in milliseconds since the epoch. Throws {@link TimestampError} `TIMESTAMP_CLOCK`. */
  now(): number {
    const now = this.#clock.read();
    const fault = this.#clock.fault ?? this.#otherFault(now);
    if (fault !== undefined) throw new TimestampError('TIMESTAMP_CLOCK', fault, { hint: HINT });
    return (this.#latest = Math.floor(now / 1000) * 1000);
  }

  /** Why there is no time now, a sentence; undefined when there is. */
  get fault(): string | undefined {
    const now = this.#clock.read();
    return this.#clock.fault ?? this.#otherFault(now);
  }

  /** Ends the readings of every second. */
  close(): void {
    clearInterval(this.#looks);
  }

  #otherFault(now: number): string | undefined {
    const elapsed = now - this.#askedAt;
    if (!(elapsed >= 0 && elapsed < WITNESS_MEMORY)) {
      this.#askedAt = now;
      this.#testimony = firstOf(this.#witnesses);
    }
    if (this.#testimony !== undefined) return this.#testimony;
    const behind = this.#latest - now;
    return behind > 0
      ? `the clock is ${Math.ceil(behind)} ms behind the last timestamp; timestamps go on when it has caught up`
      : undefined;
  }
}

function firstOf(witnesses: readonly ClockWitness[]): string | undefined {
  for (const witness of witnesses) {
    const fault = witness();
    if (fault !== undefined) return fault;
  }
  return undefined;
}

const HINT =
  'Set the clock right: timestamps go on at once. If the new time is the right one, they go on by themselves, after at most ' +
  'ten minutes; docs/timestamps.md, "The clock", says how to go on sooner.';
