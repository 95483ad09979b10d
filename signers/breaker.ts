import { isPassing, SignerError } from './signer-error.ts';

/** Failures in a row, and among the last tries, that show trouble. */
const IN_A_ROW = 5;
const WINDOW = 20;
const OF_WINDOW = 10;

/** Milliseconds until a key in trouble is tried again: at first, and at most. The first doubles until it is the second. */
const FIRST_PROBE = 1_000;
const LONGEST_PROBE = 2_000;
/** The same after a denial, where trying often may lock an account, and the longest wait of a backend that throttles. */
const LONGEST_DENIED_PROBE = 30_000;

/** What a {@link Breaker} is made with. */
interface BreakerOptions {
  /** Tries whether signatures are made again. Rejects with SignerError. */
  readonly probe: () => Promise<void>;
  /** Called when trouble begins, with what it is, and when it is over. */
  readonly onChange?: ((trouble: SignerError | undefined) => void) | undefined;
  /** Milliseconds until the first probe, for tests. */
  readonly firstProbeMs?: number | undefined;
  readonly random: () => number;
}

/**
 * Knows when a key is in trouble, so that no request waits for it in vain: after failures in a row or of half of the last tries, and
 * at once after one that no repetition helps. From then on only probes are tried, until one of them succeeds.
 */
export class Breaker {
  readonly #options: BreakerOptions;
  #inARow = 0;
  #recent: boolean[] = [];
  #trouble: SignerError | undefined;
  #nextProbeAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: BreakerOptions) {
    this.#options = options;
  }

  /** Why nothing is tried at the moment, with when to come back; undefined while all is well. */
  get refusal(): SignerError | undefined {
    if (this.#trouble === undefined) return undefined;
    const { code, message, hint, cause } = this.#trouble;
    const retryAfterMs = Math.max(1, this.#nextProbeAt - Date.now());
    return new SignerError(code, message, { hint, cause, retryAfterMs });
  }

  /** A try that gave a signature. */
  succeeded(): void {
    this.#inARow = 0;
    this.#remember(true);
  }

  /** A try that did not. */
  failed(error: SignerError): void {
    this.#inARow++;
    this.#remember(false);
    if (this.#trouble !== undefined || this.#isClosed) return;
    const failures = this.#recent.filter((isGood) => !isGood).length;
    if (isPassing(error) && this.#inARow < IN_A_ROW && failures < OF_WINDOW) return;
    this.#open(error, this.#options.firstProbeMs ?? FIRST_PROBE);
    this.#options.onChange?.(error);
  }

  /** No more probes. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  #remember(isGood: boolean): void {
    this.#recent.push(isGood);
    if (this.#recent.length > WINDOW) this.#recent.shift();
  }

  #open(error: SignerError, waitMs: number): void {
    this.#trouble = error;
    // Several services that lost the same key do not come back to it at the same moment.
    const wait = Math.max(waitMs, believedWait(error)) * (1 + this.#options.random() / 4);
    this.#nextProbeAt = Date.now() + wait;
    this.#timer = setTimeout(() => void this.#probe(waitMs), wait).unref();
  }

  async #probe(waitMs: number): Promise<void> {
    try {
      await this.#options.probe();
      this.#trouble = undefined;
      this.#inARow = 0;
      this.#recent = [];
      this.#options.onChange?.(undefined);
    } catch (error) {
      if (this.#isClosed) return;
      // A probe that did not get its turn says nothing about the key.
      const isTried = error instanceof SignerError && error.code !== 'SIGNER_BUSY';
      const failure = isTried ? error : this.#trouble;
      if (failure === undefined) return;
      const longest = failure.code === 'SIGNER_DENIED' ? LONGEST_DENIED_PROBE : LONGEST_PROBE;
      this.#open(failure, Math.min(2 * waitMs, longest));
    }
  }
}

/** How long a backend wants to be left alone, in milliseconds: what stands between may say hours, and nobody would hear that the key signs again. */
function believedWait({ code, retryAfterMs = 0 }: SignerError): number {
  const isOften = code !== 'SIGNER_THROTTLED' && code !== 'SIGNER_DENIED';
  return Math.min(retryAfterMs, isOften ? LONGEST_PROBE : LONGEST_DENIED_PROBE);
}
