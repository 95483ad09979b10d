import type { Clock } from '../core/clock.ts';
import { openReplayGuard, type OnThreadEnd, type ReplayGuard } from '../policy/replay/replay-guard.ts';

/** The replay guard of a data directory, opened when an entry of the configuration first wants it. */
export class LazyReplayGuard {
  readonly #path: string;
  readonly #clock: Clock;
  #opening: Promise<ReplayGuard> | undefined;
  #guard: ReplayGuard | undefined;
  /** Whoever has a log to tell it to. */
  onThreadEnd: OnThreadEnd | undefined;

  constructor(path: string, clock: Clock) {
    this.#path = path;
    this.#clock = clock;
  }

  /** Undefined until somebody wanted it. */
  get guard(): ReplayGuard | undefined {
    return this.#guard;
  }

  /** The same one each time. Rejects with `ReplayFault`; the next call tries again. */
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
      this.#guard = await openReplayGuard(this.#path, this.#clock, (fault) => this.onThreadEnd?.(fault));
      return this.#guard;
    } catch (error) {
      this.#opening = undefined;
      throw error;
    }
  }
}
