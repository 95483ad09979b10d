/** Says in the service log that verifiers refuse what is signed, or are going to: at the start, and when it changes. */
import type { Clock } from '../../core/clock.ts';
import type { ServiceLog } from './service-log.ts';
import type { ServiceSources } from './service-sources.ts';
import { trustTroubles } from './trust-troubles.ts';

/** Milliseconds between two checks. */
const CHECK_INTERVAL = 500;

/** Compares twice a second. */
export class TrustWatch {
  readonly #source: NonNullable<ServiceSources['trusted']>;
  readonly #clock: Clock;
  readonly #note: ServiceLog['note'];
  readonly #timer: NodeJS.Timeout;
  #said: readonly string[] = [];

  constructor(source: NonNullable<ServiceSources['trusted']>, clock: Clock, note: ServiceLog['note']) {
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
    const troubles = trustTroubles(this.#source.status(), this.#clock());
    for (const sentence of troubles)
      if (!this.#said.includes(sentence)) this.#note('warn', 'warning', { sentence });
    this.#said = troubles;
  }

  /** Checks no more. */
  stop(): void {
    clearInterval(this.#timer);
  }
}
