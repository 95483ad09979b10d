/** Every byte of a log of artifacts against its signed head. */
import { equalBytes } from '../core/bytes.ts';
import { FormatError, messageOf } from '../core/errors.ts';
import { LogError } from '../tlog/core/log-error.ts';
import { sha256 } from '../tlog/core/sha256.ts';
import { rootFrom } from '../tlog/format/merkle-proof.ts';
import { TILE_WIDTH } from '../tlog/format/tile.ts';
import type { PublishedTree } from '../tlog/published-tree.ts';
import { openReadOnlyLog } from '../tlog/read-only-log.ts';
import { edgeHashes, TileSurvey } from '../tlog/tree/tile-survey.ts';
import { findDerivedFault } from '../tlog/derived-faults.ts';
import { chooseStores } from '../tlog/store/choose-stores.ts';
import { ArtifactEntryReads } from './entry-reads.ts';
import { readArtifactLogIdentity, type ArtifactLogIdentity } from './log-identity.ts';
import { checkpointKey } from './log-key.ts';
import { NO_REDACTIONS, readFinishedRedactions, REDACTIONS_FILE, type Redactions } from './redactions.ts';
import {
  artifactEntries,
  artifactJudge,
  type ArtifactEntries,
  type StoredArtifact,
} from './stored-artifact.ts';

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
 * tile against the tiles below it, and all against the root. A redacted entry is held to its recorded hash, and its body must be gone, unless the record says that it is not yet. Throws LogError as `openReadOnlyLog` does, `LOG_CORRUPT` for what is wrong; it names the file.
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
    await checkFullTiles(directory, { tree, entries, size, reads });
    await checkEntries(reads, size);
    if (redactions.isFinished) await checkRedactions(reads, tree, redactions);
    if (!equalBytes(await rootFrom(sha256, size, tree.tiles.hashesAt(size)), root))
      throw new LogError('LOG_CORRUPT', 'the tiles do not have the root that the checkpoint signs');
    const fault = await findDerivedFault(directory, identity.logId, size, (tile) => tree.tiles.tile(tile));
    if (fault !== undefined) throw new LogError('LOG_CORRUPT', `${fault.where}: ${fault.message}`);
    return { identity, size, root, redacted: redactions.entries.size };
  } finally {
    await close();
  }
}

interface FullTiles {
  readonly tree: PublishedTree<StoredArtifact>;
  readonly entries: ArtifactEntries;
  readonly size: number;
  readonly reads: ArtifactEntryReads;
}

/** Those in files, each against what lies above it. Throws LogError `LOG_CORRUPT` for the first that is wrong. */
async function checkFullTiles(directory: string, { tree, entries, size, reads }: FullTiles): Promise<void> {
  const { tiles } = await chooseStores(directory);
  const full = size - (size % TILE_WIDTH);
  const stored = { name: 'the log', get: (path: string) => tiles.get(path) };
  const edge = await edgeHashes(full, (tile) => tree.tiles.tile(tile));
  const survey = new TileSurvey({
    format: entries,
    size: full,
    edge,
    stored,
    judge: artifactJudge(NO_REDACTIONS),
  });
  for (let n = 0; n < survey.bundles; n++) {
    const [first] = (await survey.bundle(n)).damage;
    if (first === undefined) continue;
    // A record of a redaction that is wrong makes the bundle look wrong: it is named then.
    await reads.entriesFrom(n * TILE_WIDTH).catch((error: unknown) => {
      if (messageOf(error).includes(REDACTIONS_FILE)) throw error;
    });
    throw new LogError('LOG_CORRUPT', `${first.path} ${first.message}`, {
      hint: '`mayfly rekor repair` says what can be derived; restore the rest from a copy of the log.',
    });
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
  for (const indexes of bundles.values()) {
    const last = indexes.reduce((one, other) => Math.max(one, other));
    if (last >= size)
      throw new LogError('LOG_CORRUPT', `${REDACTIONS_FILE} has entry ${last}, and the log has ${size}`, {
        hint: 'The log or its list is from an older copy: put back the newest of both.',
      });
    const standing = await reads.standingAmong(indexes);
    if (standing === undefined) continue;
    throw new LogError('LOG_CORRUPT', `the body of entry ${standing}, which is redacted, is on the disk`, {
      hint: `A copy from before was put back, or the record is false. Redact the entry again (\`mayfly rekor redact\`); where nobody redacted it, put back ${REDACTIONS_FILE} from a copy.`,
    });
  }
}
