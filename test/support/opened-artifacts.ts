/** Logs of artifacts as a service has them, in directories of their own. */
import type { ArtifactLogConfig } from '../../config/settings/artifact-log-config.ts';
import type { OpenedArtifactLogs } from '../../service/open-artifact-logs.ts';
import { openArtifactSearch } from '../../service/open-searches.ts';
import { rekorLog } from '../rekor/support/rekor-log.ts';

/** They are to be removed. */
export interface TestArtifactLogs extends OpenedArtifactLogs {
  /** Closes them and removes their directories. */
  remove(): Promise<void>;
}

/** One for each API, which take entries of the CA's certificates alone unless `config` says otherwise. */
export async function openedArtifacts(config: Partial<ArtifactLogConfig> = {}): Promise<TestArtifactLogs> {
  const made = await Promise.all([rekorLog(1), rekorLog(2)]);
  const logs = await Promise.all(made.map((one) => one.open()));
  const searches = logs.map((log, i) => openArtifactSearch(log, made[i]?.directory ?? ''));
  return {
    logs,
    names: ['v1', 'v2'],
    searches,
    former: [],
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
      await Promise.all(searches.map((search) => search.close()));
      await Promise.all(made.map((one) => one.remove()));
    },
  };
}
