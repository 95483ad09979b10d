/** The proof that a log of somebody else promised to log an entry. It says less than `Committed`: neither where the entry is nor that it is there. */
import type { SctReceipt } from '../format/sct.ts';

/** An SCT that was verified: by the key of that log, over that entry, of this time. */
interface VerifiedSct {
  /** What the log is called in records: its URL without the scheme. */
  readonly log: string;
  /** RFC 6962 leaf hash of what the SCT is over, 32 bytes. */
  readonly leafHash: Uint8Array;
  readonly receipt: SctReceipt;
}

// Nominal by its private field, as `Committed` is.
class OutsideSctValue implements VerifiedSct {
  readonly log: string;
  readonly leafHash: Uint8Array;
  readonly receipt: SctReceipt;
  readonly #vouched = true;

  constructor({ log, leafHash, receipt }: VerifiedSct) {
    this.log = log;
    this.leafHash = leafHash;
    this.receipt = receipt;
  }

  static isOne(value: object): value is OutsideSctValue {
    return #vouched in value && value.#vouched;
  }
}

/** A {@link VerifiedSct} that the client of the log vouches for. */
export type OutsideSct = OutsideSctValue;

/** For the client of outside logs alone, after it verified the SCT. */
export const makeOutsideSct = (verified: VerifiedSct): OutsideSct => new OutsideSctValue(verified);

/** The check at release: whether the client really made this value, whatever its type says. */
export const isOutsideSct = (value: object): value is OutsideSct => OutsideSctValue.isOne(value);
