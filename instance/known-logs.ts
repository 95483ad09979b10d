import { readIdentity, type CtLogIdentity } from '../ct-log/log-identity.ts';
import { readTrust } from '../trust/ledger.ts';
import { OWN_PATHS } from '../trust/public-urls.ts';
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
  /** Which of those that were in use before cannot be read, a sentence each; they stand in none of the lists. */
  readonly unreadable: readonly string[];
}

/** Reads who the logs are. One that was in use before, by what is recorded of it, stops nothing where it cannot be read. Rejects with DataDirectoryError, LogError and
 * TrustError. */
export async function readLogHistory(directory: DataDirectory): Promise<LogHistory> {
  const { name } = certificateLog(directory);
  const { logs, root, unreadable } = await readTrust(directory.paths);
  const identities = new Map(logs.map((log) => [log.name, log]));
  const birth = identities.get(name)?.createdAt ?? 0;
  const isFormer = (other: string): boolean =>
    root.certificateLogs.some(
      ({ baseUrl, window }) => baseUrl === OWN_PATHS.log(other) && window.start < birth - SECOND,
    );
  const known: KnownLog[] = [];
  for (const paths of certificateLogs(directory)) {
    const read = identities.get(paths.name);
    if (read === undefined && isFormer(paths.name)) continue;
    known.push({ paths, identity: read ?? (await readIdentity(paths.directory)) });
  }
  const sorted = known.sort((a, b) => a.identity.createdAt - b.identity.createdAt);
  const at = sorted.findIndex(({ paths }) => paths.name === name);
  const current = sorted[at];
  if (current === undefined) throw new TypeError('the log in use is not among the logs');
  return { current, former: sorted.slice(0, at), staged: sorted.slice(at + 1), unreadable };
}

/** Trusted roots have whole seconds. */
const SECOND = 1000;
