/**
 * Signed notes (c2sp.org/signed-note): a text of whole lines, an empty line, and a line
 * `— <key name> <base64 of key id 4 ‖ signature>` for each signature.
 */
import { concat, fromBase64, toBase64, utf8, utf8Text } from '../../core/bytes.ts';
import { FormatError } from '../../core/errors.ts';

/** One signature line. Who it is from is a claim until the signature was checked. */
export interface NoteSignature {
  /** Key name: no white space, no plus sign. */
  readonly name: string;
  /** 4 bytes; see `vkey.ts`. */
  readonly keyId: Uint8Array;
  /** What follows the key id; its form depends on the type of the key. */
  readonly signature: Uint8Array;
}

/** A note that was read. */
interface SignedNote {
  /** The signed text with its last newline. */
  readonly text: string;
  /** At least one, in the order of the note. */
  readonly signatures: readonly NoteSignature[];
}

const SIGNATURE_LIMIT = 100;
const KEY_ID_LENGTH = 4;
const SIGNATURE_LINE = /^\u2014 (\S+) (\S+)$/u;
// eslint-disable-next-line no-control-regex -- the format forbids exactly these, all but the newline
const CONTROL = /[\x00-\x09\x0b-\x1f\x7f]/;

/** Whether `name` can be the name of a key: not empty, no white space, no plus sign. */
export const isKeyName = (name: string): boolean =>
  name !== '' && !/[\s+]/u.test(name) && !CONTROL.test(name);

/** The note of `text`, which ends with a newline, and its signatures. Throws {@link FormatError} when they would not
 * read back. */
export function encodeNote({ text, signatures }: SignedNote): Uint8Array {
  if (!text.endsWith('\n') || CONTROL.test(text)) {
    throw new FormatError('MALFORMED', 'the text of a note must be whole lines without control characters');
  }
  if (signatures.length === 0 || signatures.length > SIGNATURE_LIMIT) {
    throw new FormatError('MALFORMED', 'a note needs a signature, and not too many');
  }
  return utf8(`${text}\n${signatures.map(signatureLine).join('')}`);
}

/** The line of a signature, with its newline. Throws {@link FormatError} when it would not read back. */
export function signatureLine({ name, keyId, signature }: NoteSignature): string {
  if (!isKeyName(name) || keyId.length !== KEY_ID_LENGTH || signature.length === 0) {
    throw new FormatError('MALFORMED', 'a signature of a note has no name, key id or content');
  }
  return `— ${name} ${toBase64(concat([keyId, signature]))}\n`;
}

/** Reads a note; its signatures are not checked. Throws {@link FormatError} on anything that is no note: no UTF-8,
 * control characters, no signature, a signature line of another form. */
export function parseNote(bytes: Uint8Array): SignedNote {
  const note = utf8Text(bytes);
  if (CONTROL.test(note)) throw new FormatError('MALFORMED', 'a note holds control characters');
  const split = note.lastIndexOf('\n\n');
  if (split < 0 || !note.endsWith('\n')) throw new FormatError('TRUNCATED', 'a note has no signatures');
  const lines = note.slice(split + 2, -1).split('\n');
  if (lines.length > SIGNATURE_LIMIT) throw new FormatError('TOO_LARGE', 'a note has too many signatures');
  return { text: note.slice(0, split + 1), signatures: lines.map(readSignature) };
}

/** Reads lines of signatures without their note, each with its newline: what a witness answers. Throws {@link FormatError} as {@link parseNote}. */
export function parseSignatureLines(bytes: Uint8Array): NoteSignature[] {
  const text = utf8Text(bytes);
  if (CONTROL.test(text) || !text.endsWith('\n'))
    throw new FormatError('MALFORMED', 'lines of signatures hold control characters, or end within a line');
  const lines = text.slice(0, -1).split('\n');
  if (lines.length > SIGNATURE_LIMIT) throw new FormatError('TOO_LARGE', 'there are too many signatures');
  return lines.map(readSignature);
}

function readSignature(line: string): NoteSignature {
  const [, name = '', blob = ''] = SIGNATURE_LINE.exec(line) ?? [];
  if (!isKeyName(name)) throw new FormatError('MALFORMED', 'a note has a malformed signature line');
  const bytes = fromBase64(blob);
  if (bytes.length <= KEY_ID_LENGTH) throw new FormatError('TRUNCATED', 'a signature of a note is too short');
  return { name, keyId: bytes.subarray(0, KEY_ID_LENGTH), signature: bytes.subarray(KEY_ID_LENGTH) };
}
