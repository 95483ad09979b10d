/** What lies in the future of the verifier cannot have been seen by anybody. */
import { rfc3339 } from '../core/clock.ts';
import { refused } from './verify-error.ts';

/** Milliseconds by which the clocks of honest machines differ at most. */
export const CLOCK_TOLERANCE = 5 * 60_000;

/** Throws a refusal for a time, milliseconds since the epoch, that is more than {@link CLOCK_TOLERANCE} ahead of `clock`, the verifier's own: who has the key of an authority or a log can sign any
 * time, and one that lies ahead costs them nothing today. `says` names in words who signed the time. */
export function requireNotAhead(time: number, clock: number, says: string): void {
  if (time <= clock + CLOCK_TOLERANCE) return;
  throw refused(
    `${says} says ${rfc3339(time)}, which lies in the future: the clock of this machine says ${rfc3339(clock)}. Either that clock is wrong, or what signed this time is`,
    'clock',
  );
}
