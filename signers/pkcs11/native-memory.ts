/**
 * Memory outside of JavaScript's heap, laid out as C has it on Unix: `CK_ULONG` is a machine word there, and so is a pointer. It is what a
 * module is handed, since it may keep an address while a call runs in a thread.
 */

/** The part of the npm package `koffi` that is used. Functions take and return words as `bigint`, or as `number` where they fit. */
export interface Koffi {
  load(path: string | null, options?: { readonly deep?: boolean }): KoffiLibrary;
  alloc(type: 'uint8', length: number): bigint;
  free(address: bigint): void;
  view(address: bigint, length: number): ArrayBuffer;
  decode(address: bigint, type: unknown): unknown;
  proto(result: string, parameters: readonly string[]): unknown;
  sizeof(type: string): number;
  config(settings: { readonly async_stack_size: number }): unknown;
}

interface KoffiLibrary {
  func(name: string, result: string, parameters: readonly string[]): NativeFunction;
}

/** A C function. `async` runs it in a thread. */
export interface NativeFunction {
  (...args: readonly unknown[]): number | bigint;
  async(...args: readonly unknown[]): void;
}

/** Some bytes at an address. */
export class NativeMemory {
  readonly address: bigint;
  readonly bytes: Buffer;
  readonly #koffi: Koffi;

  constructor(koffi: Koffi, length: number) {
    this.#koffi = koffi;
    // One of no length has no address.
    this.address = koffi.alloc('uint8', Math.max(length, 1));
    this.bytes = Buffer.from(koffi.view(this.address, Math.max(length, 1))).fill(0);
  }

  /** The word at `offset`. */
  word(offset = 0): bigint {
    return this.#isWide() ? this.bytes.readBigUInt64LE(offset) : BigInt(this.bytes.readUInt32LE(offset));
  }

  setWord(offset: number, value: bigint): void {
    if (this.#isWide()) this.bytes.writeBigUInt64LE(value, offset);
    else this.bytes.writeUInt32LE(Number(value), offset);
  }

  /** Not to be used again afterwards. */
  free(): void {
    this.bytes.fill(0);
    this.#koffi.free(this.address);
  }

  #isWide(): boolean {
    return wordSize(this.#koffi) === 8;
  }
}

/** Bytes of a word. */
export const wordSize = (koffi: Koffi): number => koffi.sizeof('ulong');
