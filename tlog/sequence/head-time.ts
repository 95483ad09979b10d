/** What time the next head gets. */
import { setTimeout as delay } from 'node:timers/promises';
import { rfc3339, type Clock } from '../../core/clock.ts';
import { LogError } from '../core/log-error.ts';

/** How far the clock may be behind the last head before entries are refused rather than kept waiting. */
const CLOCK_TOLERANCE_MS = 1000;

/** Throws {@link LogError} `LOG_CLOCK` when `now` is far behind `last`, both in milliseconds since the epoch. */
export function requireNotBehind(last: number, now: number): void {
  if (last - now > CLOCK_TOLERANCE_MS) throw clockError(last, now);
}

/** The clock's time, once it is later than `last`, in milliseconds since the epoch. Waits out a clock that is a little
 * behind; throws {@link LogError} `LOG_CLOCK` when it is far behind. */
export async function timeAfter(last: number, clock: Clock): Promise<number> {
  for (;;) {
    const now = Math.floor(clock());
    if (now > last) return now;
    requireNotBehind(last, now);
    await delay(last - now + 1);
  }
}

/** The same where other machines date heads, too, whose clocks are a little ahead: not waited for, for they would be first again. A head may then be ahead of this clock, by the same second
 * at most. Throws {@link LogError} `LOG_CLOCK`. */
export function timeBeside(last: number, clock: Clock): number {
  const now = Math.floor(clock());
  requireNotBehind(last, now);
  return Math.max(now, last + 1);
}

const clockError = (last: number, now: number): LogError =>
  new LogError(
    'LOG_CLOCK',
    `the clock is ${last - now} ms behind the last tree head, which is of ${rfc3339(last)}`,
    {
      hint:
        'Set the clock right: a log must not date an entry before the head it builds on. If the clock is right and the ' +
        'head is not, see docs/troubleshooting.md, "Clock problems".',
    },
  );
