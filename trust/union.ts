import { toBase64, toHex } from '../core/bytes.ts';
import { rfc3339 } from '../core/clock.ts';
import { printable } from '../core/printable.ts';
import { sha256 } from '../tlog/core/sha256.ts';
import type { TrustedAuthority, TrustedLogInstance, TrustedRoot, Window } from './format/trusted-root.ts';

/** What names an authority: its first certificate. */
export const authorityKey = ({ chain: [first] }: Pick<TrustedAuthority, 'chain'>): string =>
  toHex(first ?? new Uint8Array());

/** What names a log: its id. */
export const logKey = ({ logId }: Pick<TrustedLogInstance, 'logId'>): string => toHex(logId);

/** All entries of the roots, each once, in the order in which they come: of two entries for the same authority or log the one of the root that comes
 * first. */
export const unionOf = (roots: readonly TrustedRoot[]): TrustedRoot => ({
  certificateAuthorities: firstOfEach(
    roots.flatMap((root) => root.certificateAuthorities),
    authorityKey,
  ),
  certificateLogs: firstOfEach(
    roots.flatMap((root) => root.certificateLogs),
    logKey,
  ),
  timestampAuthorities: firstOfEach(
    roots.flatMap((root) => root.timestampAuthorities),
    authorityKey,
  ),
  artifactLogs: firstOfEach(
    roots.flatMap((root) => root.artifactLogs),
    logKey,
  ),
});

/** The entries of `root`, those that stand in `first` in front and in its order. */
export const withInFront = (root: TrustedRoot, first: TrustedRoot): TrustedRoot => ({
  certificateAuthorities: sorted(root.certificateAuthorities, first.certificateAuthorities, authorityKey),
  certificateLogs: sorted(root.certificateLogs, first.certificateLogs, logKey),
  timestampAuthorities: sorted(root.timestampAuthorities, first.timestampAuthorities, authorityKey),
  artifactLogs: sorted(root.artifactLogs, first.artifactLogs, logKey),
});

/** What `part` trusts and `whole` does not, a name each; with whatever windows. */
export const missingFrom = (whole: TrustedRoot, part: TrustedRoot): readonly string[] => [
  ...missing(whole.certificateAuthorities, part.certificateAuthorities, authorityKey).map(
    (authority) => `the CA ${authorityName(authority)}`,
  ),
  ...missing(whole.certificateLogs, part.certificateLogs, logKey).map((log) => `the log ${logName(log)}`),
  ...missing(whole.timestampAuthorities, part.timestampAuthorities, authorityKey).map(
    (authority) => `the timestamp authority ${authorityName(authority)}`,
  ),
  ...missing(whole.artifactLogs, part.artifactLogs, logKey).map((log) => `the Rekor ${logName(log)}`),
];

/** What ends earlier in `part` than in `whole`, a name each with its end there: with `whole` it would be believed again. */
export const reopenedBy = (whole: TrustedRoot, part: TrustedRoot): readonly string[] => [
  ...reopened(whole.certificateAuthorities, part.certificateAuthorities, authorityKey).map(
    ([authority, end]) => `the CA ${authorityName(authority)} at ${end}`,
  ),
  ...reopened(whole.certificateLogs, part.certificateLogs, logKey).map(
    ([log, end]) => `the log ${logName(log)} at ${end}`,
  ),
  ...reopened(whole.timestampAuthorities, part.timestampAuthorities, authorityKey).map(
    ([authority, end]) => `the timestamp authority ${authorityName(authority)} at ${end}`,
  ),
  ...reopened(whole.artifactLogs, part.artifactLogs, logKey).map(
    ([log, end]) => `the Rekor ${logName(log)} at ${end}`,
  ),
];

/** An authority in a sentence: by its name and the hash of its first certificate. Others may have written it; it is printable. */
export const authorityName = ({ organization, commonName, chain: [first] }: TrustedAuthority): string =>
  `"${short(commonName)}" of "${short(organization)}" (SHA-256 ${toHex(sha256(first ?? new Uint8Array())).slice(0, 16)}…)`;

/** A log in a sentence: by its URL and its id. */
export const logName = ({ baseUrl, logId }: TrustedLogInstance): string =>
  `${short(baseUrl)} (id ${toBase64(logId.subarray(0, 64))})`;

const short = (text: string): string => printable(text.length > 200 ? `${text.slice(0, 200)}…` : text);

const missing = <T>(whole: readonly T[], part: readonly T[], keyOf: (entry: T) => string): readonly T[] => {
  const there = new Set(whole.map(keyOf));
  return part.filter((entry) => !there.has(keyOf(entry)));
};

/** Each once, with the last of its ends in `part`. */
function reopened<T extends { readonly window: Window }>(
  whole: readonly T[],
  part: readonly T[],
  keyOf: (entry: T) => string,
): readonly (readonly [entry: T, end: string])[] {
  const lastEnd = (entries: readonly T[], key: string): number =>
    Math.max(
      ...entries
        .filter((entry) => keyOf(entry) === key)
        // As trusted roots write them.
        .map(({ window: { end } }) => (end === undefined ? Infinity : Math.ceil(end / 1000) * 1000)),
    );
  return firstOfEach(part, keyOf).flatMap((entry) => {
    const end = lastEnd(part, keyOf(entry));
    return end < lastEnd(whole, keyOf(entry)) ? [[entry, rfc3339(end)] as const] : [];
  });
}

const firstOfEach = <T>(entries: readonly T[], keyOf: (entry: T) => string): readonly T[] => {
  const found = new Map<string, T>();
  for (const entry of entries) if (!found.has(keyOf(entry))) found.set(keyOf(entry), entry);
  return [...found.values()];
};

function sorted<T>(entries: readonly T[], first: readonly T[], keyOf: (entry: T) => string): readonly T[] {
  const keys = first.map(keyOf);
  const isFirst = (entry: T): boolean => keys.includes(keyOf(entry));
  const front = entries.filter(isFirst).sort((a, b) => keys.indexOf(keyOf(a)) - keys.indexOf(keyOf(b)));
  return [...front, ...entries.filter((entry) => !isFirst(entry))];
}
