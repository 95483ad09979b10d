/**
 * Checkpoints (c2sp.org/tlog-checkpoint): a signed note whose text is
 *
 *     <origin>\n<size in decimal>\n<base64 of the root>\n[extension lines]
 *
 * A static-ct-api log signs with its ECDSA key (type 0x05, over the tree head and not over this text) and may sign
 * with further keys; an Ed25519 line (type 0x01) signs the text.
 */
import { fromBase64, toBase64, utf8 } from '../../core/bytes.ts';
import { FormatError } from '../../core/errors.ts';
import { HASH_LENGTH } from './merkle.ts';
import { encodeNote, parseNote, type NoteSignature } from './signed-note.ts';

/** What a checkpoint says of a tree. */
export interface CheckpointBody {
  /** What names the log: one line. By static-ct-api the submission prefix in lower case, without scheme and without a slash
   * at the end; other logs put more behind their name. */
  readonly origin: string;
  readonly size: number;
  /** 32 bytes. */
  readonly root: Uint8Array;
}

/** A checkpoint that was read; its signatures are not checked. */
export interface Checkpoint extends CheckpointBody {
  /** Lines behind the root, which no checkpoint with a type 0x05 signature may have. */
  readonly extensions: readonly string[];
  /** The signed text. */
  readonly text: Uint8Array;
  /** At least one. */
  readonly signatures: readonly NoteSignature[];
}

/** One line of visible text, with single spaces in it at most. */
const isOrigin = (origin: string): boolean => /^[^\s\p{C}]+(?: [^\s\p{C}]+)*$/u.test(origin);

/** The three lines of a checkpoint: what an Ed25519 key signs, as {@link utf8} bytes. Throws {@link FormatError} when
 * a part is out of range. */
export function checkpointText({ origin, size, root }: CheckpointBody): string {
  if (!isOrigin(origin) || !Number.isSafeInteger(size) || size < 0 || root.length !== HASH_LENGTH) {
    throw new FormatError('MALFORMED', 'a part of a checkpoint is out of range');
  }
  return `${origin}\n${size}\n${toBase64(root)}\n`;
}

/** The checkpoint with its signatures, ready to be served. Throws {@link FormatError}. */
export const encodeCheckpoint = (body: CheckpointBody, signatures: readonly NoteSignature[]): Uint8Array =>
  encodeNote({ text: checkpointText(body), signatures });

/** Reads a checkpoint; throws {@link FormatError}. */
export function parseCheckpoint(bytes: Uint8Array): Checkpoint {
  const { text, signatures } = parseNote(bytes);
  const [origin = '', size = '', root = '', ...extensions] = text.slice(0, -1).split('\n');
  const body = { origin, size: parseDecimal(size), root: fromBase64(root) };
  if (origin === '' || body.root.length !== HASH_LENGTH || extensions.includes('')) {
    throw new FormatError('MALFORMED', 'the text of a note is no checkpoint');
  }
  return { ...body, extensions, text: utf8(text), signatures };
}

/** A number in the only spelling that checkpoints and proofs allow: decimal, no sign, no leading zero. Throws
 * {@link FormatError}. */
export function parseDecimal(text: string): number {
  const value = Number(text);
  if (!/^(0|[1-9][0-9]{0,15})$/.test(text) || !Number.isSafeInteger(value)) {
    throw new FormatError('MALFORMED', 'a number is not a plain decimal in range');
  }
  return value;
}
