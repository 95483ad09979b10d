/** How entries lie in the bundles of logs of artifacts. */
import { TlsReader } from '../core/tls.ts';
import type { EntryFormat, StoredEntry } from '../tlog/format/entry-format.ts';

/** An entry as it is read back: its leaf is the canonical body. */
export interface StoredArtifact extends StoredEntry {
  /** Seconds since the epoch; undefined in a log of the second API. */
  readonly integratedTime?: number;
  /** Empty in a log of the second API. */
  readonly namedDigests: readonly string[];
  /** Whether the checksum over what no hash covers is right; undefined where there is nothing of that kind. */
  readonly hasRightSum?: boolean;
}

/** Bundles of tlog-tiles: a length in 16 bits, and the body. */
export const V2_ENTRIES: EntryFormat<StoredArtifact> = {
  bundle: 'entries',
  parse(bytes, offset) {
    const reader = new TlsReader(bytes.subarray(offset));
    const leaf = reader.vector(2);
    return { leaf, namedDigests: [], next: offset + reader.offset };
  },
  isSound: () => true,
};
