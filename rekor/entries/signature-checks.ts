import type { AdmitVerifier } from './proposed-entry.ts';
import { refusal } from './v1-members.ts';

/** Checks of signatures that one request may cost. Each takes up to two milliseconds in which nothing else is done, and hashes the whole payload. */
export const MAX_CHECKS = 16;

/** What the reading of one request does with signatures: it verifies all of them, for a new entry, or checks only those of which nothing else says which key made
 * them, to find an entry that is logged. */
export class SignatureChecks {
  /** Whether the request is refused for a signature that is not by its key. */
  readonly areRequired: boolean;
  /** Asked for each key before a signature by it is checked. */
  readonly admit: AdmitVerifier;
  readonly #most: number;
  #made = 0;

  constructor(areRequired: boolean, admit: AdmitVerifier = () => undefined, most = MAX_CHECKS) {
    this.areRequired = areRequired;
    this.admit = admit;
    this.#most = most;
  }

  /** Checks that were counted. */
  get made(): number {
    return this.#made;
  }

  /** Counts one. Throws {@link EntryError} when there were as many as the request may cost. */
  take(): void {
    if (this.#made++ < this.#most) return;
    throw refusal(
      'ENTRY_TOO_LARGE',
      `it takes more than ${MAX_CHECKS} checks to find which key made which signature`,
      { hint: 'Send the keys in the order of the signatures.' },
    );
  }
}

/** An entry that is looked for cannot be read without checks of signatures. */
export class ChecksNeeded extends Error {}

/** Where none is made: throws {@link ChecksNeeded} instead. */
export class NoChecks extends SignatureChecks {
  constructor() {
    super(false);
  }

  override take(): void {
    throw new ChecksNeeded();
  }
}
