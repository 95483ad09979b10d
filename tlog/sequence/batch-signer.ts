/**
 * Signs what a commit covers, for as long as that takes. The head is durable and the only one of its size that there can
 * ever be, so a signature that fails changes nothing: the same head is signed again, and the same entries.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf, type MayflyError } from '../../core/errors.ts';
import type { Head } from '../store/commit-store.ts';
import type { SignedHead, SignHead } from './head-signer.ts';
import { LogError } from '../core/log-error.ts';

/** Milliseconds until a failed signature is tried again, the first and the longest: a key that is back is used soon. */
const FIRST_RETRY = 50;
const LONGEST_RETRY = 1_000;

/** Milliseconds after which entries do not wait for another try. */
const WORTH_A_TRY = 1_500;

/** Makes the receipts of a batch, in its order, while its head is being signed. */
type MakeReceipts<Placed, Receipt> = (
  entries: readonly Placed[],
  head: Head,
  signing: Promise<SignedHead>,
) => Promise<readonly Receipt[]>;

/** What is known to keep the keys of a log from signing; undefined while nothing is. */
type KeyRefusal = () => MayflyError | undefined;

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
  readonly #keyRefusal: KeyRefusal;
  readonly #abort = new AbortController();
  /** Has those that wait for the batch refused before the time is over. */
  #endWait = (): void => undefined;
  #failure: string | undefined;
  #late: LogError | undefined;

  /** `timeoutMs`: milliseconds after which signing takes too long. */
  constructor(
    signHead: SignHead,
    makeReceipts: MakeReceipts<Placed, Receipt>,
    timeoutMs: number,
    keyRefusal: KeyRefusal = () => undefined,
  ) {
    this.#signHead = signHead;
    this.#makeReceipts = makeReceipts;
    this.#timeoutMs = timeoutMs;
    this.#keyRefusal = keyRefusal;
  }

  /** Why the last signature failed, or is not there yet; undefined while all is well. */
  get failure(): string | undefined {
    if (this.#failure !== undefined) return this.#failure;
    return this.#late === undefined ? this.#keyRefusal()?.message : NO_ANSWER;
  }

  /** What to reject with while signing takes too long, or is known to fail. */
  get refusal(): LogError | undefined {
    const refusal = this.#late === undefined ? this.#keyRefusal() : undefined;
    return refusal === undefined ? this.#late : unsigned(refusal, refusal.metadata);
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
    this.#late = unsigned(new Error(this.#failure ?? NO_ANSWER));
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
      this.#endWait = () => {
        resolve(false);
      };
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
    const begin = performance.now();
    let signing: Promise<SignedHead> | undefined;
    for (let wait = FIRST_RETRY; ; wait = Math.min(2 * wait, LONGEST_RETRY)) {
      signing ??= this.#signHead(next);
      // A key that is far away signs both at once. Neither is let out before the other is there.
      const [head, receipts] = await Promise.allSettled([signing, this.#receipts(entries, next, signing)]);
      if (head.status === 'fulfilled' && receipts.status === 'fulfilled') {
        this.#failure = undefined;
        return { head: head.value, receipts: receipts.value };
      }
      if (head.status === 'rejected') signing = undefined;
      const error = failureOf(head, receipts);
      this.#failure = messageOf(error);
      // Somebody else went on with this log: what is signed here must never leave.
      if (error instanceof LogError && ENDING.has(error.code)) throw error;
      if (performance.now() - begin > WORTH_A_TRY) this.#endWait();
      await this.#pause(wait);
    }
  }

  async #receipts(
    entries: readonly Placed[],
    next: Head,
    signing: Promise<SignedHead>,
  ): Promise<readonly Receipt[]> {
    const receipts = await this.#makeReceipts(entries, next, signing);
    if (receipts.length !== entries.length) throw new LogError('LOG_STORAGE', 'a receipt is missing');
    return receipts;
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

/** Why the first of them that was rejected was. */
const failureOf = (...all: readonly PromiseSettledResult<unknown>[]): unknown =>
  all.find((one) => one.status === 'rejected')?.reason;

const NO_ANSWER = 'the keys of the log do not answer';

const unsigned = (cause: Error, metadata?: LogError['metadata']): LogError =>
  new LogError('LOG_UNAVAILABLE', 'the log cannot sign at the moment', {
    hint: 'Try again later. The log of the server and /readyz name the fault.',
    cause,
    metadata,
  });
