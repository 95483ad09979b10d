/** A log of artifacts that is only read: it may be written by another process at the same time. */
import { openReadOnlyLog } from '../tlog/read-only-log.ts';
import { LogError } from '../tlog/core/log-error.ts';
import { sha256 } from '../tlog/core/sha256.ts';
import type { HashReader } from '../tlog/format/merkle-proof.ts';
import { verifyInclusion } from '../tlog/format/merkle-verify.ts';
import type { LoggedProof, LoggedEntry } from './artifact-log.ts';
import { ArtifactEntryReads } from './entry-reads.ts';
import { checkpointKey } from './log-key.ts';
import { readArtifactLogIdentity, type ArtifactLogIdentity } from './log-identity.ts';
import { readFinishedRedactions } from './redactions.ts';
import { artifactEntries } from './stored-artifact.ts';

/** An entry with what proves it. */
export interface ProvenEntry {
  readonly entry: LoggedEntry;
  readonly proof: LoggedProof;
}

/** Such a log, at the head that was published when it was opened. */
export interface ArtifactReads {
  readonly identity: ArtifactLogIdentity;
  /** Entries. */
  readonly size: number;
  /** Of the head. */
  readonly root: Uint8Array;
  /** Hashes of the tree at the head. */
  readonly hashes: HashReader;
  /** As of `ArtifactLog`. */
  readonly entriesFrom: (first: number) => Promise<readonly LoggedEntry[]>;
  /** The entry at an index of the tree with its proof, which was found right; undefined where there is none. Rejects as the functions of `ArtifactLog`, and with LogError
   * `LOG_CORRUPT` where the tiles do not prove it. */
  readonly provenAt: (index: number) => Promise<ProvenEntry | undefined>;
  /** As of `ArtifactLog`. */
  readonly indexOf: (leafHash: Uint8Array) => Promise<number | undefined>;
  /** Every index of an entry with that hash, lowest first: replicas may have logged one twice. Waits for the index of hashes, minutes for a long log. Rejects with LogError `LOG_BUSY` when that takes longer. */
  readonly indexesOf: (leafHash: Uint8Array) => Promise<readonly number[]>;
  readonly close: () => Promise<void>;
}

/** Milliseconds for which the index of hashes is waited for. */
const INDEX_WAIT = 600_000;

/** Opens the log in `directory`: no key, no lock. Throws LogError as `openReadOnlyLog` does. */
export async function openArtifactReads(directory: string): Promise<ArtifactReads> {
  const identity = await readArtifactLogIdentity(directory);
  const redactions = await readFinishedRedactions(directory);
  const { tree, close } = await openReadOnlyLog(directory, {
    identity,
    entries: artifactEntries(identity.api, redactions),
    keys: [checkpointKey(identity)],
  });
  const reads = new ArtifactEntryReads(identity, tree, redactions);
  const { size, root } = tree.head().head;
  return {
    identity,
    size,
    root,
    hashes: tree.tiles.hashesAt(size),
    entriesFrom: (first) => reads.entriesFrom(first),
    provenAt: async (index) => {
      const entry = await reads.entryAt(index);
      return entry && provenEntry(entry, await reads.proofOf(index));
    },
    indexOf: (leafHash) => reads.indexOf(leafHash),
    indexesOf: (leafHash) => reads.indexesOf(leafHash, INDEX_WAIT),
    close,
  };
}

function provenEntry(entry: LoggedEntry, proof: LoggedProof): ProvenEntry {
  const { index, leafHash } = entry;
  const { size, hashes, root } = proof;
  if (verifyInclusion(sha256, { leafHash, index, size }, hashes, root)) return { entry, proof };
  throw new LogError('LOG_CORRUPT', `the tiles do not prove entry ${index} under the signed head`, {
    hint: '`mayfly rekor check` says which file is wrong.',
  });
}
