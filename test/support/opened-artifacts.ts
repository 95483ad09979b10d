/** Logs of artifacts as a service has them, in directories of their own. */
import { join } from 'node:path';
import type { ArtifactLogConfig } from '../../config/settings/artifact-log-config.ts';
import type { ArtifactLog, LoggedEntry } from '../../rekor/artifact-log.ts';
import { SearchIndex } from '../../rekor/search/search-index.ts';
import type { OpenedArtifactLogs } from '../../service/open-artifact-logs.ts';
import { rekorLog } from '../rekor/support/rekor-log.ts';

/** They are to be removed. */
export interface TestArtifactLogs extends OpenedArtifactLogs {
  /** Closes them and removes their directories. */
  remove(): Promise<void>;
}

/** The index of a log in that directory. */
export function searchOf(log: ArtifactLog, directory: string): SearchIndex<LoggedEntry> {
  return new SearchIndex<LoggedEntry>(
    { path: join(directory, 'search.db'), logId: log.identity.logId },
    {
      size: () => log.tree.head().head.size,
      entriesFrom: (at) => log.entriesFrom(at),
      entryAt: (at) => log.entryAt(at),
    },
  );
}

/** One for each API, which take entries of the CA's certificates alone unless `config` says otherwise. */
export async function openedArtifacts(config: Partial<ArtifactLogConfig> = {}): Promise<TestArtifactLogs> {
  const made = await Promise.all([rekorLog(1), rekorLog(2)]);
  const logs = await Promise.all(made.map((one) => one.open()));
  const searches = logs.map((log, i) =>
    log.api === 1 ? searchOf(log, made[i]?.directory ?? '') : undefined,
  );
  return {
    logs,
    searches,
    config: {
      v1: true,
      v2: true,
      admission: 'own-certificates',
      keyFiles: [],
      duplicates: 'return',
      ...config,
    },
    admittedKeys: [],
    certificateLogs: [],
    remove: async () => {
      await Promise.all(searches.flatMap((search) => (search === undefined ? [] : [search.close()])));
      await Promise.all(made.map((one) => one.remove()));
    },
  };
}
