/** Gives up the log of artifacts that was to follow the one in use. */
import { equalBytes } from '../core/bytes.ts';
import type { ArtifactApi } from '../rekor/log-identity.ts';
import { isMissing } from '../storage/read-whole.ts';
import type { DataPaths } from './data-paths.ts';
import { endUnused, NOTHING_LEFT, removeDurably, type Discarded } from './discarded.ts';
import { keyAlone, readArtifactHistory, requireUnknownKey } from './staged-artifact-log.ts';

/**
 * Gives up the log of that API that is staged, or what an interrupted staging left. It has no tree, so its time ends where it began, in the ledger first; then its key is removed, and last
 * what says that it was staged. `passphrase` opens a key that is there alone: it is not to be that of a log that is lost. A crash leaves what the same call finishes. Resolves with {@link NOTHING_LEFT} where nothing is staged. Rejects with
 * RotationError where there is no log of that API, or the key is that of one that is lost; and with DataDirectoryError, LogError and TrustError. Nothing is changed where it is refused.
 */
export async function discardArtifactLog(
  paths: DataPaths,
  api: ArtifactApi,
  passphrase: string | undefined,
): Promise<Discarded> {
  const history = await readArtifactHistory(paths, api);
  const { next, staged } = history;
  if (staged === undefined) {
    const kept = await keyAlone(history);
    if (kept === 'none') return NOTHING_LEFT;
    if (kept === 'whole') await requireUnknownKey(history, paths, passphrase);
  }
  const ended =
    staged === undefined
      ? []
      : await endUnused(paths, 'artifactLogs', ({ logId }) => equalBytes(logId, staged.logId));
  const removed: string[] = [];
  for (const path of [next.key, next.staged]) {
    if (await isMissing(path)) continue;
    await removeDurably(path);
    removed.push(path);
  }
  return { ended, removed };
}
