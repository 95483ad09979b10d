/**
 * Offline inclusion proofs (c2sp.org/tlog-proof):
 *
 *     c2sp.org/tlog-proof@v1
 *     [extra <base64>]
 *     index <decimal>
 *     <base64 hash>*        the audit path, from the leaf up
 *
 *     <checkpoint>
 */
import { concat, fromBase64, toBase64, utf8, utf8Text } from '../../core/bytes.ts';
import { FormatError } from '../../core/errors.ts';
import { parseDecimal } from './checkpoint.ts';
import { HASH_LENGTH } from './merkle.ts';

/** A proof; whether it holds is for the verifier. */
export interface TlogProof {
  /** Data of the log's own that goes with the proof. */
  readonly extra?: Uint8Array | undefined;
  /** Position of the leaf. */
  readonly index: number;
  /** The audit path, from the leaf up, 32 bytes each, at most 63. */
  readonly path: readonly Uint8Array[];
  /** The signed checkpoint, as it was served. */
  readonly checkpoint: Uint8Array;
}

const HEADER = 'c2sp.org/tlog-proof@v1';
const PATH_LIMIT = 63;

/** The text of a proof, as UTF-8. */
export function encodeTlogProof({ extra, index, path, checkpoint }: TlogProof): Uint8Array {
  const extraLine = extra === undefined ? [] : [`extra ${toBase64(extra)}`];
  const lines = [HEADER, ...extraLine, `index ${index}`, ...path.map(toBase64), '', ''];
  return concat([utf8(lines.join('\n')), checkpoint]);
}

/** Reads a proof. The checkpoint in it is not read yet. Throws {@link FormatError}. */
export function parseTlogProof(bytes: Uint8Array): TlogProof {
  const text = utf8Text(bytes);
  const split = text.indexOf('\n\n');
  if (split < 0) throw new FormatError('TRUNCATED', 'a log proof has no checkpoint');
  const [header, ...lines] = text.slice(0, split).split('\n');
  if (header !== HEADER) throw new FormatError('UNSUPPORTED', `a log proof must begin with "${HEADER}"`);
  const extra =
    lines[0]?.startsWith('extra ') === true ? fromBase64(lines.shift()?.slice(6) ?? '') : undefined;
  const index = indexOf(lines.shift());
  if (lines.length > PATH_LIMIT) throw new FormatError('TOO_LARGE', 'a log proof is too long');
  return { extra, index, path: lines.map(hashOf), checkpoint: utf8(text.slice(split + 2)) };
}

function indexOf(line = ''): number {
  if (!line.startsWith('index ')) throw new FormatError('MALFORMED', 'a log proof has no index');
  return parseDecimal(line.slice('index '.length));
}

function hashOf(line: string): Uint8Array {
  const hash = fromBase64(line);
  if (hash.length !== HASH_LENGTH) throw new FormatError('MALFORMED', 'a line of a log proof is no hash');
  return hash;
}
