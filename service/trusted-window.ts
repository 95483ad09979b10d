import { messageOf } from '../core/errors.ts';
import { readRecorded } from '../trust/ledger.ts';
import { authorityKey } from '../trust/union.ts';

/** Milliseconds between two readings. */
const READ_EVERY = 10_000;

/** What the ledger says of the timestamp authority that a service signs with: `mayfly trust end` may end its time while the service runs, and
 * an older chain may be put back whose time has ended. */
export class TrustedWindow {
  readonly #ledger: string;
  readonly #key: string;
  readonly #timer: NodeJS.Timeout;
  #end: number | undefined;
  #fault: string | undefined;

  /** `ledger` is a file that need not be there, `certificate` the DER of the authority's. */
  constructor(ledger: string, certificate: Uint8Array) {
    this.#ledger = ledger;
    this.#key = authorityKey({ chain: [certificate] });
    this.#timer = setInterval(() => void this.read(), READ_EVERY).unref();
  }

  /** The last moment at which verifiers trust it, in milliseconds since the epoch; undefined while none is recorded. */
  get end(): number | undefined {
    return this.#end;
  }

  /** Why it is not known, a sentence; the last that was known counts then. */
  get fault(): string | undefined {
    return this.#fault;
  }

  /** Reads it now. Never rejects: what is wrong with the ledger is no reason to stop. */
  async read(): Promise<void> {
    try {
      const { timestampAuthorities } = await readRecorded(this.#ledger);
      this.#end = timestampAuthorities.find((entry) => authorityKey(entry) === this.#key)?.window.end;
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
