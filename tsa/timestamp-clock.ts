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

/** Why there is no time. */
interface ClockFault {
  readonly sentence: string;
  /** What the operator can do. */
  readonly hint: string;
}

/** Returns why somebody else does not trust the clock; undefined when they do. */
export type ClockWitness = () => ClockFault | undefined;

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
  #testimony: ClockFault | undefined;
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
    const fault = this.#faultAt(now);
    if (fault !== undefined)
      throw new TimestampError('TIMESTAMP_CLOCK', fault.sentence, { hint: fault.hint });
    return (this.#latest = Math.floor(now / 1000) * 1000);
  }

  /** Why there is no time now, a sentence; undefined when there is. */
  get fault(): string | undefined {
    return this.#faultAt(this.#clock.read())?.sentence;
  }

  /** Ends the readings of every second. */
  close(): void {
    clearInterval(this.#looks);
  }

  #faultAt(now: number): ClockFault | undefined {
    const jump = this.#clock.fault;
    return jump === undefined ? this.#otherFault(now) : { sentence: jump, hint: JUMPED };
  }

  #otherFault(now: number): ClockFault | undefined {
    const elapsed = now - this.#askedAt;
    if (!(elapsed >= 0 && elapsed < WITNESS_MEMORY)) {
      this.#askedAt = now;
      this.#testimony = firstOf(this.#witnesses);
    }
    if (this.#testimony !== undefined) return this.#testimony;
    const behind = this.#latest - now;
    if (behind <= 0) return undefined;
    const sentence = `the clock is ${durationText(behind)} behind the last timestamp; timestamps go on when it has caught up, or when the service is started anew`;
    return { sentence, hint: BEHIND };
  }
}

/** Seconds up to some minutes, then hours. */
function durationText(ms: number): string {
  const seconds = Math.ceil(ms / 1000);
  return seconds < 600 ? `${seconds} s` : `${(seconds / 3600).toFixed(1)} h`;
}

function firstOf(witnesses: readonly ClockWitness[]): ClockFault | undefined {
  for (const witness of witnesses) {
    const fault = witness();
    if (fault !== undefined) return fault;
  }
  return undefined;
}

const JUMPED =
  'Set the clock right: timestamps go on at once. If the new time is the right one, they go on by themselves, after at most ' +
  'ten minutes; docs/timestamps.md, "The clock", says how to go on sooner.';

const BEHIND =
  'A timestamp was dated by a clock that was ahead, or the clock was set back. If it is right now and nobody can wait, start the service anew: then ' +
  'timestamps may be earlier than the one before. docs/timestamps.md, "The clock", says more.';
