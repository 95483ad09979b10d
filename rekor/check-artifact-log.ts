/** Every byte of a log of artifacts against its signed head. */
import { equalBytes } from '../core/bytes.ts';
import { FormatError } from '../core/errors.ts';
import { LogError } from '../tlog/core/log-error.ts';
import { sha256 } from '../tlog/core/sha256.ts';
import { HASH_LENGTH } from '../tlog/format/merkle.ts';
import { rootFrom } from '../tlog/format/merkle-proof.ts';
import { hashInTile, TILE_WIDTH, tilePath, tilesOf } from '../tlog/format/tile.ts';
import type { PublishedTree } from '../tlog/published-tree.ts';
import { openReadOnlyLog } from '../tlog/read-only-log.ts';
import type { TreeTiles } from '../tlog/tree/tree-tiles.ts';
import { ArtifactEntryReads } from './entry-reads.ts';
import { readArtifactLogIdentity, type ArtifactLogIdentity } from './log-identity.ts';
import { checkpointKey } from './log-key.ts';
import { readFinishedRedactions, REDACTIONS_FILE, type Redactions } from './redactions.ts';
import { artifactEntries, type StoredArtifact } from './stored-artifact.ts';

/** A log that was found right. */
export interface CheckedArtifactLog {
  readonly identity: ArtifactLogIdentity;
  readonly size: number;
  /** 32 bytes. */
  readonly root: Uint8Array;
  /** Entries that are redacted. */
  readonly redacted: number;
}

/**
 * Reads the whole log in `directory`, at the head of its checkpoint file, beside a service or alone, with public keys alone: the signature, each entry against its hash and its checksum, each hash
 * tile against the tiles below it, and all against the root. A redacted entry is held to its recorded hash, and its body must be gone. Throws LogError as `openReadOnlyLog` does, `LOG_CORRUPT` for what is wrong; it names the file.
 */
export async function checkArtifactLog(directory: string): Promise<CheckedArtifactLog> {
  const identity = await readArtifactLogIdentity(directory);
  try {
    return await checkWhole(directory, identity);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new LogError('LOG_CORRUPT', error.message, { cause: error });
  }
}

async function checkWhole(directory: string, identity: ArtifactLogIdentity): Promise<CheckedArtifactLog> {
  const redactions = await readFinishedRedactions(directory);
  const entries = artifactEntries(identity.api, redactions);
  const kind = { identity, entries, keys: [checkpointKey(identity)] };
  const { tree, close } = await openReadOnlyLog(directory, kind);
  try {
    const { size, root } = tree.head().head;
    const reads = new ArtifactEntryReads(identity, tree, redactions);
    await checkEntries(reads, size);
    await checkRedactions(reads, tree, redactions);
    await checkTiles(tree, size);
    if (!equalBytes(await rootFrom(sha256, size, tree.tiles.hashesAt(size)), root))
      throw new LogError('LOG_CORRUPT', 'the tiles do not have the root that the checkpoint signs');
    return { identity, size, root, redacted: redactions.entries.size };
  } finally {
    await close();
  }
}

/** Each is held to its hash as it is read. */
async function checkEntries(reads: ArtifactEntryReads, size: number): Promise<void> {
  for (let at = 0; at < size;) {
    const entries = await reads.entriesFrom(at);
    if (entries.length === 0) throw new LogError('LOG_CORRUPT', `entry ${at} is missing`);
    at += entries.length;
  }
}

/** Reads each redacted entry: it has to be in the tree with the recorded hash, and its body has to be gone. Throws LogError `LOG_CORRUPT` for the first where that is not so, and as reading does. */
export async function checkRedactions(
  reads: ArtifactEntryReads,
  tree: PublishedTree<StoredArtifact>,
  { entries }: Redactions,
): Promise<void> {
  const { size } = tree.head().head;
  const bundles = Map.groupBy(entries.keys(), (index) => Math.floor(index / TILE_WIDTH));
  for (const [n, indexes] of bundles) {
    const last = indexes.reduce((one, other) => Math.max(one, other));
    if (last >= size)
      throw new LogError('LOG_CORRUPT', `${REDACTIONS_FILE} has entry ${last}, and the log has ${size}`, {
        hint: 'The log or its list is from an older copy: put back the newest of both.',
      });
    // Holds them to their hashes.
    await reads.entriesAt(indexes);
    const bundle = await tree.tiles.entries(n, last - n * TILE_WIDTH + 1);
    const standing = indexes.find((index) => bundle[index - n * TILE_WIDTH]?.leaf.length !== 0);
    if (standing === undefined) continue;
    throw new LogError('LOG_CORRUPT', `the body of entry ${standing}, which is redacted, is on the disk`, {
      hint: `A copy from before was put back, or the record is false. Redact the entry again (\`mayfly rekor redact\`); where nobody redacted it, put back ${REDACTIONS_FILE} from a copy.`,
    });
  }
}

async function checkTiles({ tiles }: PublishedTree<StoredArtifact>, size: number): Promise<void> {
  for (const tile of tilesOf(size, 'entries')) {
    const { level, n, width } = tile;
    if (typeof level === 'string' || level === 0) continue;
    const hashes = await tiles.tile(tile);
    for (let i = 0; i < width; i++) {
      const below = await hashOfTile(tiles, level - 1, n * TILE_WIDTH + i);
      if (equalBytes(below, hashes.subarray(i * HASH_LENGTH, (i + 1) * HASH_LENGTH))) continue;
      throw new LogError('LOG_CORRUPT', `${tilePath(tile)} does not agree with the tiles below it`, {
        hint: 'Restore the one that is damaged from a copy of the log.',
      });
    }
  }
}

async function hashOfTile(tiles: TreeTiles<StoredArtifact>, level: number, n: number): Promise<Uint8Array> {
  const bytes = await tiles.tile({ level, n, width: TILE_WIDTH });
  return hashInTile(sha256, { level, n, first: 0, count: TILE_WIDTH }, bytes);
}
