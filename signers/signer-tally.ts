import type { SignerReason } from './signer-error.ts';
import { SIGNER_BUCKETS, type SignerCounts } from './signer.ts';

/** Counts the tries of one key. */
export class SignerTally {
  readonly #outcomes = new Map<string, number>();
  readonly #buckets = SIGNER_BUCKETS.map(() => 0);
  #count = 0;
  #sum = 0;
  #inFlight = 0;

  /** A try begins; call what is returned once, with what became of it. */
  begin(): (outcome: 'signed' | SignerReason) => void {
    const from = performance.now();
    this.#inFlight++;
    return (outcome) => {
      const seconds = (performance.now() - from) / 1000;
      this.#inFlight--;
      this.#outcomes.set(outcome, (this.#outcomes.get(outcome) ?? 0) + 1);
      for (const [i, bound] of SIGNER_BUCKETS.entries())
        if (seconds <= bound) this.#buckets[i] = (this.#buckets[i] ?? 0) + 1;
      this.#count++;
      this.#sum += seconds;
    };
  }

  /** What was counted. */
  counts(): SignerCounts {
    return {
      outcomes: new Map(this.#outcomes),
      buckets: [...this.#buckets],
      count: this.#count,
      sum: this.#sum,
      inFlight: this.#inFlight,
    };
  }
}
