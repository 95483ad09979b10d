/** The clock by which the service signs timestamps by itself. One that is dated years ahead is genuine for years: who stands between a client and the
 * service shows it for as long, and hides every change. */
import { rfc3339, type Clock, type SteadyClock } from '../../core/clock.ts';
import { endOf } from './metadata.ts';
import type { Repository } from './repository.ts';
import { LIFETIMES, OFFLINE_ROLES } from './roles.ts';
import { TufError } from './tuf-error.ts';

/** A clock that may be ahead by a day of what the machine counted since the start, and no more. */
export class SigningClock {
  readonly #clock: Clock;
  readonly #steady: SteadyClock | undefined;
  readonly #startedAt: number;
  /** Milliseconds since the epoch, at the start. */
  #reference: number;
  #hasSeen = false;

  /** Without a steady clock jumps are not seen. */
  constructor(clock: Clock, steady: SteadyClock | undefined) {
    this.#clock = clock;
    this.#steady = steady;
    this.#startedAt = steady?.uptime() ?? 0;
    this.#reference = clock();
  }

  /** The time, in milliseconds since the epoch, to sign `repository` anew. `isRenewed` where root and targets are renewed by the service itself. Throws {@link TufError} `TUF_CLOCK` where the clock went further than time did, or where it
   * says that root or targets have ended: then nobody follows what is signed, and where they have not ended it must not be signed. */
  now(repository: Pick<Repository, 'root' | 'targets' | 'timestamp'>, isRenewed: boolean): number {
    const now = this.#clock();
    this.#remember(repository);
    const ahead = now - this.#reference - this.#elapsed();
    if (this.#steady !== undefined && ahead > LIFETIMES.timestamp)
      throw fault(
        `the clock says ${rfc3339(now)}, ${Math.floor(ahead / 3_600_000)} h more than passed since the start`,
        'Set the clock right. If it is right, start the service anew.',
      );
    const ended = OFFLINE_ROLES.find((role) => endOf(repository[role]) <= now);
    if (ended !== undefined && !isRenewed)
      throw fault(
        `the clock says ${rfc3339(now)}, and the ${ended} metadata ended on ${rfc3339(endOf(repository[ended]))}`,
        'Set the clock right. If it is right: `mayfly trust tuf stage --renew`, have the file signed, and import it.',
      );
    return now;
  }

  #elapsed(): number {
    return (this.#steady?.uptime() ?? 0) - this.#startedAt;
  }

  /** A machine without a clock of its own begins long ago: then the timestamp that is there first says more. One of the future says nothing. */
  #remember({ timestamp }: Pick<Repository, 'timestamp'>): void {
    const signedAt = endOf(timestamp) - LIFETIMES.timestamp;
    if (this.#hasSeen) return;
    this.#hasSeen = true;
    if (signedAt <= this.#clock()) this.#reference = Math.max(this.#reference, signedAt - this.#elapsed());
  }
}

const fault = (why: string, hint: string): TufError =>
  new TufError('TUF_CLOCK', `snapshot and timestamp are not signed: ${why}`, { hint });
