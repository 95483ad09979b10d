/** The indexes that the entries of the logs are found by. */
import { join } from 'node:path';
import type { CtLog } from '../ct-log/ct-log.ts';
import type { ArtifactLog, LoggedEntry } from '../rekor/artifact-log.ts';
import { SEARCH_FILE } from '../rekor/redact-entries.ts';
import { searchedCertificates, type CertificateEntry } from '../search/certificate-entries.ts';
import { SearchIndex } from '../search/search-index.ts';

/** Of a log of artifacts in that directory. Made in the background where it is not there: nothing waits for it but searches. */
export const openArtifactSearch = (log: ArtifactLog, directory: string): SearchIndex<LoggedEntry> =>
  new SearchIndex<LoggedEntry>(
    { path: join(directory, SEARCH_FILE), logId: log.identity.logId, kind: 'artifacts' },
    {
      size: () => log.tree.head().head.size,
      entriesFrom: (first) => log.entriesFrom(first),
      entryAt: (index) => log.entryAt(index),
    },
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
