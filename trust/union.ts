import { toHex } from '../core/bytes.ts';
import type { TrustedAuthority, TrustedLogInstance, TrustedRoot } from './format/trusted-root.ts';

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

/** The entries of `root`, those that stand in `first` in front. */
export const withInFront = (root: TrustedRoot, first: TrustedRoot): TrustedRoot => ({
  certificateAuthorities: sorted(root.certificateAuthorities, first.certificateAuthorities, authorityKey),
  certificateLogs: sorted(root.certificateLogs, first.certificateLogs, logKey),
  timestampAuthorities: sorted(root.timestampAuthorities, first.timestampAuthorities, authorityKey),
  artifactLogs: sorted(root.artifactLogs, first.artifactLogs, logKey),
});

/** Whether every authority and log of `part` is in `whole`, with whatever window. */
export function holdsAll(whole: TrustedRoot, part: TrustedRoot): boolean {
  const count = ({
    certificateAuthorities,
    certificateLogs,
    timestampAuthorities,
    artifactLogs,
  }: TrustedRoot): number =>
    certificateAuthorities.length +
    certificateLogs.length +
    timestampAuthorities.length +
    artifactLogs.length;
  return count(unionOf([whole, part])) === count(unionOf([whole]));
}

const firstOfEach = <T>(entries: readonly T[], keyOf: (entry: T) => string): readonly T[] => {
  const found = new Map<string, T>();
  for (const entry of entries) if (!found.has(keyOf(entry))) found.set(keyOf(entry), entry);
  return [...found.values()];
};

function sorted<T>(entries: readonly T[], first: readonly T[], keyOf: (entry: T) => string): readonly T[] {
  const keys = new Set(first.map(keyOf));
  const isFirst = (entry: T): boolean => keys.has(keyOf(entry));
  return [...entries.filter(isFirst), ...entries.filter((entry) => !isFirst(entry))];
}
