/** Writes DER from its end: the length of what is inside is known by the time that a header is written. */
export class BackwardWriter {
  readonly #out: Uint8Array;
  #at: number;

  /** `capacity` is at least the size of all that will be written. */
  constructor(capacity: number) {
    this.#out = Buffer.allocUnsafe(capacity);
    this.#at = capacity;
  }

  /** Where what was written last begins: to be handed to {@link header} when all before it is written. */
  get at(): number {
    return this.#at;
  }

  /** Puts `bytes` before all that is written. */
  put(bytes: Uint8Array): void {
    this.#at -= bytes.length;
    this.#out.set(bytes, this.#at);
  }

  /** Puts tag and length of what was written since `end`. Lengths below 2²⁴. */
  header(tag: number, end: number): void {
    let length = end - this.#at;
    if (length < 0x80) this.#byte(length);
    else {
      let width = 0;
      for (; length > 0; length >>>= 8, width++) this.#byte(length & 0xff);
      this.#byte(0x80 | width);
    }
    this.#byte(tag);
  }

  /** All that was written. */
  bytes(): Uint8Array {
    return this.#out.subarray(this.#at);
  }

  #byte(value: number): void {
    this.#out[--this.#at] = value;
  }
}
