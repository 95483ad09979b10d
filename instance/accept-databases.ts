import { acceptDatabase } from '../tlog/accept-database.ts';
import { readStorePlaces, writeStorePlaces, type OutsidePlace } from '../tlog/store/store-places.ts';
import type { DataDirectory } from './data-directory.ts';
import { storedLogs } from './move-logs.ts';
import { shareOwnerOfAll } from './share-owner.ts';

/** A log, and the database that is taken for its own. */
interface AcceptedDatabase {
  readonly origin: string;
  /** Its name. */
  readonly store: string;
  readonly size: number;
}

/** Does {@link acceptDatabase} for every log of a data directory whose history is in a database, with the one at `place`, and lets a TUF repository that is shared be there, too. Rejects with what that rejects with; those before are accepted then. */
export async function acceptDatabases(
  directory: DataDirectory,
  place: OutsidePlace | undefined,
): Promise<AcceptedDatabase[]> {
  const accepted: AcceptedDatabase[] = [];
  for (const log of await storedLogs(directory, place)) {
    const found = await acceptDatabase(log.directory, log, place);
    if (found !== undefined) accepted.push({ origin: log.identity.origin, ...found });
    await shareOwnerOfAll(log.directory, directory.paths.marker);
  }
  const { tuf } = directory.paths;
  const places = await readStorePlaces(tuf);
  if (places.commits !== undefined && place !== undefined)
    await writeStorePlaces(tuf, { ...places, commits: place });
  return accepted;
}
