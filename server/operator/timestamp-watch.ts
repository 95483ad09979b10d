/** Says in the service log when timestamps stop and when they go on. */
import type { Clock } from '../../core/clock.ts';
import type { ServiceLog } from './service-log.ts';
import type { TimestampSource } from './service-sources.ts';

/** Milliseconds between two checks. */
const CHECK_INTERVAL = 500;

/** Compares twice a second. */
export class TimestampWatch {
  readonly #source: Pick<TimestampSource, 'faultAt' | 'warning'>;
  readonly #clock: Clock;
  readonly #note: ServiceLog['note'];
  readonly #timer: NodeJS.Timeout;
  #isStopped = false;
  #isWarned = false;

  constructor(source: Pick<TimestampSource, 'faultAt' | 'warning'>, clock: Clock, note: ServiceLog['note']) {
    this.#source = source;
    this.#clock = clock;
    this.#note = note;
    this.check();
    this.#timer = setInterval(() => {
      this.check();
    }, CHECK_INTERVAL).unref();
  }

  /** Checks now. */
  check(): void {
    const fault = this.#source.faultAt(this.#clock());
    const isStopped = fault !== undefined;
    if (isStopped && !this.#isStopped) this.#note('error', 'timestamps stop', { sentence: fault });
    if (!isStopped && this.#isStopped) this.#note('warn', 'timestamps go on', {});
    this.#isStopped = isStopped;
    const warning = this.#source.warning();
    if (warning !== undefined && !this.#isWarned) this.#note('warn', 'warning', { sentence: warning });
    this.#isWarned = warning !== undefined;
  }

  /** Checks no more. */
  stop(): void {
    clearInterval(this.#timer);
  }
}
