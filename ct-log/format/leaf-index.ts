/** The extension by which an SCT says where its entry stands (c2sp.org/static-ct-api, "SCT Extension"):
 * type 00 ‖ length 0005 ‖ index u40. */
import { FormatError } from '../../core/errors.ts';
import { TlsReader, writeUint } from '../../core/tls.ts';

const LEAF_INDEX = 0;
const INDEX_LIMIT = 2 ** 40;

/** The 8 bytes of CtExtensions that hold `index`; throws {@link FormatError} from 2^40 on. */
export function leafIndexExtension(index: number): Uint8Array {
  if (!Number.isSafeInteger(index) || index < 0 || index >= INDEX_LIMIT) {
    throw new FormatError('TOO_LARGE', 'a leaf index does not fit into 40 bits');
  }
  const out = new Uint8Array(8);
  out[2] = 5;
  writeUint(out, 3, 5, index);
  return out;
}

/** The index that CtExtensions (without their length) hold; undefined when they hold none. Other extensions are
 * skipped; throws {@link FormatError} on one that occurs twice or does not fit. */
export function parseLeafIndex(extensions: Uint8Array): number | undefined {
  const reader = new TlsReader(extensions);
  const seen = new Set<number>();
  let index: number | undefined;
  while (!reader.done) {
    const type = reader.uint(1);
    const data = new TlsReader(reader.vector(2));
    if (seen.has(type)) throw new FormatError('MALFORMED', 'an SCT carries an extension twice');
    seen.add(type);
    if (type !== LEAF_INDEX) continue;
    index = data.uint(5);
    data.end();
  }
  return index;
}
