import { CHAIN_FOLDER } from '../ct-log/chain-certificates.ts';
import { describeCtLog } from '../ct-log/published-description.ts';
import { logKeys } from '../ct-log/log-keys.ts';
import { readIdentity } from '../ct-log/log-identity.ts';
import { TILE_LEAVES } from '../ct-log/tile-leaves.ts';
import { readArtifactLogIdentity } from '../rekor/log-identity.ts';
import { checkpointKey } from '../rekor/log-key.ts';
import { finishRedactions } from '../rekor/redact-entries.ts';
import { moveRedactions, readFinishedRedactions } from '../rekor/redactions.ts';
import { artifactEntries } from '../rekor/stored-artifact.ts';
import { moveLog, type MovedLog, type MovedStores } from '../tlog/move-log.ts';
import { LogError } from '../tlog/core/log-error.ts';
import { isMissing } from '../storage/read-whole.ts';
import type { OutsidePlace, StorePlaces } from '../tlog/store/store-places.ts';
import { alone } from '../trust/tuf/publish.ts';
import { moveRepository } from '../trust/tuf/shared-repository.ts';
import { artifactLogsIn } from './artifact-logs.ts';
import { certificateLogs, firstLogId } from './certificate-logs.ts';
import type { DataDirectory } from './data-directory.ts';
import { shareOwnerOfAll } from './share-owner.ts';

/** A log, and what was done with it. */
export interface MovedLogReport extends MovedStores {
  readonly origin: string;
}

/** What was done with the parts of a data directory. */
export interface MovedParts {
  readonly logs: readonly MovedLogReport[];
  /** Whether the TUF repository was moved. */
  readonly isTufMoved: boolean;
}

/** Takes the stores of every log of a data directory, one after the other, to where those of all logs are to be: also of logs that have ended; then the TUF repository, which is where their history is. What is there already stays. After a crash the same call goes
 * on. Rejects with what {@link moveLog} rejects with, and with TufError. */
export async function moveLogs(directory: DataDirectory, places: StorePlaces): Promise<MovedParts> {
  const moved: MovedLogReport[] = [];
  await removeWithheld(directory);
  for (const log of await storedLogs(directory)) {
    const { logId, origin } = log.identity;
    const finish = log.isOfArtifacts && (await moveRedactions(log.directory, logId, places.commits));
    moved.push({ origin, ...(await moveLog(log, places)) });
    if (finish !== false) await finish();
    await shareOwnerOfAll(log.directory, directory.paths.marker);
  }
  return { logs: moved, isTufMoved: await moveTuf(directory, places) };
}

/** What is withheld and still stored must not be copied to where nothing takes it back. Throws {@link LogError} `LOG_LOCKED` while a service has such a log. */
async function removeWithheld({ paths }: DataDirectory): Promise<void> {
  for (const { directory } of await artifactLogsIn(paths)) {
    const identity = await readArtifactLogIdentity(directory);
    const { isFinished } = await finishRedactions(directory, identity);
    if (!isFinished)
      throw new LogError(
        'LOG_LOCKED',
        `bodies of ${identity.origin} that are withheld are still stored, and a service has that log`,
        {
          hint: 'Stop every service that uses it, then give the command again: it removes them before it moves anything.',
        },
      );
  }
}

async function moveTuf({ paths }: DataDirectory, { commits }: StorePlaces): Promise<boolean> {
  if (await isMissing(paths.tuf)) return false;
  const first = await firstLogId(paths);
  const isMoved = await alone(paths.tuf, () => moveRepository(paths.tuf, commits, first));
  await shareOwnerOfAll(paths.tuf, paths.marker);
  return isMoved;
}

/** A log of either kind. */
interface StoredLog extends MovedLog {
  /** Then it may have redactions. */
  readonly isOfArtifacts: boolean;
}

/** The logs of a data directory, of both kinds, as they lie there; what replicas share of them is read at `place`, default: where it was last. Throws LogError. */
export async function storedLogs(data: DataDirectory, place?: OutsidePlace): Promise<StoredLog[]> {
  const logs: StoredLog[] = [];
  for (const { directory, name } of certificateLogs(data)) {
    const identity = await readIdentity(directory);
    const describe = describeCtLog(identity, data.marker.mode === 'dev' ? { intendedUse: 'test' } : {});
    const keys = logKeys(identity);
    const kind = { identity, entries: TILE_LEAVES, keys, companions: CHAIN_FOLDER, describe };
    logs.push({ directory, name, isOfArtifacts: false, ...kind });
  }
  for (const { directory, name } of await artifactLogsIn(data.paths)) {
    const identity = await readArtifactLogIdentity(directory);
    const entries = artifactEntries(identity.api, await readFinishedRedactions(directory, place));
    const kind = { identity, entries, keys: [checkpointKey(identity)] };
    logs.push({ directory, name: `artifacts-${name}`, isOfArtifacts: true, ...kind });
  }
  return logs;
}
