/**
 * The clock of the wall, held to the time that really passed. A jump that is larger than a tolerance is not trusted while it is
 * new, and neither are many small ones that come to as much within ten minutes. Which of the two is right cannot be known from
 * inside: the clock may have been set right. So it is trusted when it has stood for as long as the jump is wide, ten minutes at
 * most. Then a wrong minute costs a minute, and a jump that was right costs no more than that.
 */
import type { Clock, SteadyClock } from './clock.ts';

/** Milliseconds for which corrections add up. */
export const CLOCK_WINDOW = 600_000;

/** Milliseconds after which any jump is trusted. */
export const LONGEST_DOUBT = 600_000;

/** Milliseconds between two readings that are kept. */
const KEPT_EVERY = 60_000;

/** By how much a clock that stands may move while it is not trusted: some daemons correct it by up to a tenth of the time
 * that passes, and readings are not taken at exactly one moment. */
const STANDING_RATE = 0.1;
const STANDING_WOBBLE = 1_000;

/** What the clock said at a moment that the machine's uptime dates. */
export interface ClockReading {
  /** Milliseconds since the epoch. */
  readonly wall: number;
  /** Milliseconds since the machine was started. */
  readonly uptime: number;
}

/** The three clocks at one moment. */
interface Reading extends ClockReading {
  readonly steady: number;
}

interface Doubt {
  /** Milliseconds by which the clock went further than time did. */
  readonly jump: number;
  /** On the steady clock. */
  readonly since: number;
}

/** A clock that is held to the time that really passed. Without a steady clock every time is trusted. */
export class SteadiedClock {
  readonly #wall: Clock;
  readonly #steady: SteadyClock | undefined;
  readonly #tolerance: number;
  /** Readings that were trusted, a minute apart. The first is what the clock is held to. */
  #trusted: Reading[] = [];
  #doubt: Doubt | undefined;

  /** `tolerance` is the milliseconds by which the clock may be corrected, all corrections of {@link CLOCK_WINDOW} together.
   * `before` is the {@link baseline} of an earlier run, since when the machine was not started again. Without it the
   * first reading is trusted. */
  constructor(wall: Clock, steady: SteadyClock | undefined, tolerance: number, before?: ClockReading) {
    this.#wall = wall;
    this.#steady = steady;
    this.#tolerance = tolerance;
    const uptime = steady?.uptime() ?? 0;
    if (steady !== undefined && before !== undefined && before.uptime <= uptime)
      this.#trusted = [{ ...before, steady: steady.now() - (uptime - before.uptime) }];
    this.look();
  }

  /** What the clock says now. Whether it is trusted is what {@link fault} says after this. */
  read(): number {
    const now = this.#wall();
    const off = this.#doubt !== undefined || Math.abs(this.#drift(now)) > this.#tolerance;
    if (off && this.#steady !== undefined) this.#judge(now, this.#steady);
    return now;
  }

  /** Why the last reading is not trusted, a sentence; undefined when it is. */
  get fault(): string | undefined {
    return this.#doubt === undefined ? undefined : this.#text(this.#doubt);
  }

  /** Takes a reading; to be called every second or so, for a clock that is corrected little by little goes far in a day. */
  look(): void {
    if (this.#steady !== undefined) this.#judge(this.#wall(), this.#steady);
  }

  /** What the clock is held to; undefined without a steady clock. */
  get baseline(): ClockReading | undefined {
    return this.#trusted[0];
  }

  /** By how much more the clock went than the steady one, which stands still while the machine sleeps. */
  #drift(wall: number): number {
    const base = this.#trusted[0];
    if (this.#steady === undefined || base === undefined) return 0;
    return wall - base.wall - (this.#steady.now() - base.steady);
  }

  #judge(wall: number, steady: SteadyClock): void {
    const now: Reading = { wall, steady: steady.now(), uptime: steady.uptime() };
    const slept = this.#slept(now);
    const jump = this.#drift(wall) - slept;
    if (Math.abs(jump) <= this.#tolerance) this.#trust(now, slept > this.#tolerance);
    else if (this.#doubt === undefined || !isSame(this.#doubt, jump, now))
      this.#doubt = { jump, since: now.steady };
    else if (now.steady - this.#doubt.since >= doubtLength(this.#doubt)) this.#trust(now, true);
  }

  /** From `anew` on the clock is held to this reading. */
  #trust(now: Reading, anew: boolean): void {
    this.#doubt = undefined;
    const newest = this.#trusted.at(-1);
    if (anew || newest === undefined) this.#trusted = [now];
    else if (now.steady - newest.steady >= KEPT_EVERY) this.#trusted.push(now);
    const isOld = ({ steady }: Reading): boolean => now.steady - steady >= CLOCK_WINDOW;
    while (this.#trusted[1] !== undefined && isOld(this.#trusted[1])) this.#trusted.shift();
  }

  #slept({ steady, uptime }: Reading): number {
    const base = this.#trusted[0];
    if (base === undefined) return 0;
    return Math.max(0, uptime - base.uptime - (steady - base.steady));
  }

  #text(doubt: Doubt): string {
    const left = doubtLength(doubt) - ((this.#steady?.now() ?? 0) - doubt.since);
    const direction = doubt.jump > 0 ? 'ahead' : 'back';
    return (
      `the clock jumped ${seconds(Math.abs(doubt.jump))} s ${direction} and is not trusted yet; ` +
      `if it stands, it is in ${seconds(Math.max(0, left))} s`
    );
  }
}

/** Whether the clock stands since `doubt` began. */
const isSame = (doubt: Doubt, jump: number, { steady }: Reading): boolean =>
  Math.abs(jump - doubt.jump) <= STANDING_WOBBLE + STANDING_RATE * (steady - doubt.since);
const doubtLength = ({ jump }: Doubt): number => Math.min(Math.abs(jump), LONGEST_DOUBT);
const seconds = (ms: number): number => Math.round(ms / 1000);
