/** What a change of a trusted root does to those who verify with it, in sentences. */
import { equalBytes } from '../core/bytes.ts';
import { rfc3339 } from '../core/clock.ts';
import { entriesOf, type TrustEntry, type TrustList } from './entries.ts';
import type { TrustedRoot } from './format/trusted-root.ts';
import { isOwnPath } from './public-urls.ts';

/** What became of an entry. */
export type DifferenceKind = 'added' | 'removed' | 'id' | 'start' | 'end' | 'url' | 'chain' | 'first';

/** One difference. */
export interface Difference {
  readonly kind: DifferenceKind;
  readonly list: TrustList;
  /** Of the entry, as in {@link TrustEntry}. */
  readonly id: string;
  readonly sentence: string;
}

/** What differs from `a` to `b`; nothing where they trust the same. What they call the two roots is in the sentences. */
export function differencesOf(
  { root: a, name: nameOfA }: NamedRoot,
  { root: b, name: nameOfB }: NamedRoot,
): readonly Difference[] {
  const [before, after] = [entriesOf(a), entriesOf(b)];
  const partner = (entry: TrustEntry, among: readonly TrustEntry[]): TrustEntry | undefined =>
    among.find(({ list, key }) => list === entry.list && key === entry.key);
  const renamed = renamedLogs(a, b, before, after);
  const isRenamed = (entry: TrustEntry): boolean => renamed.some((pair) => pair.includes(entry));
  const say = (kind: DifferenceKind, { list, id }: TrustEntry, sentence: string): Difference => ({
    kind,
    list,
    id,
    sentence,
  });
  return [
    ...after
      .filter((entry) => partner(entry, before) === undefined && !isRenamed(entry))
      .map((entry) => say('added', entry, added(entry, nameOfA))),
    ...before
      .filter((entry) => partner(entry, after) === undefined && !isRenamed(entry))
      .map((entry) => say('removed', entry, removed(entry, nameOfB))),
    ...renamed.map(([old, entry]) =>
      say(
        'id',
        entry,
        `the ${called(entry)}: key known, log id different (it was ${old.id}, and is ${entry.id}): clients look for a log by its id`,
      ),
    ),
    ...before.flatMap((old) => {
      const entry = partner(old, after);
      if (entry === undefined) return [];
      return [...windowChanges(old, entry), ...otherChanges(a, b, old, entry)].map(([kind, sentence]) =>
        say(kind, entry, sentence),
      );
    }),
    ...firstChanges(before, after).map((entry) =>
      say('first', entry, `the ${called(entry)} stands first now: clients that look at one alone take it`),
    ),
  ];
}

/** A trusted root with the name that a person gave it. */
export interface NamedRoot {
  readonly root: TrustedRoot;
  readonly name: string;
}

type Change = readonly [kind: DifferenceKind, sentence: string];

/** What an authority or log of each list makes that is accepted or not. */
const MADE: Readonly<Record<TrustList, (name: string) => string>> = {
  certificateAuthorities: (name) => `certificates of CA ${name} issued`,
  certificateLogs: (name) => `certificates logged in ${name}`,
  timestampAuthorities: (name) => `timestamps of ${name} made`,
  artifactLogs: (name) => `entries of Rekor ${name} made`,
};

const SINGULAR: Readonly<Record<TrustList, string>> = {
  certificateAuthorities: 'CA',
  certificateLogs: 'log',
  timestampAuthorities: 'timestamp authority',
  artifactLogs: 'Rekor',
};

const called = ({ list, name }: TrustEntry): string => `${SINGULAR[list]} ${name}`;

const REFUSED: Readonly<Record<TrustList, string>> = {
  certificateAuthorities: 'refuse its certificates',
  certificateLogs: 'refuse certificates that are logged there alone',
  timestampAuthorities: 'do not count its timestamps',
  artifactLogs: 'do not count its entries',
};

const added = (entry: TrustEntry, before: string): string =>
  `new ${called(entry)}, ${windowText(entry)}: clients with ${before} ${REFUSED[entry.list]}`;

const removed = (entry: TrustEntry, after: string): string =>
  `the ${called(entry)} is gone: clients with ${after} ${REFUSED[entry.list]}, the old ones too`;

const windowText = ({ window: { start, end } }: TrustEntry): string =>
  `from ${rfc3339(start)}${end === undefined ? '' : ` to ${rfc3339(end)}`}`;

function windowChanges(old: TrustEntry, { window, list, name }: TrustEntry): readonly Change[] {
  const made = MADE[list](name);
  return [
    ...startChange(old.window.start, window.start, made),
    ...endChange(old.window.end, window.end, made),
  ];
}

function startChange(old: number, start: number, made: string): readonly Change[] {
  if (old === start) return [];
  return start < old
    ? [['start', `${made} from ${rfc3339(start)} to ${rfc3339(old)} are accepted now`]]
    : [
        [
          'start',
          `${made} before ${rfc3339(start)} are no longer accepted (they were from ${rfc3339(old)} on)`,
        ],
      ];
}

function endChange(old: number | undefined, end: number | undefined, made: string): readonly Change[] {
  if (old === end) return [];
  if (end !== undefined && (old === undefined || end < old))
    return [['end', `${made} after ${rfc3339(end)} are no longer accepted`]];
  const until = end === undefined ? '' : ` until ${rfc3339(end)}`;
  return [['end', `${made} after ${rfc3339(old ?? 0)} are accepted now${until}`]];
}

function otherChanges(a: TrustedRoot, b: TrustedRoot, old: TrustEntry, entry: TrustEntry): readonly Change[] {
  const [was, is] = [a[old.list][old.index], b[entry.list][entry.index]];
  if (was === undefined || is === undefined) return [];
  const [before, after] = [urlOf(was), urlOf(is)];
  // Where the ledger is compared with an export of it, the URL is not there yet.
  const sameUrl = before === after || isOwnPath(before) || isOwnPath(after);
  const sameChain = !('chain' in was) || !('chain' in is) || sameBytes(was.chain, is.chain);
  return [
    ...(sameUrl
      ? []
      : [['url', `the ${called(entry)} has another URL: what is accepted stays the same`] as const]),
    ...(sameChain
      ? []
      : [
          [
            'chain',
            `the ${called(entry)} has other certificates above it: what it issued must chain to these`,
          ] as const,
        ]),
  ];
}

const urlOf = (entry: { readonly uri: string } | { readonly baseUrl: string }): string =>
  'uri' in entry ? entry.uri : entry.baseUrl;

const sameBytes = (a: readonly Uint8Array[], b: readonly Uint8Array[]): boolean =>
  a.length === b.length && a.every((bytes, index) => equalBytes(bytes, b[index] ?? new Uint8Array()));

type Renamed = readonly [old: TrustEntry, entry: TrustEntry];

/** Logs whose key is in both, under another id. */
function renamedLogs(
  a: TrustedRoot,
  b: TrustedRoot,
  before: readonly TrustEntry[],
  after: readonly TrustEntry[],
): readonly Renamed[] {
  const pairs: Renamed[] = [];
  for (const list of ['certificateLogs', 'artifactLogs'] as const)
    for (const [index, log] of b[list].entries()) {
      const entry = after.find((one) => one.list === list && one.index === index);
      const at = a[list].findIndex(({ publicKey }) => equalBytes(publicKey, log.publicKey));
      const old = before.find((one) => one.list === list && one.index === at);
      if (entry !== undefined && old !== undefined && old.key !== entry.key) pairs.push([old, entry]);
    }
  return pairs;
}

/** The first of each list that was there and not first. */
function firstChanges(before: readonly TrustEntry[], after: readonly TrustEntry[]): readonly TrustEntry[] {
  return after.filter(
    (entry) =>
      entry.index === 0 &&
      before.some(({ list, index, key }) => list === entry.list && index > 0 && key === entry.key),
  );
}
