import { setTimeout as delay } from 'node:timers/promises';

/** When something has to be done, for those who wait for it and what goes on for them. */
export class Deadline {
  /** What {@link end} rejects with; to be set to what is waited for. */
  reason: Error;
  /** Rejects with {@link reason} then. */
  readonly end: Promise<never>;
  readonly #controller = new AbortController();
  #timer: NodeJS.Timeout | undefined;

  /** `ms`: milliseconds from now. */
  constructor(ms: number, reason: Error) {
    this.reason = reason;
    this.end = new Promise((_, reject) => {
      this.#timer = setTimeout(() => {
        reject(this.reason);
        this.#controller.abort(this.reason);
      }, ms);
    });
    // No listener may be left by then.
    this.end.catch(() => undefined);
  }

  /** Aborted then. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Resolves after so many milliseconds, or then. */
  async pause(ms: number): Promise<void> {
    await delay(ms, undefined, { signal: this.signal }).catch(() => undefined);
  }

  /** It was done before. */
  clear(): void {
    clearTimeout(this.#timer);
  }
}
