/**
 * Signs what a commit covers, for as long as that takes. The head is durable and the only one of its size that there can
 * ever be, so a signature that fails changes nothing: the same head is signed again, and the same entries.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Signer } from '../../signers/signer.ts';
import type { Head } from '../store/commit-store.ts';
import type { SignedHead, SignHead } from './head-signer.ts';
import { LogError, messageOf } from '../log-error.ts';
import type { PlacedEntry } from '../../ct-log/placed-entry.ts';
import { signScts, type EntryWithSct } from '../../ct-log/sct-maker.ts';

/** Milliseconds until a failed signature is tried again, the first and the longest. */
const FIRST_RETRY = 50;
const LONGEST_RETRY = 5_000;

/** What signs. */
export interface BatchSignerParts {
  readonly signHead: SignHead;
  /** ECDSA P-256, for SCTs. */
  readonly sctSigner: Signer;
  readonly logId: Uint8Array;
  /** Milliseconds after which nobody is to wait any more. */
  readonly patienceMs: number;
}

/** A committed batch with its signatures. */
export interface SignedBatch {
  readonly head: SignedHead;
  readonly entries: readonly EntryWithSct[];
}

/** See above. */
export class BatchSigner {
  readonly #parts: BatchSignerParts;
  readonly #abort = new AbortController();
  #failure: string | undefined;
  #late: LogError | undefined;

  constructor(parts: BatchSignerParts) {
    this.#parts = parts;
  }

  /** Why the last signature failed, or is not there yet; undefined while all is well. */
  get failure(): string | undefined {
    return this.#failure ?? (this.#late === undefined ? undefined : NO_ANSWER);
  }

  /** What to reject with while signing takes longer than anybody is to wait. */
  get late(): LogError | undefined {
    return this.#late;
  }

  /** The head and the SCTs of `entries`, once both could be signed; `onLate` is called when that takes too long. Rejects
   * after {@link stop} only. */
  async sign(
    next: Head,
    entries: readonly PlacedEntry[],
    onLate: (error: LogError) => void,
  ): Promise<SignedBatch> {
    const timer = setTimeout(() => {
      this.#late = lateness(this.#failure ?? NO_ANSWER);
      onLate(this.#late);
    }, this.#parts.patienceMs);
    try {
      return await this.#untilSigned(next, entries);
    } finally {
      clearTimeout(timer);
      this.#late = undefined;
    }
  }

  async #untilSigned(next: Head, entries: readonly PlacedEntry[]): Promise<SignedBatch> {
    const { signHead, logId, sctSigner: signer } = this.#parts;
    let head: SignedHead | undefined;
    for (let wait = FIRST_RETRY; ; wait = Math.min(2 * wait, LONGEST_RETRY)) {
      try {
        head ??= await signHead(next);
        const signed = await signScts(entries, next.timestamp, { logId, signer });
        this.#failure = undefined;
        return { head, entries: signed };
      } catch (error) {
        this.#failure = messageOf(error);
        await this.#pause(wait);
      }
    }
  }

  async #pause(ms: number): Promise<void> {
    const { signal } = this.#abort;
    await delay(ms, undefined, { signal }).catch(() => undefined);
    if (!signal.aborted) return;
    throw new LogError(
      'LOG_CLOSED',
      `the log was closed before a committed head was signed: ${this.#failure ?? ''}`,
    );
  }

  /** Gives up what fails, now and later. A signature under way is not waited for by this. */
  stop(): void {
    this.#abort.abort();
  }
}

const NO_ANSWER = 'the keys of the log do not answer';

const lateness = (why: string): LogError =>
  new LogError('LOG_UNAVAILABLE', 'the log cannot sign at the moment', {
    hint: 'Try again later. The log of the server and /readyz name the fault.',
    cause: new Error(why),
  });
