/** The other writers of a log, as a sequencer hears of them beside its own batches. */
import { equalBytes } from '../../core/bytes.ts';
import { LogError } from '../core/log-error.ts';
import type { Addition, Head, PublishedHead, SharedCommits } from '../store/commit-store.ts';

/** What another writer has signed, behind the head that was known when it was looked for. */
interface HeardHead extends PublishedHead {
  readonly known: Head;
  readonly addition: Addition;
}

/** Looks in a row that find a head which nobody has signed, after which this writer signs it. */
const UNSIGNED_LOOKS = 3;

/** Looks in a row that fail, after which it is not a matter of one slow answer. */
const FAILED_LOOKS = 2;

/** Looks for what they added, one look at a time. */
export class Others {
  readonly shared: SharedCommits;
  #heard: HeardHead | 'unsigned' | undefined;
  #unsigned = 0;
  #failed = 0;
  #isLooking = false;

  constructor(shared: SharedCommits) {
    this.shared = shared;
  }

  /** Whether there is something to take. */
  get isDue(): boolean {
    return this.#heard !== undefined;
  }

  /** What was found, once. */
  take(): HeardHead | 'unsigned' | undefined {
    const heard = this.#heard;
    this.#heard = undefined;
    return heard;
  }

  /** Looks for what is behind `known`. Where that is not published here yet, because it was taken over from others after `published`, their signature of it will do, too. Rejects when the store does not
   * answer any more, or when what it holds is not what is known of it. */
  async look(known: Head, published: Head): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      const newer = await this.shared.newerThan(known);
      const isAhead = newer === undefined && known.size > published.size;
      const heard = isAhead ? await this.#signatureOf(known, published) : newer?.published;
      this.#failed = 0;
      if (heard !== undefined) this.#heard = { ...heard, known };
      const isUnsigned = (newer !== undefined || isAhead) && heard === undefined;
      this.#unsigned = isUnsigned ? this.#unsigned + 1 : 0;
      if (this.#unsigned < UNSIGNED_LOOKS) return;
      this.#unsigned = 0;
      this.#heard = 'unsigned';
    } catch (error) {
      this.#failed++;
      if (this.#failed >= FAILED_LOOKS || !isPassing(error)) throw error;
    } finally {
      this.#isLooking = false;
    }
  }

  /** That of another writer, with nothing behind `known`; undefined while there is none. */
  async #signatureOf(known: Head, published: Head): Promise<Omit<HeardHead, 'known'> | undefined> {
    const newest = (await this.shared.newerThan(published))?.published;
    if (newest?.head.size !== known.size || !equalBytes(newest.head.root, known.root)) return undefined;
    return { ...newest, addition: { batches: [], head: known, durableBelow: newest.addition.durableBelow } };
  }
}

/** What was added too long ago is had by opening the log again. */
const isPassing = (error: unknown): boolean => error instanceof LogError && error.code === 'LOG_STORAGE';
