/**
 * Tree heads (RFC 6962 §3.5) and their signature inside a checkpoint (c2sp.org/static-ct-api, "Checkpoints"):
 *
 *     TreeHeadSignature    = version 00 ‖ type 01 ‖ timestamp u64 ‖ tree_size u64 ‖ root 32     50 bytes, signed
 *     RFC6962NoteSignature = timestamp u64 ‖ DigitallySigned
 */
import { concat } from '../../core/bytes.ts';
import { FormatError } from '../../core/errors.ts';
import { TlsReader, uint, writeUint64 } from '../../core/tls.ts';
import { encodeDigitallySigned, readDigitallySigned, type DigitallySigned } from './digitally-signed.ts';
import { HASH_LENGTH } from '../../tlog/format/merkle.ts';
import { readTime } from '../../tlog/format/time.ts';

/** A tree at one moment. */
interface TreeHead {
  /** Milliseconds since the epoch. */
  readonly timestamp: number;
  readonly size: number;
  /** 32 bytes. */
  readonly root: Uint8Array;
}

/** The 50 bytes that the log's ECDSA key signs; throws {@link FormatError} when a part is out of range. */
export function encodeTreeHead({ timestamp, size, root }: TreeHead): Uint8Array {
  const wrong = [timestamp, size].some((number) => !Number.isSafeInteger(number) || number < 0);
  if (wrong || root.length !== HASH_LENGTH) {
    throw new FormatError('MALFORMED', 'a part of a tree head is out of range');
  }
  const out = new Uint8Array(50);
  out[1] = 1;
  out.set(root, writeUint64(out, writeUint64(out, 2, timestamp), size));
  return out;
}

/** The signature of a checkpoint's line of type 0x05: a tree head's time and the ECDSA signature over
 * {@link encodeTreeHead}, DER. */
export const encodeTreeHeadSignature = (timestamp: number, ecdsaSignature: Uint8Array): Uint8Array =>
  concat([uint(8, timestamp), encodeDigitallySigned(ecdsaSignature)]);

/** The DigitallySigned in what {@link encodeTreeHeadSignature} makes: the signature of the tree head as `get-sth` has it. */
export const treeHeadSignatureIn = (bytes: Uint8Array): Uint8Array => bytes.subarray(8);

/** Reads what {@link encodeTreeHeadSignature} makes; throws {@link FormatError}. */
export function parseTreeHeadSignature(bytes: Uint8Array): DigitallySigned & { readonly timestamp: number } {
  const reader = new TlsReader(bytes);
  const timestamp = readTime(reader);
  const signed = readDigitallySigned(reader);
  reader.end();
  return { timestamp, ...signed };
}
