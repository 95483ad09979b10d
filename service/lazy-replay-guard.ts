import type { Clock } from '../core/clock.ts';
import { openReplayGuard, type ReplayGuard } from '../policy/replay/replay-guard.ts';
import type { ServiceLog } from '../server/operator/service-log.ts';

/** The replay guard of a data directory, opened when the first configuration wants it. */
export class LazyReplayGuard {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #serviceLog: ServiceLog;
  #opening: Promise<ReplayGuard> | undefined;
  #guard: ReplayGuard | undefined;

  /** `serviceLog` gets a line when the guard's thread ends although nothing closed it. */
  constructor(path: string, clock: Clock, serviceLog: ServiceLog) {
    this.#path = path;
    this.#clock = clock;
    this.#serviceLog = serviceLog;
  }

  /** The guard; undefined until it was opened. */
  get guard(): ReplayGuard | undefined {
    return this.#guard;
  }

  /** Opens it with the first call; every call resolves to the same guard. Rejects with `ReplayFault`; the next call tries
   * again. */
  open(): Promise<ReplayGuard> {
    this.#opening ??= this.#open();
    return this.#opening;
  }

  /** Waits for what is under way. */
  async close(): Promise<void> {
    await this.#opening?.then(
      (guard) => guard.close(),
      () => undefined,
    );
  }

  async #open(): Promise<ReplayGuard> {
    try {
      this.#guard = await openReplayGuard(this.#path, this.#clock, ({ message, hint }) => {
        this.#serviceLog.note('error', 'replay guard ended', { sentence: message, hint });
      });
      return this.#guard;
    } catch (error) {
      this.#opening = undefined;
      throw error;
    }
  }
}
