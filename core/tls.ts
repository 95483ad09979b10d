/**
 * The TLS presentation language (RFC 8446 §3) as far as transparency logs use it: big-endian integers and vectors
 * with a length prefix of one, two or three bytes.
 */
import { FormatError } from './errors.ts';

/** Reads a TLS structure front to back. Every method throws {@link FormatError} when the bytes do not suffice. */
export class TlsReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Offset of the next byte. */
  get offset(): number {
    return this.#at;
  }

  /** Whether nothing is left. */
  get done(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** The next `length` bytes, as a view. */
  take(length: number): Uint8Array {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new FormatError('TRUNCATED', 'a TLS structure ends too early');
    const out = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return out;
  }

  /** An unsigned integer of `width` bytes, at most 6 (beyond that a JavaScript number is not exact). */
  uint(width: number): number {
    let out = 0;
    for (const byte of this.take(width)) out = out * 256 + byte;
    return out;
  }

  /** A uint64 that must fit into a JavaScript integer; throws {@link FormatError} otherwise. */
  uint64(): number {
    const high = this.uint(4);
    const value = high * 2 ** 32 + this.uint(4);
    if (!Number.isSafeInteger(value)) throw new FormatError('TOO_LARGE', 'a 64-bit number is out of range');
    return value;
  }

  /** The content of a vector with a length prefix of `width` bytes. */
  vector(width: 1 | 2 | 3): Uint8Array {
    return this.take(this.uint(width));
  }

  /** Throws {@link FormatError} unless everything was read. */
  end(): void {
    if (!this.done) throw new FormatError('TRAILING_BYTES', 'bytes follow the end of a TLS structure');
  }
}

/** `value` as a big-endian integer of `width` bytes. */
export function uint(width: number, value: number): Uint8Array {
  const out = new Uint8Array(width);
  writeUint(out, 0, width, value);
  return out;
}

/** Writes `value` big-endian into `width` bytes of `out` at `at`; returns the offset behind it. */
export function writeUint(out: Uint8Array, at: number, width: number, value: number): number {
  let rest = value;
  for (let i = at + width - 1; i >= at; i--) {
    out[i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  return at + width;
}

/** `content` behind a length prefix of `width` bytes; throws {@link FormatError} if it is too long for that. */
export function vector(width: 1 | 2 | 3, content: Uint8Array): Uint8Array {
  if (content.length >= 256 ** width) throw new FormatError('TOO_LARGE', 'a TLS vector is too long');
  const out = new Uint8Array(width + content.length);
  out.set(content, writeUint(out, 0, width, content.length));
  return out;
}

/** Writes `value` as a uint64 at `at`; returns the offset behind it. For hot paths: the caller has checked that it is
 * a safe integer and not negative. */
export function writeUint64(out: Uint8Array, at: number, value: number): number {
  write32(out, at, Math.floor(value / 2 ** 32));
  write32(out, at + 4, value >>> 0);
  return at + 8;
}

function write32(out: Uint8Array, at: number, value: number): void {
  out[at] = value >>> 24;
  out[at + 1] = value >>> 16;
  out[at + 2] = value >>> 8;
  out[at + 3] = value;
}

/** Writes `content` behind a length prefix of `width` bytes at `at`; returns the offset behind it. For hot paths: the
 * caller has checked that the content fits the prefix. */
export function writeVector(out: Uint8Array, at: number, width: 1 | 2 | 3, content: Uint8Array): number {
  const start = at + width;
  for (let i = 1, rest = content.length; i <= width; i++, rest >>>= 8) out[start - i] = rest;
  out.set(content, start);
  return start + content.length;
}
