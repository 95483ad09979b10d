/** A log as searches over several logs see it, whatever its entries are about. */
import { toHex } from '../core/bytes.ts';
import { readEntry } from '../ct-log/entry-search.ts';
import { LogError } from '../tlog/core/log-error.ts';
import { sha256 } from '../tlog/core/sha256.ts';
import type { BodyVerifier } from '../rekor/format/body-content.ts';
import type { CertificateEntry } from './certificate-entries.ts';
import { certificateFacts, certificateOf, contentOf, signatureFacts, type Facts } from './entry-facts.ts';
import type { SearchedLog, SearchIndex, SearchQuery } from './search-index.ts';
import type { SearchedEntry, SearchedKind } from './search-keys.ts';
import { WithheldSignatures } from './withheld-signatures.ts';

/** What a search does with an entry. */
export interface SearchableEntry {
  readonly entry: SearchedEntry;
  /** Milliseconds since the epoch: when it was logged. Undefined in a log whose entries have no time. Never falls within a log. */
  readonly time: number | undefined;
  /** Milliseconds since the epoch: when the body was withheld. Undefined where it is not, and where nothing says when. */
  readonly redactedAt?: number | undefined;
  readonly facts: () => Facts;
  /** The key and the number of each certificate that it is about, and each key that it is about without one. */
  readonly owners: () => readonly EntryOwner[];
  /** What was signed: of an entry about signatures, the digest of the artifact or the payload. */
  readonly digest: () => string | undefined;
}

/** Whom an entry is about. */
export interface EntryOwner {
  /** SHA-256, hexadecimal. */
  readonly key: string;
  /** Hexadecimal; undefined for a key without a certificate. */
  readonly serial?: string;
  /** When the certificate is valid, in milliseconds since the epoch. */
  readonly notBefore?: number;
  readonly notAfter?: number;
}

/** What a log is called. */
export interface SearchableName {
  /** `certificates`, `v1`, `v2`, and of those that followed them `v1-2` and so on; no two logs of a service have the same. */
  readonly name: string;
  readonly origin: string;
  /** 32 bytes; of logs that follow each other and have one origin it says which. */
  readonly logId: Uint8Array;
  readonly kind: SearchedKind;
}

/** A log that can be searched. */
export interface SearchableLog extends SearchableName {
  /** Entries under the newest signed head. */
  readonly size: () => number;
  /** Redacted entries, which nothing finds. */
  readonly redacted: number;
  /** Which certificates they may be of: any, where they cannot be read. Never rejects. */
  readonly withheld: () => Promise<WithheldSignatures>;
  /** As of {@link SearchedLog}. */
  readonly entriesFrom: (first: number) => Promise<readonly SearchableEntry[]>;
  readonly entryAt: (index: number) => Promise<SearchableEntry | undefined>;
  /** As of {@link SearchIndex}. */
  readonly ready: () => Promise<void>;
  readonly search: (query: SearchQuery) => Promise<SearchablePage>;
}

/** A page of hits; `before` as of {@link SearchIndex}. */
export interface SearchablePage {
  readonly entries: readonly SearchableEntry[];
  readonly before: number | undefined;
}

/** Redacted entries of a log. There may be more of them at any time. */
export interface RedactedEntries<Entry> {
  readonly indexes: ReadonlyMap<number, unknown>;
  /** Reads them all. */
  readonly read: () => Promise<readonly Entry[]>;
}

/** An entry of which nobody knows when it was logged or redacted may be of any certificate. */
const ANYBODYS = new WithheldSignatures([{ time: undefined, redactedAt: undefined }]);

/** A log with its index, whose entries are seen by `view`. */
export const searchableLog = <Entry extends SearchedEntry>(
  name: SearchableName,
  log: SearchedLog<Entry>,
  index: Pick<SearchIndex<Entry>, 'ready' | 'search'>,
  view: (entry: Entry) => SearchableEntry,
  redacted: RedactedEntries<Entry> = { indexes: new Map(), read: () => Promise.resolve([]) },
): SearchableLog => ({
  ...name,
  size: () => log.size(),
  get redacted() {
    return redacted.indexes.size;
  },
  withheld: rememberedFor(
    () => redacted.indexes.size,
    async () => {
      try {
        return { value: new WithheldSignatures((await redacted.read()).map(view)), passes: false };
      } catch (error) {
        return { value: ANYBODYS, passes: !(error instanceof LogError && error.code === 'LOG_CORRUPT') };
      }
    },
  ),
  entriesFrom: async (first) => (await log.entriesFrom(first)).map(view),
  entryAt: async (at) => {
    const entry = await log.entryAt(at);
    return entry && view(entry);
  },
  ready: () => index.ready(),
  search: async (query) => {
    const { entries, before } = await index.search(query);
    // The index may be older than a redaction.
    const found = entries.filter(({ index: at }) => !redacted.indexes.has(at));
    return { entries: found.map(view), before };
  },
});

/** Milliseconds for which it counts that redacted entries could not be read: a page asks for many certificates. */
const FAILURE_MS = 1_000;

/** What `make` made the first time for what `state` is: it may read ten thousand bundles. What passes is made again a second later. */
function rememberedFor<T>(
  state: () => number,
  make: () => Promise<{ readonly value: T; readonly passes: boolean }>,
): () => Promise<T> {
  let made: { readonly of: number; readonly value: Promise<T>; until: number } | undefined;
  return () => {
    if (made !== undefined && made.of === state() && performance.now() < made.until) return made.value;
    const value = make();
    const own = { of: state(), value: value.then((one) => one.value), until: Infinity };
    void value.then(({ passes }) => {
      if (passes) own.until = performance.now() + FAILURE_MS;
    });
    made = own;
    return own.value;
  };
}

/** An entry about a certificate. */
export function certificateView(entry: CertificateEntry): SearchableEntry {
  const { leaf, index, leafHash, precertificate } = entry;
  const owners = (): readonly EntryOwner[] => {
    const read = readEntry(leaf, index);
    if ('unreadable' in read) return [];
    const { serial, notBefore, notAfter } = read;
    return [{ key: toHex(sha256(read.spki)), serial, notBefore, notAfter }];
  };
  return {
    entry,
    time: leaf.timestamp,
    facts: () => ({
      ...certificateFacts(readEntry(leaf, index)),
      leafHash: toHex(leafHash),
      ...(precertificate === undefined ? {} : { precertificateSha256: toHex(sha256(precertificate)) }),
    }),
    owners,
    digest: () => undefined,
  };
}

/** An entry about signatures, as it is read from its log. */
export interface SearchedSignature extends SearchedEntry {
  readonly logIndex: number;
  readonly integratedTime: number | undefined;
  /** That the body is withheld, and since when, in milliseconds since the epoch. */
  readonly redaction?: { readonly redactedAt?: number } | undefined;
}

/** An entry about signatures. */
export function signatureView(entry: SearchedSignature): SearchableEntry {
  const { index, body, integratedTime, redaction } = entry;
  return {
    entry,
    time: integratedTime === undefined ? undefined : integratedTime * 1000,
    redactedAt: redaction?.redactedAt,
    facts: () => ({ index, ...signatureFacts(entry) }),
    owners: () => (contentOf(body)?.verifiers ?? []).flatMap(ownersOf),
    digest: () => contentOf(body)?.digests[0],
  };
}

function ownersOf(verifier: BodyVerifier): readonly EntryOwner[] {
  const [der = new Uint8Array()] = verifier.blocks;
  if (!verifier.isCertificate) return [{ key: toHex(sha256(der)) }];
  const certificate = certificateOf(verifier);
  if (certificate === undefined) return [];
  const { spki, serial, notBefore, notAfter } = certificate;
  return [{ key: toHex(sha256(spki)), serial: toHex(serial), notBefore, notAfter }];
}

/** Whether an entry may have been logged between these times, which are in milliseconds since the epoch and included. One that has no time is of the time in which its
 * certificate is valid: a log takes it at no other. */
export function mayBeOf({ time, owners }: SearchableEntry, since: number, until: number): boolean {
  if (time !== undefined) return time >= since && time <= until;
  return owners().every(
    ({ notBefore = since, notAfter = until }) => notBefore <= until && notAfter + 1000 > since,
  );
}
