import { messageOf } from '../core/errors.ts';
import type { TrustedRoot, Window } from '../trust/format/trusted-root.ts';
import { readRecorded } from '../trust/ledger.ts';

/** Milliseconds between two readings. */
const READ_EVERY = 10_000;

/** What the ledger says of something that a service signs with: `mayfly trust end` may end its time while the service runs, and
 * an older chain may be put back whose time has ended. */
export class TrustedWindow {
  readonly #ledger: string;
  readonly #windowOf: (root: TrustedRoot) => Window | undefined;
  readonly #timer: NodeJS.Timeout;
  #window: Window | undefined;
  #fault: string | undefined;

  /** `ledger` is a file that need not be there. */
  constructor(ledger: string, windowOf: (root: TrustedRoot) => Window | undefined) {
    this.#ledger = ledger;
    this.#windowOf = windowOf;
    this.#timer = setInterval(() => void this.read(), READ_EVERY).unref();
  }

  /** When verifiers trust it; undefined while nothing is recorded. */
  get window(): Window | undefined {
    return this.#window;
  }

  /** Why it is not known, a sentence; the last that was known counts then. */
  get fault(): string | undefined {
    return this.#fault;
  }

  /** Reads it now. Never rejects: what is wrong with the ledger is no reason to stop. */
  async read(): Promise<void> {
    try {
      this.#window = this.#windowOf(await readRecorded(this.#ledger));
      this.#fault = undefined;
    } catch (error) {
      this.#fault = messageOf(error);
    }
  }

  /** Reads no more. */
  close(): void {
    clearInterval(this.#timer);
  }
}
