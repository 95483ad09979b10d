/**
 * Cosignatures of witnesses (c2sp.org/tlog-cosignature), those by Ed25519. A witness signs the text of the checkpoint with its time before it:
 *
 *     cosignature/v1\n
 *     time <seconds since the epoch, decimal>\n
 *     <the lines of the checkpoint>
 *
 * Its line of the note (type 0x04) holds, behind the key id, `timestamp u64 ‖ signature 64`.
 */
import { concat, utf8 } from '../../core/bytes.ts';
import { FormatError } from '../../core/errors.ts';
import { TlsReader, writeUint64 } from '../../core/tls.ts';

/** What a line of a witness holds. */
export interface Cosignature {
  /** Seconds since the epoch. */
  readonly time: number;
  /** 64 bytes. */
  readonly signature: Uint8Array;
}

const SIGNATURE_LENGTH = 64;

/** What a witness signs; `text` is that of the checkpoint, with its last newline. */
export const cosignedText = (text: Uint8Array, time: number): Uint8Array =>
  concat([utf8(`cosignature/v1\ntime ${time}\n`), text]);

/** What stands behind the key id. Throws {@link FormatError} for a part that is out of range. */
export function encodeCosignature({ time, signature }: Cosignature): Uint8Array {
  if (!Number.isSafeInteger(time) || time < 0 || signature.length !== SIGNATURE_LENGTH)
    throw new FormatError('MALFORMED', 'a part of a cosignature is out of range');
  const out = new Uint8Array(8 + SIGNATURE_LENGTH);
  writeUint64(out, 0, time);
  out.set(signature, 8);
  return out;
}

/** Reads what stands behind the key id; throws {@link FormatError}. */
export function parseCosignature(bytes: Uint8Array): Cosignature {
  const reader = new TlsReader(bytes);
  const time = reader.uint64();
  const signature = reader.take(SIGNATURE_LENGTH);
  reader.end();
  return { time, signature };
}
