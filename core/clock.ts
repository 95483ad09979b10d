/** The current time in milliseconds since 1970-01-01T00:00:00Z. Handed in everywhere, so that a test owns the time. */
export type Clock = () => number;

/** How much time passed, whatever the {@link Clock} is set to. Both count milliseconds from some moment on. */
export interface SteadyClock {
  /** May stand still while the machine sleeps. */
  readonly now: () => number;
  /** Goes on while the machine sleeps. */
  readonly uptime: () => number;
  /** Names the time since the machine was started, and no other; undefined where the system has no such name. */
  readonly boot?: string | undefined;
}

/** The last moment that JavaScript's calendar has, in September of the year 275760. */
export const LAST_TIME = 8_640_000_000_000_000;

/** From 0000-01-01T00:00:00Z to the end of 9999: four digits for the year. */
const RFC3339_FIRST = -62_167_219_200_000;
const RFC3339_LAST = 253_402_300_799_999;

/** `ms` as RFC 3339 in UTC with whole seconds, e.g. `2026-11-22T10:00:00Z`. A time whose year has not four digits is
 * written as its number. Never throws, because untrusted callers write times too. */
export const rfc3339 = (ms: number): string =>
  ms >= RFC3339_FIRST && ms <= RFC3339_LAST
    ? `${new Date(ms).toISOString().slice(0, 19)}Z`
    : `${ms} ms after 1970`;

const RFC3339 = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)$/;

/** Milliseconds since the epoch of an RFC 3339 time with an explicit zone; undefined if it is not one, or if it names
 * a day or an hour that does not exist (JavaScript alone would read 30 February as 2 March). */
export function parseRfc3339(text: string): number | undefined {
  if (!RFC3339.test(text)) return undefined;
  const upper = text.toUpperCase();
  const local = Date.parse(`${upper.slice(0, 19)}Z`);
  // Of a day that the month does not have, and of 24:00, JavaScript makes another day.
  if (Number.isNaN(local) || new Date(local).getUTCDate() !== Number(upper.slice(8, 10))) return undefined;
  const ms = upper.length === 20 ? local : Date.parse(upper);
  return Number.isNaN(ms) ? undefined : ms;
}
