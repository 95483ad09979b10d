import type { EntryOwner, SearchableEntry } from './searchable-log.ts';

/** Redacted entries of logs of artifacts: with which keys the signatures in them were made, nobody can read. */
export class WithheldSignatures {
  /** Of those that have a time, when they were logged, ascending. */
  readonly #times: readonly number[];
  /** When the last of the others was redacted. */
  readonly #lastRedacted: number;

  constructor(entries: readonly Pick<SearchableEntry, 'time' | 'redactedAt'>[]) {
    this.#times = entries.flatMap(({ time }) => time ?? []).toSorted((a, b) => a - b);
    this.#lastRedacted = entries
      .filter(({ time }) => time === undefined)
      .reduce((last, { redactedAt = Infinity }) => Math.max(last, redactedAt), -Infinity);
  }

  /** Whether one of them may be about a signature that was made with that certificate. It was logged while the certificate was valid, for verifiers take no other; where nothing says when it was
   * logged, it was not redacted before there was the certificate. */
  mayBeOf({ notBefore = -Infinity, notAfter = Infinity }: EntryOwner): boolean {
    if (this.#lastRedacted >= notBefore) return true;
    let [low, high] = [0, this.#times.length];
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if ((this.#times[middle] ?? 0) < notBefore) low = middle + 1;
      else high = middle;
    }
    return (this.#times[low] ?? Infinity) <= notAfter;
  }
}
