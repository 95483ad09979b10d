import type { Clock } from '../core/clock.ts';
import { adoptCopy, type CopiedLog } from '../tlog/adopt-copy.ts';
import type { DataDirectory } from './data-directory.ts';
import { storedLogs } from './move-logs.ts';
import { shareOwnerOfAll } from './share-owner.ts';

/** A log of a data directory that was copied. */
export interface CopiedLogReport extends CopiedLog {
  readonly origin: string;
}

/** Does {@link adoptCopy} for every log of a data directory. Rejects with what that rejects with; those before are in use here then. */
export async function adoptCopies(
  directory: DataDirectory,
  options: { readonly clock: Clock; readonly isAdopted: boolean },
): Promise<CopiedLogReport[]> {
  const copies: CopiedLogReport[] = [];
  for (const log of await storedLogs(directory)) {
    const copy = await adoptCopy(log.directory, log, options);
    if (copy === undefined) continue;
    copies.push({ origin: log.identity.origin, ...copy });
    if (options.isAdopted) await shareOwnerOfAll(log.directory, directory.paths.marker);
  }
  return copies;
}
