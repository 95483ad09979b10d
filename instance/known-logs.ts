import { readIdentity, type CtLogIdentity } from '../ct-log/log-identity.ts';
import { certificateLog, certificateLogs } from './certificate-logs.ts';
import type { DataDirectory } from './data-directory.ts';
import type { CertificateLogPaths } from './data-paths.ts';

/** A log of a data directory, and who it is. */
export interface KnownLog {
  readonly paths: CertificateLogPaths;
  readonly identity: CtLogIdentity;
}

/** The logs of a data directory, by their place in its history, which is the order of their births. */
export interface LogHistory {
  readonly current: KnownLog;
  /** Those that were in use before, oldest first. */
  readonly former: readonly KnownLog[];
  /** Those that are to follow, oldest first: one, unless somebody put a log there. */
  readonly staged: readonly KnownLog[];
}

/** Reads who the logs are. Rejects with DataDirectoryError and LogError. */
export async function readLogHistory(directory: DataDirectory): Promise<LogHistory> {
  const { name } = certificateLog(directory);
  const logs = await Promise.all(
    certificateLogs(directory).map(async (paths) => ({
      paths,
      identity: await readIdentity(paths.directory),
    })),
  );
  const sorted = logs.sort((a, b) => a.identity.createdAt - b.identity.createdAt);
  const at = sorted.findIndex(({ paths }) => paths.name === name);
  const current = sorted[at];
  if (current === undefined) throw new TypeError('the log in use is not among the logs');
  return { current, former: sorted.slice(0, at), staged: sorted.slice(at + 1) };
}
