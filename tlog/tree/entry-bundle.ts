/** Reads bundles of entries, in the format of their kind of log. */
import { FormatError } from '../../core/errors.ts';
import { hashLeaf } from '../format/merkle.ts';
import { TILE_WIDTH } from '../format/tile.ts';
import type { EntryFormat, StoredEntry } from '../format/entry-format.ts';
import { TlsReader } from '../../core/tls.ts';
import { sha256 } from '../core/sha256.ts';

/** Bundles of tlog-tiles ("Log Entries"): the length of each entry in 16 bits, and the entry. */
export const TILED_ENTRIES: EntryFormat = {
  bundle: 'entries',
  parse(bytes, offset) {
    const reader = new TlsReader(bytes.subarray(offset));
    const leaf = reader.vector(2);
    return { leaf, next: offset + reader.offset };
  },
  isSound: () => true,
};

/** The first `width` entries of a bundle's bytes; throws FormatError. */
export function readEntries<Stored extends StoredEntry>(
  format: EntryFormat<Stored>,
  bytes: Uint8Array,
  width: number,
): Stored[] {
  const out: Stored[] = [];
  for (let at = 0; out.length < width;) {
    const entry = format.parse(bytes, at);
    out.push(entry);
    at = entry.next;
  }
  return out;
}

/** The bytes of the first `width` entries of a bundle; throws FormatError. */
export const firstEntries = (format: EntryFormat, bytes: Uint8Array, width: number): Uint8Array =>
  bytes.subarray(0, readEntries(format, bytes, width).at(-1)?.next ?? 0);

/** The bytes of each entry of a bundle with `width` entries, full ones by default, or where it is damaged: `at byte 12: entry 0 is damaged (…)`. */
export function splitBundle(
  format: EntryFormat,
  bytes: Uint8Array,
  width = TILE_WIDTH,
): Uint8Array[] | string {
  const out: Uint8Array[] = [];
  let at = 0;
  try {
    while (out.length < width) {
      const { next } = format.parse(bytes, at);
      out.push(bytes.subarray(at, next));
      at = next;
    }
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return `at byte ${at}: entry ${out.length} of the tile is damaged (${error.message})`;
  }
  return at === bytes.length ? out : `at byte ${at}: bytes follow the last entry`;
}

/** The leaf hash of the stored entry at `index`. Throws FormatError unless `bytes` is exactly one that is whole or withheld. */
export function leafHashOf(format: EntryFormat, bytes: Uint8Array, index: number): Uint8Array {
  const { leaf, next } = format.parse(bytes, 0);
  if (next !== bytes.length) throw new FormatError('TRAILING_BYTES', 'bytes follow the entry');
  const withheld = leaf.length === 0 ? format.withheldHash?.(index) : undefined;
  return withheld ?? hashLeaf(sha256, leaf);
}
