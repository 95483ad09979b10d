/**
 * Keeps a wrong clock out of the log. A head is dated, heads rise strictly, and no entry may be later than its head: one
 * head of tomorrow, and the log can take nothing until tomorrow. So the clock is held to the time that really passed.
 */
import type { Clock, SteadyClock } from '../../core/clock.ts';
import { SteadiedClock, type ClockReading } from '../../core/steadied-clock.ts';
import { LogError } from '../core/log-error.ts';

/** Milliseconds by which a clock may be corrected, all corrections of ten minutes together. */
export const JUMP_TOLERANCE = 10_000;

/** The clock of a log. Without a steady clock every time is trusted. */
export class ClockGuard {
  readonly #clock: SteadiedClock;

  /** `before` is the {@link baseline} of an earlier run, since when the machine was not started again. Without it the
   * first reading is trusted. */
  constructor(wall: Clock, steady: SteadyClock | undefined, before?: ClockReading) {
    this.#clock = new SteadiedClock(wall, steady, JUMP_TOLERANCE, before);
  }

  /** The time. Throws {@link LogError} `LOG_CLOCK` while it is not trusted. */
  now(): number {
    const now = this.#clock.read();
    const { fault } = this.#clock;
    if (fault === undefined) return now;
    throw new LogError('LOG_CLOCK', fault, { hint: HINT });
  }

  /** Takes a reading; to be called every second or so, for a clock that is corrected little by little goes far in a day. */
  look(): void {
    this.#clock.look();
  }

  /** What the clock is held to; undefined without a steady clock. */
  get baseline(): ClockReading | undefined {
    return this.#clock.baseline;
  }
}

const HINT =
  'Set the clock right: the log goes on at once. If the new time is the right one, it goes on by itself; ' +
  'docs/troubleshooting.md, "Clock problems", says how to go on sooner.';
