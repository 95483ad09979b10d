/** How entries lie in the bundles of logs of artifacts. */
import { crc32 } from 'node:zlib';
import { concat, utf8, utf8Text } from '../core/bytes.ts';
import { FormatError } from '../core/errors.ts';
import { TlsReader, uint, vector } from '../core/tls.ts';
import type { EntryFormat, StoredEntry } from '../tlog/format/entry-format.ts';
import { TILED_ENTRIES } from '../tlog/tree/entry-bundle.ts';
import type { ArtifactApi } from './log-identity.ts';
import type { EntryJudge } from '../tlog/tree/tile-survey.ts';
import { NO_REDACTIONS, REDACTIONS_FILE, type Redactions } from './redactions.ts';

/** An entry as it is read back: its leaf is the canonical body. */
export interface StoredArtifact extends StoredEntry {
  /** Seconds since the epoch; undefined in a log of the second API. */
  readonly integratedTime?: number;
  /** Empty in a log of the second API. May throw FormatError where the sum is wrong. */
  readonly namedDigests: readonly string[];
  /** Whether the entry is as it was stored where no hash covers it. */
  readonly hasRightSum: boolean;
}

/** How the entries of a log lie in its bundles, and how one gets there. The body of a redacted one is empty, which no other is. */
export interface ArtifactEntries extends EntryFormat<StoredArtifact> {
  /** Throws FormatError for what does not fit. */
  readonly encode: (entry: Omit<StoredArtifact, 'next' | 'hasRightSum'>) => Uint8Array;
}

const TILES_ENTRIES: ArtifactEntries = {
  bundle: 'entries',
  encode: ({ leaf }) => vector(2, leaf),
  parse: (bytes, offset) => ({ ...TILED_ENTRIES.parse(bytes, offset), namedDigests: [], hasRightSum: true }),
  isSound: () => true,
};

const SUM = 4;

/**
 * Bundles of our own, which no client reads: behind the body, what cannot be had from it again and what every answer says of the entry.
 *
 *     opaque body<0..2^16-1>; uint64 integratedTime; opaque digest<0..2^8-1> namedDigests<0..2^16-1>; uint32 crc32
 *
 * The hash of the leaf covers the body alone, the sum all that stands before it.
 */
const OWN_ENTRIES: ArtifactEntries = {
  bundle: 'entries',
  encode({ leaf, integratedTime = 0, namedDigests }) {
    const digests = concat(namedDigests.map((digest) => vector(1, utf8(digest))));
    const bytes = concat([vector(2, leaf), uint(8, integratedTime), vector(2, digests)]);
    return concat([bytes, uint(SUM, crc32(bytes))]);
  },
  parse(bytes, offset) {
    const own = bytes.subarray(offset);
    const reader = new TlsReader(own);
    const leaf = reader.vector(2);
    const integratedTime = reader.uint64();
    const digests = reader.vector(2);
    const summed = own.subarray(0, reader.offset);
    const sum = reader.uint(SUM);
    // Summed and decoded when it is asked for: to reach an entry, all before it in its bundle are parsed.
    return {
      leaf,
      integratedTime,
      get namedDigests() {
        return digestsIn(digests);
      },
      get hasRightSum() {
        return crc32(summed) === sum;
      },
      next: offset + reader.offset,
    };
  },
  isSound: ({ hasRightSum }) => hasRightSum,
};

function digestsIn(bytes: Uint8Array): string[] {
  const reader = new TlsReader(bytes);
  const digests: string[] = [];
  while (!reader.done) digests.push(utf8Text(reader.vector(1)));
  return digests;
}

/** The entries of a log of that API, of which some are redacted. */
export const artifactEntries = (api: ArtifactApi, { entries } = NO_REDACTIONS): ArtifactEntries => ({
  ...(api === 1 ? OWN_ENTRIES : TILES_ENTRIES),
  withheldHash(index) {
    const redaction = entries.get(index);
    if (redaction !== undefined) return redaction.leafHash;
    throw new FormatError(
      'MALFORMED',
      `its body is missing, and ${REDACTIONS_FILE} does not say that it is redacted`,
    );
  },
});

/** What lies in the place of an entry that is redacted: nothing of it but the time. */
export const blankEntry = ({ encode }: ArtifactEntries, { integratedTime }: StoredArtifact): Uint8Array =>
  encode({
    leaf: new Uint8Array(),
    ...(integratedTime === undefined ? {} : { integratedTime }),
    namedDigests: [],
  });

/** Throws {@link FormatError} for an entry that is not as it was stored. */
export function requireSound({ hasRightSum }: StoredArtifact): void {
  if (!hasRightSum) throw new FormatError('MALFORMED', 'the checksum of an entry is wrong');
}

/** What says of an entry that it is whole, and that no body is there which is to be gone. */
export const artifactJudge =
  ({ entries, isFinished }: Redactions): EntryJudge<StoredArtifact> =>
  ({ leaf, hasRightSum }, index) => {
    if (!hasRightSum) return 'its checksum is wrong';
    return isFinished && entries.has(index) && leaf.length > 0
      ? 'its body is there, and it is redacted'
      : undefined;
  };
