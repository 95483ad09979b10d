/**
 * The body of the one request that a witness takes (c2sp.org/tlog-witness, "add-checkpoint"):
 *
 *     old <size, decimal>\n
 *     <base64 hash>\n*          the consistency proof from that size, at most 63 lines
 *     \n
 *     <checkpoint>
 */
import { concat, fromBase64, toBase64, utf8, utf8Text } from '../../core/bytes.ts';
import { FormatError } from '../../core/errors.ts';
import { parseDecimal } from './checkpoint.ts';
import { HASH_LENGTH } from './merkle.ts';

/** A checkpoint that a witness is to cosign. */
export interface AddCheckpoint {
  /** The size of the tree that the witness cosigned last, as far as the caller knows; 0 where it knows none. */
  readonly old: number;
  /** That the checkpoint continues that tree. */
  readonly proof: readonly Uint8Array[];
  /** The signed note. */
  readonly checkpoint: Uint8Array;
}

const PROOF_LIMIT = 63;

/** The body. */
export const encodeAddCheckpoint = ({ old, proof, checkpoint }: AddCheckpoint): Uint8Array =>
  concat([utf8([`old ${old}`, ...proof.map(toBase64), '', ''].join('\n')), checkpoint]);

/** Reads a body. The checkpoint in it is not read yet. Throws {@link FormatError}. */
export function parseAddCheckpoint(bytes: Uint8Array): AddCheckpoint {
  const text = utf8Text(bytes);
  const split = text.indexOf('\n\n');
  if (split < 0) throw new FormatError('TRUNCATED', 'the request has no checkpoint');
  const [first = '', ...lines] = text.slice(0, split).split('\n');
  if (!first.startsWith('old ')) throw new FormatError('MALFORMED', 'the request does not begin with "old "');
  if (lines.length > PROOF_LIMIT) throw new FormatError('TOO_LARGE', 'the consistency proof is too long');
  const old = parseDecimal(first.slice('old '.length));
  return { old, proof: lines.map(hashOf), checkpoint: utf8(text.slice(split + 2)) };
}

function hashOf(line: string): Uint8Array {
  const hash = fromBase64(line);
  if (hash.length !== HASH_LENGTH) throw new FormatError('MALFORMED', 'a line of the proof is no hash');
  return hash;
}
