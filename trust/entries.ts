/** The entries of a trusted root, of whatever kind: each with what names it and the window in which it counts. */
import { parseCertificate } from '../core/certificate.ts';
import { toBase64, toHex } from '../core/bytes.ts';
import { describeName } from '../core/distinguished-name.ts';
import { FormatError } from '../core/errors.ts';
import { printable } from '../core/printable.ts';
import { sha256 } from '../tlog/core/sha256.ts';
import type { TrustedAuthority, TrustedLogInstance, TrustedRoot, Window } from './format/trusted-root.ts';
import { authorityKey, logKey } from './union.ts';

/** A list of a trusted root. */
export type TrustList = keyof TrustedRoot;

/** How people call an entry of each list. */
export const LIST_NAMES: Readonly<Record<TrustList, string>> = {
  certificateAuthorities: 'CA',
  certificateLogs: 'certificate log',
  timestampAuthorities: 'timestamp authority',
  artifactLogs: 'artifact log',
};

/** One entry. */
export interface TrustEntry {
  readonly list: TrustList;
  /** Its place in the list. */
  readonly index: number;
  /** What two entries for the same authority or log have in common. */
  readonly key: string;
  /** For people: the subject of its first certificate, or the URL. */
  readonly name: string;
  /** Of an authority SHA-256 of its first certificate, hexadecimal; of a log its id in base64. */
  readonly id: string;
  /** Of an authority SHA-256 of the root of its chain, hexadecimal. */
  readonly rootId?: string;
  readonly window: Window;
}

const LISTS = Object.keys(LIST_NAMES) as readonly TrustList[];

/** All entries, list by list. */
export const entriesOf = (root: TrustedRoot): readonly TrustEntry[] =>
  LISTS.flatMap((list) =>
    root[list].map((entry, index) => ({
      list,
      index,
      window: entry.window,
      ...('chain' in entry ? authorityNames(entry) : logNames(entry)),
    })),
  );

/** What names an entry. */
export type EntryNames = Pick<TrustEntry, 'key' | 'name' | 'id' | 'rootId'>;

/** What names an authority. */
export function authorityNames(authority: TrustedAuthority): EntryNames {
  const [first = new Uint8Array()] = authority.chain;
  const last = authority.chain.at(-1) ?? first;
  return {
    key: authorityKey(authority),
    name: subjectOf(first) ?? printable(authority.commonName),
    id: toHex(sha256(first)),
    rootId: toHex(sha256(last)),
  };
}

function subjectOf(der: Uint8Array): string | undefined {
  try {
    return describeName(parseCertificate(der).subject);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return undefined;
  }
}

/** What names a log. */
export const logNames = (log: TrustedLogInstance): EntryNames => ({
  key: logKey(log),
  name: nameOfLog(log) || toBase64(log.logId),
  id: toBase64(log.logId),
});

/** Our own logs of artifacts have their host alone, and one for each API. */
function nameOfLog({ baseUrl, keyDetails }: TrustedLogInstance): string {
  const name = printable(baseUrl);
  return name.startsWith('//') ? `${name.slice(2)} (Rekor v${keyDetails === 'PKIX_ED25519' ? 2 : 1})` : name;
}

/** The root in which each of the entries has the window that `windowOf` returns for it. */
export function withWindows(
  root: TrustedRoot,
  entries: readonly TrustEntry[],
  windowOf: (entry: TrustEntry) => Window,
): TrustedRoot {
  const changed = <T extends { readonly window: Window }>(list: TrustList, all: readonly T[]): readonly T[] =>
    all.map((one, index) => {
      const entry = entries.find((wanted) => wanted.list === list && wanted.index === index);
      return entry === undefined ? one : { ...one, window: windowOf(entry) };
    });
  return {
    certificateAuthorities: changed('certificateAuthorities', root.certificateAuthorities),
    certificateLogs: changed('certificateLogs', root.certificateLogs),
    timestampAuthorities: changed('timestampAuthorities', root.timestampAuthorities),
    artifactLogs: changed('artifactLogs', root.artifactLogs),
  };
}
