/** The logs of artifacts of a data directory as they are followed. */
import { artifactLogsIn } from '../../../instance/artifact-logs.ts';
import { openDataDirectory } from '../../../instance/data-directory.ts';
import type { LoggedEntry } from '../../../rekor/artifact-log.ts';
import { openArtifactReads } from '../../../rekor/artifact-reads.ts';
import { signatureView } from '../../../search/searchable-log.ts';
import { sha256 } from '../../../tlog/core/sha256.ts';
import { hashLeaf } from '../../../tlog/format/merkle.ts';
import type { FollowedEntry, FollowedLog } from './followed-log.ts';
import { tileProofs } from './tiles.ts';

/** A log that is there and wanted, to be opened at its newest head. */
export interface LogOpener {
  readonly name: string;
  /** Rejects with {@link CommandError} and LogError. */
  readonly open: () => Promise<FollowedLog>;
}

/** Those of a data directory that are wanted. */
export async function artifactsIn(
  data: string,
  isWanted: (name: string) => boolean,
): Promise<readonly LogOpener[]> {
  const { paths } = await openDataDirectory(data);
  return (await artifactLogsIn(paths))
    .filter(({ name }) => isWanted(name))
    .map(({ name, directory }) => ({ name, open: () => logIn(name, directory) }));
}

async function logIn(name: string, directory: string): Promise<FollowedLog> {
  const { identity, size, root, hashes, entriesFrom, close } = await openArtifactReads(directory);
  const { origin, logId } = identity;
  return {
    name,
    kind: 'artifacts',
    origin,
    logId,
    size,
    root,
    checkpoint: undefined,
    entriesFrom: async (first) => (await entriesFrom(first)).map(followed),
    ...tileProofs(hashes, size),
    close,
  };
}

/** The hash of a body is computed here: what a directory says of it proves nothing. */
const followed = (entry: LoggedEntry): FollowedEntry => ({
  index: entry.index,
  leafHash: entry.redaction === undefined ? hashLeaf(sha256, entry.body) : entry.leafHash,
  isRedacted: entry.redaction !== undefined,
  view: signatureView(entry),
});
