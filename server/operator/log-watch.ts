/**
 * Says in the service log when a component of the log fails and when it works again: one line for each change. A
 * component that fails and recovers all the time has one line a minute.
 */
import { LOG_COMPONENTS, type LogComponent } from './log-components.ts';
import type { ServiceLog } from './service-log.ts';
import type { LogStatusSource } from './service-sources.ts';

/** Milliseconds between two checks. */
const CHECK_INTERVAL = 500;

/** Milliseconds between two lines that say that the same component fails. */
const NOTE_INTERVAL = 60_000;

interface Noted {
  /** When the line was written, on the monotonic clock. */
  readonly at: number;
  /** Whether a line says that it fails, and none that it works again. */
  readonly isOpen: boolean;
}

/** Compares the status of the log with what the service log says of it, twice a second. */
export class LogWatch {
  readonly #log: LogStatusSource;
  readonly #note: ServiceLog['note'];
  readonly #noted = new Map<LogComponent['name'], Noted>();
  readonly #timer: NodeJS.Timeout;
  #stops: number;

  constructor(log: LogStatusSource, note: ServiceLog['note']) {
    this.#log = log;
    this.#note = note;
    this.#stops = log.status().stops;
    this.#timer = setInterval(() => {
      this.check();
    }, CHECK_INTERVAL).unref();
  }

  /** Checks now. */
  check(): void {
    const status = this.#log.status();
    for (const component of LOG_COMPONENTS) {
      const failure = component.failure(status);
      if (failure !== undefined) this.#fails(component, failure);
      // It may have stopped and gone on between two checks.
      else if (component.name === 'entries' && status.stops > this.#stops)
        this.#fails(component, status.lastStop ?? '');
      if (failure === undefined) this.#works(component);
    }
    this.#stops = status.stops;
  }

  /** Checks once more, and no more after that. */
  stop(): void {
    clearInterval(this.#timer);
    this.check();
  }

  #fails({ name, fails, isDerived }: LogComponent, sentence: string): void {
    const noted = this.#noted.get(name);
    const now = performance.now();
    if (noted?.isOpen === true || (noted !== undefined && now - noted.at < NOTE_INTERVAL)) return;
    this.#noted.set(name, { at: now, isOpen: true });
    this.#note(isDerived ? 'warn' : 'error', fails, { sentence });
  }

  #works({ name, works }: LogComponent): void {
    const noted = this.#noted.get(name);
    if (noted?.isOpen !== true) return;
    this.#noted.set(name, { at: noted.at, isOpen: false });
    this.#note('warn', works, {});
  }
}
