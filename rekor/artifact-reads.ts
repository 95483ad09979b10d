/** A log of artifacts that is only read: it may be written by another process at the same time. */
import { openReadOnlyLog } from '../tlog/read-only-log.ts';
import type { LoggedEntry } from './artifact-log.ts';
import { EntryReads } from './entry-reads.ts';
import { checkpointKey } from './log-key.ts';
import { readArtifactLogIdentity, type ArtifactLogIdentity } from './log-identity.ts';
import { readFinishedRedactions } from './redactions.ts';
import { artifactEntries } from './stored-artifact.ts';

/** Such a log, at the head that was published when it was opened. */
export interface ArtifactReads {
  readonly identity: ArtifactLogIdentity;
  /** Entries. */
  readonly size: number;
  /** As of `ArtifactLog`. */
  readonly entriesFrom: (first: number) => Promise<readonly LoggedEntry[]>;
  readonly close: () => Promise<void>;
}

/** Opens the log in `directory`: no key, no lock. Throws LogError as `openReadOnlyLog` does. */
export async function openArtifactReads(directory: string): Promise<ArtifactReads> {
  const identity = await readArtifactLogIdentity(directory);
  const redactions = await readFinishedRedactions(directory);
  const { tree, close } = await openReadOnlyLog(directory, {
    identity,
    entries: artifactEntries(identity.api, redactions),
    keys: [checkpointKey(identity)],
  });
  const reads = new EntryReads(identity, tree, redactions);
  return { identity, size: tree.head().head.size, entriesFrom: (first) => reads.entriesFrom(first), close };
}
