/**
 * Signs what a commit covers, for as long as that takes. The head is durable and the only one of its size that there can
 * ever be, so a signature that fails changes nothing: the same head is signed again, and the same entries.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../../core/errors.ts';
import type { Head } from '../store/commit-store.ts';
import type { SignedHead, SignHead } from './head-signer.ts';
import { LogError } from '../core/log-error.ts';

/** Milliseconds until a failed signature is tried again, the first and the longest. */
const FIRST_RETRY = 50;
const LONGEST_RETRY = 5_000;

/** Makes the receipts of a batch, in its order, after its head was signed. */
type MakeReceipts<Placed, Receipt> = (
  entries: readonly Placed[],
  head: SignedHead,
) => Promise<readonly Receipt[]>;

/** A committed batch with its signatures. */
export interface SignedBatch<Receipt> {
  readonly head: SignedHead;
  readonly receipts: readonly Receipt[];
}

/** The keys of one log, as its sequencer uses them. */
export class BatchSigner<Placed, Receipt> {
  readonly #signHead: SignHead;
  readonly #makeReceipts: MakeReceipts<Placed, Receipt>;
  readonly #timeoutMs: number;
  readonly #abort = new AbortController();
  #failure: string | undefined;
  #late: LogError | undefined;

  /** `timeoutMs`: milliseconds after which signing takes too long. */
  constructor(signHead: SignHead, makeReceipts: MakeReceipts<Placed, Receipt>, timeoutMs: number) {
    this.#signHead = signHead;
    this.#makeReceipts = makeReceipts;
    this.#timeoutMs = timeoutMs;
  }

  /** Why the last signature failed, or is not there yet; undefined while all is well. */
  get failure(): string | undefined {
    return this.#failure ?? (this.#late === undefined ? undefined : NO_ANSWER);
  }

  /** What to reject with while signing takes too long. */
  get late(): LogError | undefined {
    return this.#late;
  }

  /** The head and the receipts of `entries`, once both could be signed; `onLate` is called when that takes too long. Rejects
   * after {@link stop}, with LogError `LOG_CLOSED`, and with what says that this log must not go on here. */
  async sign(
    next: Head,
    entries: readonly Placed[],
    onLate: (error: LogError) => void,
  ): Promise<SignedBatch<Receipt>> {
    const signing = this.#untilSigned(next, entries);
    if (await this.#isInTime(signing)) return signing;
    this.#late = lateness(this.#failure ?? NO_ANSWER);
    onLate(this.#late);
    const end = new AbortController();
    try {
      return await Promise.race([signing, this.#untilStopped(end.signal)]);
    } finally {
      this.#late = undefined;
      end.abort();
    }
  }

  /** Whether it is resolved or rejected before it takes too long. */
  async #isInTime(signing: Promise<unknown>): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const tooLong = new Promise<boolean>((resolve) => {
      timer = setTimeout(resolve, this.#timeoutMs, false);
    });
    const settled = signing.then(
      () => true,
      () => true,
    );
    return Promise.race([settled, tooLong]).finally(() => {
      clearTimeout(timer);
    });
  }

  /** Rejects once {@link stop} was called. Listens until `end`. */
  #untilStopped(end: AbortSignal): Promise<never> {
    return new Promise((_, reject) => {
      const { signal } = this.#abort;
      const giveUp = (): void => {
        reject(this.#closedError());
      };
      if (signal.aborted) giveUp();
      else signal.addEventListener('abort', giveUp, { once: true, signal: end });
    });
  }

  async #untilSigned(next: Head, entries: readonly Placed[]): Promise<SignedBatch<Receipt>> {
    let head: SignedHead | undefined;
    for (let wait = FIRST_RETRY; ; wait = Math.min(2 * wait, LONGEST_RETRY)) {
      try {
        head ??= await this.#signHead(next);
        const receipts = await this.#makeReceipts(entries, head);
        if (receipts.length !== entries.length) throw new LogError('LOG_STORAGE', 'a receipt is missing');
        this.#failure = undefined;
        return { head, receipts };
      } catch (error) {
        this.#failure = messageOf(error);
        // Somebody else went on with this log: what is signed here must never leave.
        if (error instanceof LogError && ENDING.has(error.code)) throw error;
        await this.#pause(wait);
      }
    }
  }

  async #pause(ms: number): Promise<void> {
    const { signal } = this.#abort;
    await delay(ms, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) throw this.#closedError();
  }

  #closedError(): LogError {
    const why = this.#failure ?? NO_ANSWER;
    return new LogError('LOG_CLOSED', `the log was closed before a committed head was signed: ${why}`);
  }

  /** Gives up what fails or takes too long, now and later. */
  stop(): void {
    this.#abort.abort();
  }
}

/** What no further attempt changes. */
const ENDING: ReadonlySet<string> = new Set(['LOG_ROLLED_BACK', 'LOG_CORRUPT']);

const NO_ANSWER = 'the keys of the log do not answer';

const lateness = (why: string): LogError =>
  new LogError('LOG_UNAVAILABLE', 'the log cannot sign at the moment', {
    hint: 'Try again later. The log of the server and /readyz name the fault.',
    cause: new Error(why),
  });
