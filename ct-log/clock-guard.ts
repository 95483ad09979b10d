/**
 * Keeps a wrong clock out of the log. A head is dated, heads rise strictly, and no entry may be later than its head: one
 * head of tomorrow, and the log can take nothing until tomorrow. So the clock is held to the time that really passed.
 * A jump that is larger than a tolerance is not trusted while it is new. Who is right cannot be told from inside: the
 * clock may have been set right. So it is trusted when it has stood for as long as the jump is wide, ten minutes at
 * most. Then a wrong minute costs a minute, and a jump that was right costs no more than that.
 */
import type { Clock, SteadyClock } from '../core/clock.ts';
import { LogError } from './log-error.ts';

/** Milliseconds by which a clock may be corrected at once. */
export const JUMP_TOLERANCE = 10_000;

/** Milliseconds after which any jump is trusted. */
export const LONGEST_DOUBT = 600_000;

/** The three clocks at one moment. */
interface Reading {
  readonly wall: number;
  readonly steady: number;
  readonly uptime: number;
}

interface Doubt {
  /** Milliseconds by which the clock went further than time did. */
  readonly jump: number;
  /** On the steady clock. */
  readonly since: number;
}

/** See above. Without a steady clock every time is trusted. */
export class ClockGuard {
  readonly #wall: Clock;
  readonly #steady: SteadyClock | undefined;
  /** The last one that was trusted. */
  #trusted: Reading | undefined;
  #doubt: Doubt | undefined;

  constructor(wall: Clock, steady: SteadyClock | undefined) {
    this.#wall = wall;
    this.#steady = steady;
    this.look();
  }

  /** The time. Throws {@link LogError} `LOG_CLOCK` while it is not trusted. */
  now(): number {
    const now = this.#wall();
    const off = this.#doubt !== undefined || Math.abs(this.#drift(now)) > JUMP_TOLERANCE;
    if (off && this.#steady !== undefined) this.#judge(now, this.#steady);
    if (this.#doubt === undefined) return now;
    throw new LogError('LOG_CLOCK', this.#text(this.#doubt), { hint: HINT });
  }

  /** Takes a reading; to be called every second or so, for a clock that is corrected little by little goes far in a day. */
  look(): void {
    if (this.#steady !== undefined) this.#judge(this.#wall(), this.#steady);
  }

  /** By how much more the clock went than the steady one, which stands still while the machine sleeps. */
  #drift(wall: number): number {
    if (this.#steady === undefined || this.#trusted === undefined) return 0;
    return wall - this.#trusted.wall - (this.#steady.now() - this.#trusted.steady);
  }

  #judge(wall: number, steady: SteadyClock): void {
    const now: Reading = { wall, steady: steady.now(), uptime: steady.uptime() };
    const jump = this.#drift(wall) - this.#slept(now);
    if (Math.abs(jump) <= JUMP_TOLERANCE || this.#hasStood(jump, now)) {
      this.#trusted = now;
      this.#doubt = undefined;
    } else if (this.#doubt === undefined || Math.abs(jump - this.#doubt.jump) > JUMP_TOLERANCE) {
      this.#doubt = { jump, since: now.steady };
    }
  }

  #slept({ steady, uptime }: Reading): number {
    if (this.#trusted === undefined) return 0;
    return Math.max(0, uptime - this.#trusted.uptime - (steady - this.#trusted.steady));
  }

  #hasStood(jump: number, { steady }: Reading): boolean {
    if (this.#doubt === undefined || Math.abs(jump - this.#doubt.jump) > JUMP_TOLERANCE) return false;
    return steady - this.#doubt.since >= patience(this.#doubt);
  }

  #text(doubt: Doubt): string {
    const left = patience(doubt) - ((this.#steady?.now() ?? 0) - doubt.since);
    const direction = doubt.jump > 0 ? 'ahead' : 'back';
    return (
      `the clock jumped ${seconds(Math.abs(doubt.jump))} s ${direction} and is not trusted yet; ` +
      `if it stands, it is in ${seconds(Math.max(0, left))} s`
    );
  }
}

const patience = ({ jump }: Doubt): number => Math.min(Math.abs(jump), LONGEST_DOUBT);
const seconds = (ms: number): number => Math.round(ms / 1000);

const HINT =
  'Set the clock right: the log goes on at once. If the new time is the right one, it goes on by itself, or after a restart.';
