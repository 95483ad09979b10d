/**
 * Reads the Distinguished Encoding Rules (X.690) as far as certificates need them: strictly, and walking bytes under the
 * control of a schema, so that its depth is the schema's, never the input's.
 */
import { FormatError } from './errors.ts';

/** One tag-length-value. All three are views into the bytes that were read. */
export interface Tlv {
  readonly tag: number;
  /** Content octets. */
  readonly value: Uint8Array;
  /** Tag, length and content. */
  readonly raw: Uint8Array;
}

/** Reads DER values one after the other. Throws {@link FormatError} on indefinite or non-minimal lengths, multi-byte
 * tags, and anything that reaches past the end. */
export class DerReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Whether nothing is left. */
  get done(): boolean {
    return this.#at >= this.#bytes.length;
  }

  /** The tag of the next value, or undefined at the end. */
  peek(): number | undefined {
    return this.#bytes[this.#at];
  }

  /** The next value; its tag must be `tag` if one is given. */
  next(tag?: number): Tlv {
    const start = this.#at;
    const found = this.#byte();
    if ((found & 0x1f) === 0x1f) throw new FormatError('UNSUPPORTED', 'DER tags above 30 are not supported');
    if (tag !== undefined && found !== tag) {
      throw new FormatError(
        'MALFORMED',
        `expected DER tag 0x${tag.toString(16)}, found 0x${found.toString(16)}`,
      );
    }
    const end = this.#length() + this.#at;
    if (end > this.#bytes.length) throw new FormatError('TRUNCATED', 'a DER value ends too early');
    const value = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return { tag: found, value, raw: this.#bytes.subarray(start, end) };
  }

  /** The next value if it has that tag. */
  optional(tag: number): Tlv | undefined {
    return this.peek() === tag ? this.next(tag) : undefined;
  }

  /** A reader over the content of the next value. */
  enter(tag: number): DerReader {
    return new DerReader(this.next(tag).value);
  }

  /** Throws {@link FormatError} unless everything was read. */
  end(): void {
    if (!this.done) throw new FormatError('TRAILING_BYTES', 'bytes follow the end of a DER value');
  }

  #byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw new FormatError('TRUNCATED', 'a DER value ends too early');
    this.#at++;
    return byte;
  }

  #length(): number {
    const first = this.#byte();
    if (first < 0x80) return first;
    const width = first & 0x7f;
    if (width === 0 || width > 4)
      throw new FormatError('MALFORMED', 'a DER length is indefinite or too long');
    let length = 0;
    for (let i = 0; i < width; i++) length = length * 256 + this.#byte();
    if (length < 0x80 || length < 256 ** (width - 1)) {
      throw new FormatError('MALFORMED', 'a DER length is not minimal');
    }
    return length;
  }
}

/** The whole of `bytes` as one value of that tag; trailing bytes are an error. */
export function readOnly(bytes: Uint8Array, tag: number): Tlv {
  const reader = new DerReader(bytes);
  const out = reader.next(tag);
  reader.end();
  return out;
}

/** Dotted text of the content octets of an OBJECT IDENTIFIER; throws {@link FormatError}. */
export function oidText(value: Uint8Array): string {
  if (value.length === 0 || value.length > 64)
    throw new FormatError('MALFORMED', 'an object identifier is malformed');
  let text = '';
  let arc = 0;
  for (let i = 0; i < value.length; i++) {
    const byte = value[i] ?? 0;
    if (arc === 0 && byte === 0x80) throw new FormatError('MALFORMED', 'an object identifier is not minimal');
    arc = arc * 128 + (byte & 0x7f);
    if (!Number.isSafeInteger(arc))
      throw new FormatError('TOO_LARGE', 'an object identifier is out of range');
    if (byte < 0x80) {
      // The first one holds two.
      const top = Math.min(Math.floor(arc / 40), 2);
      text += text === '' ? `${top}.${arc - top * 40}` : `.${arc}`;
      arc = 0;
    } else if (i === value.length - 1)
      throw new FormatError('TRUNCATED', 'an object identifier ends too early');
  }
  return text;
}

/** Unsigned big-endian magnitude, without a sign octet, of the content octets of an INTEGER that must not be negative;
 * throws {@link FormatError} when it is negative, empty or not minimal. Zero is one octet 00. */
export function unsignedMagnitude(content: Uint8Array): Uint8Array {
  const [first, second] = content;
  if (first === undefined) throw new FormatError('MALFORMED', 'an integer is empty');
  if (first >= 0x80) throw new FormatError('MALFORMED', 'an integer is negative');
  if (first !== 0 || second === undefined) return content;
  if (second < 0x80) throw new FormatError('MALFORMED', 'an integer is not minimal');
  return content.subarray(1);
}

/** The bytes of the content octets of a BIT STRING that must have no unused bits; throws {@link FormatError}. */
export function wholeBits(content: Uint8Array): Uint8Array {
  if (content[0] !== 0) throw new FormatError('MALFORMED', 'a bit string does not hold whole bytes');
  return content.subarray(1);
}

/** Whether the content octets of a BOOLEAN say TRUE; DER knows 00 and FF only, else {@link FormatError}. */
export function booleanValue(content: Uint8Array): boolean {
  const [octet] = content;
  if (content.length !== 1 || (octet !== 0 && octet !== 0xff)) {
    throw new FormatError('MALFORMED', 'a boolean is neither 00 nor FF');
  }
  return octet === 0xff;
}
