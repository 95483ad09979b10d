/** The indexes that the entries of the logs are found by, and the searches over all of them. */
import { join } from 'node:path';
import type { CtLog } from '../ct-log/ct-log.ts';
import type { ArtifactLog, LoggedEntry } from '../rekor/artifact-log.ts';
import { SEARCH_FILE } from '../rekor/redact-entries.ts';
import { searchedCertificates, type CertificateEntry } from '../search/certificate-entries.ts';
import { LogSearch } from '../search/log-search.ts';
import { SearchIndex, type SearchedLog } from '../search/search-index.ts';
import {
  certificateView,
  searchableLog,
  signatureView,
  type RedactedEntries,
} from '../search/searchable-log.ts';
import type { FormerCertificates } from './former-certificates.ts';

/** What a log of artifacts is read by for searches. */
const searchedArtifacts = (log: ArtifactLog): SearchedLog<LoggedEntry> => ({
  size: () => log.tree.head().head.size,
  entriesFrom: (first) => log.entriesFrom(first),
  entryAt: (index) => log.entryAt(index),
});

const redactedIn = (log: ArtifactLog): RedactedEntries<LoggedEntry> => ({
  count: log.redactions.entries.size,
  read: async () =>
    (await log.entriesAt([...log.redactions.entries.keys()])).filter((entry) => entry !== undefined),
});

/** Of a log of artifacts in that directory. Made in the background where it is not there: nothing waits for it but searches. */
export const openArtifactSearch = (log: ArtifactLog, directory: string): SearchIndex<LoggedEntry> =>
  new SearchIndex<LoggedEntry>(
    { path: join(directory, SEARCH_FILE), logId: log.identity.logId, kind: 'artifacts' },
    searchedArtifacts(log),
  );

/** The same of a certificate log. */
export const openCertificateSearch = (
  { identity, tree }: Pick<CtLog, 'identity' | 'tree'>,
  directory: string,
): SearchIndex<CertificateEntry> =>
  new SearchIndex(
    { path: join(directory, SEARCH_FILE), logId: identity.logId, kind: 'certificates' },
    searchedCertificates(tree),
  );

/** The logs of a service, each with its index. */
interface SearchedLogs {
  readonly log: Pick<CtLog, 'identity' | 'tree'>;
  readonly search: SearchIndex<CertificateEntry>;
  readonly formerCertificates?: Pick<FormerCertificates, 'logs'> | undefined;
  readonly artifacts?:
    | {
        readonly logs: readonly ArtifactLog[];
        readonly names: readonly string[];
        readonly searches: readonly SearchIndex<LoggedEntry>[];
        readonly former: readonly NamedSearch[];
      }
    | undefined;
}

/** A log that another one has followed. */
interface NamedSearch {
  readonly name: string;
  readonly log: ArtifactLog;
  readonly search: SearchIndex<LoggedEntry>;
}

/** Searches over all of them: the certificate log in use first, the logs of artifacts in use next, then the former ones. */
export function searchesOf({ log, search, artifacts, formerCertificates }: SearchedLogs): LogSearch {
  const { origin, logId } = log.identity;
  const certificates = searchableLog(
    { name: 'certificates', origin, logId, kind: 'certificates' },
    searchedCertificates(log.tree),
    search,
    certificateView,
  );
  const inUse = (artifacts?.logs ?? []).flatMap((one, i) => {
    const [name, index] = [artifacts?.names[i], artifacts?.searches[i]];
    return name === undefined || index === undefined ? [] : [{ name, log: one, search: index }];
  });
  const others = [...inUse, ...(artifacts?.former ?? []).toReversed()].map((one) =>
    searchableLog(
      {
        name: one.name,
        origin: one.log.identity.origin,
        logId: one.log.identity.logId,
        kind: 'artifacts',
      },
      searchedArtifacts(one.log),
      one.search,
      signatureView,
      redactedIn(one.log),
    ),
  );
  return new LogSearch([certificates, ...others], undefined, () => formerCertificates?.logs());
}
