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
  type SearchableLog,
} from '../search/searchable-log.ts';
import type { FormerCertificates } from './former-certificates.ts';

/** What a log of artifacts is read by for searches. */
const searchedArtifacts = (log: ArtifactLog): SearchedLog<LoggedEntry> => ({
  size: () => log.tree.head().head.size,
  entriesFrom: (first) => log.entriesFrom(first),
  entryAt: (index) => log.entryAt(index),
});

const redactedIn = (log: ArtifactLog): RedactedEntries<LoggedEntry> => ({
  indexes: log.redactions.entries,
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

/** The index of the certificate log in use, where logs follow each other while the service runs. */
export class SearchInUse {
  #log: Pick<CtLog, 'tree'>;
  #index: SearchIndex<CertificateEntry>;

  constructor(log: Pick<CtLog, 'identity' | 'tree'>, directory: string) {
    this.#log = log;
    this.#index = openCertificateSearch(log, directory);
  }

  get failure(): string | undefined {
    return this.#index.failure;
  }

  /** From now on that log is searched, and the one before no more. Resolves when the thread of its index has ended. */
  async follow(log: Pick<CtLog, 'identity' | 'tree'>, directory: string): Promise<void> {
    const former = this.#index;
    this.#log = log;
    this.#index = openCertificateSearch(log, directory);
    await former.close();
  }

  close(): Promise<void> {
    return this.#index.close();
  }

  readonly size = (): number => searchedCertificates(this.#log.tree).size();

  readonly entriesFrom = (first: number): Promise<readonly CertificateEntry[]> =>
    searchedCertificates(this.#log.tree).entriesFrom(first);

  readonly entryAt = (index: number): Promise<CertificateEntry | undefined> =>
    searchedCertificates(this.#log.tree).entryAt(index);

  readonly ready = (): Promise<void> => this.#index.ready();

  readonly search: SearchIndex<CertificateEntry>['search'] = (query) => this.#index.search(query);
}

/** What finds the entries of the certificate log in use. */
export type CertificateSearch = SearchIndex<CertificateEntry> | SearchInUse;

/** The logs of a service, each with its index. */
interface SearchedLogs {
  readonly log: Pick<CtLog, 'identity' | 'tree'>;
  readonly search: CertificateSearch;
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
  const one = searchableLog(
    { name: 'certificates', origin, logId, kind: 'certificates' },
    search instanceof SearchInUse ? search : searchedCertificates(log.tree),
    search,
    certificateView,
  );
  const certificates: SearchableLog = {
    ...one,
    // Another one at another time, where logs follow each other.
    get origin() {
      return log.identity.origin;
    },
    get logId() {
      return log.identity.logId;
    },
  };
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
