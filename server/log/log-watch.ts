/**
 * Says in the service log when a part of the log fails and when it works again: one line for each change. What fails and
 * recovers all the time is said once a minute.
 */
import type { LogStatus } from '../../tlog/log-status.ts';
import { LOG_PARTS, type LogPart } from './log-parts.ts';
import type { RequestLog } from '../operator/request-log.ts';

/** Milliseconds between two looks. */
const LOOK_INTERVAL = 500;

/** Milliseconds between two lines that say that the same part fails. */
const NOTE_INTERVAL = 60_000;

interface Noted {
  /** When the line was written, on the monotonic clock. */
  readonly at: number;
  /** Whether a line says that it fails, and none that it works again. */
  readonly isOpen: boolean;
}

/** See above. */
export class LogWatch {
  readonly #status: () => LogStatus;
  readonly #note: RequestLog['note'];
  readonly #noted = new Map<LogPart['part'], Noted>();
  readonly #timer: NodeJS.Timeout;
  #stops: number;

  constructor(status: () => LogStatus, note: RequestLog['note']) {
    this.#status = status;
    this.#note = note;
    this.#stops = status().stops;
    this.#timer = setInterval(() => {
      this.look();
    }, LOOK_INTERVAL).unref();
  }

  /** Looks now. */
  look(): void {
    const status = this.#status();
    for (const part of LOG_PARTS) {
      const failure = part.failure(status);
      if (failure !== undefined) this.#fails(part, failure);
      // It may have stopped and gone on between two looks.
      else if (part.part === 'entries' && status.stops > this.#stops)
        this.#fails(part, status.lastStop ?? '');
      if (failure === undefined) this.#works(part);
    }
    this.#stops = status.stops;
  }

  /** Looks once more, and no more after that. */
  stop(): void {
    clearInterval(this.#timer);
    this.look();
  }

  #fails({ part, fails, isDerived }: LogPart, sentence: string): void {
    const noted = this.#noted.get(part);
    const now = performance.now();
    if (noted?.isOpen === true || (noted !== undefined && now - noted.at < NOTE_INTERVAL)) return;
    this.#noted.set(part, { at: now, isOpen: true });
    this.#note(isDerived ? 'warn' : 'error', fails, { sentence });
  }

  #works({ part, works }: LogPart): void {
    const noted = this.#noted.get(part);
    if (noted?.isOpen !== true) return;
    this.#noted.set(part, { ...noted, isOpen: false });
    this.#note('warn', works, {});
  }
}
