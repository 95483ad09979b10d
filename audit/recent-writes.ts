/** Milliseconds for which writes are remembered: longer than it takes to truncate a file after its last byte was copied. */
const AGE = 2_000;

/** Bytes that are remembered at most; what is older is forgotten first. */
const SIZE = 1024 * 1024;

/** The last writes into a file. Those before the last one are forgotten by their age at that time: what came in a quiet
 * hour is not too old when the hour is over. */
export class RecentWrites {
  readonly #clock: () => number;
  #writes: { readonly at: number; readonly bytes: Uint8Array }[] = [];
  #size = 0;

  /** `clock` counts milliseconds and never goes back. */
  constructor(clock: () => number = () => performance.now()) {
    this.#clock = clock;
  }

  /** All of them, the oldest first. */
  get bytes(): Uint8Array {
    return Buffer.concat(this.#writes.map(({ bytes }) => bytes));
  }

  add(bytes: Uint8Array): void {
    const at = this.#clock();
    this.#writes.push({ at, bytes });
    this.#size += bytes.length;
    let old = 0;
    while (old < this.#writes.length - 1 && this.#isTooMuch(this.#writes[old], at)) old++;
    this.#writes.splice(0, old);
  }

  clear(): void {
    this.#writes = [];
    this.#size = 0;
  }

  /** Whether the oldest write is forgotten; it then counts no more. */
  #isTooMuch(oldest: { readonly at: number; readonly bytes: Uint8Array } | undefined, now: number): boolean {
    if (oldest === undefined || (now - oldest.at <= AGE && this.#size <= SIZE)) return false;
    this.#size -= oldest.bytes.length;
    return true;
  }
}
