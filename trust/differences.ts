/** What a change of a trusted root does to those who verify with it, in sentences. */
import { equalBytes, toBase64 } from '../core/bytes.ts';
import { rfc3339 } from '../core/clock.ts';
import { entriesOf, LIST_NAMES, type TrustEntry, type TrustList } from './entries.ts';
import {
  EMPTY_TRUSTED_ROOT,
  encodeTrustedRoot,
  type TrustedAuthority,
  type TrustedLogInstance,
  type TrustedRoot,
  type Window,
} from './format/trusted-root.ts';
import { isOwnPath } from './public-urls.ts';

/** What became of an entry; `other` is what no other kind says. */
export type DifferenceKind =
  'added' | 'removed' | 'id' | 'key' | 'start' | 'end' | 'url' | 'chain' | 'first' | 'other';

/** One difference. */
export interface TrustDifference {
  readonly kind: DifferenceKind;
  readonly list: TrustList;
  /** Of the entry, as in {@link TrustEntry}; empty where it is about the list. */
  readonly id: string;
  readonly sentence: string;
}

/** What differs from `a` to `b`; nothing only where they trust the same. Of an authority or log with several entries, each counts. What they call the two roots is in the
 * sentences. */
export function differencesOf(
  { root: a, name: nameOfA }: NamedRoot,
  { root: b, name: nameOfB }: NamedRoot,
): readonly TrustDifference[] {
  const { pairs, renamed, gone, fresh } = matched(a, b);
  const [before, after] = [entriesOf(a), entriesOf(b)];
  const isKnown = (entry: TrustEntry, among: readonly TrustEntry[]): boolean =>
    among.some(({ list, key }) => list === entry.list && key === entry.key);
  const say = (kind: DifferenceKind, { list, id }: TrustEntry, sentence: string): TrustDifference => ({
    kind,
    list,
    id,
    sentence,
  });
  const said = [
    ...fresh.map((entry) =>
      say('added', entry, isKnown(entry, before) ? addedBeside(entry) : added(entry, nameOfA)),
    ),
    ...gone.map((entry) =>
      say('removed', entry, isKnown(entry, after) ? removedBeside(entry) : removed(entry, nameOfB)),
    ),
    ...renamed.map(([old, entry]) =>
      say(
        'id',
        entry,
        `the ${called(entry)}: key known, log id different (it was ${old.id}, and is ${entry.id}): clients look for a log by its id`,
      ),
    ),
    ...[...renamed, ...pairs].flatMap(([old, entry]) =>
      [...windowChanges(old, entry), ...otherChanges(a, b, old, entry)].map(([kind, sentence]) =>
        say(kind, entry, sentence),
      ),
    ),
    ...firstChanges(before, after).map((entry) =>
      say('first', entry, `the ${called(entry)} stands first now: clients that look at one alone take it`),
    ),
  ];
  return [...said, ...unsaidChanges(a, b, said)];
}

/** Lists that differ in what no sentence says, such as in their order. */
const unsaidChanges = (
  a: TrustedRoot,
  b: TrustedRoot,
  said: readonly TrustDifference[],
): readonly TrustDifference[] =>
  TRUST_LISTS.filter(
    (list) => !said.some((difference) => difference.list === list) && encoded(a, list) !== encoded(b, list),
  ).map((list) => ({
    kind: 'other',
    list,
    id: '',
    sentence: `the list of every ${LIST_NAMES[list]} differs otherwise, such as in its order`,
  }));

const TRUST_LISTS = Object.keys(EMPTY_TRUSTED_ROOT) as readonly TrustList[];

/** One list, without its URLs: of those that differ something was said, where they are to be compared. */
const encoded = (root: TrustedRoot, list: TrustList): string =>
  encodeTrustedRoot({
    ...EMPTY_TRUSTED_ROOT,
    [list]: root[list].map((entry) => ('chain' in entry ? { ...entry, uri: '' } : { ...entry, baseUrl: '' })),
  });

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

const addedBeside = (entry: TrustEntry): string =>
  `${MADE[entry.list](entry.name)} ${windowText(entry)} are accepted too, by one more entry of it`;

const removedBeside = (entry: TrustEntry): string =>
  `${MADE[entry.list](entry.name)} ${windowText(entry)} are no longer accepted by an entry that is gone; others of it stay`;

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
  const who = `the ${called(entry)}`;
  const changes: Change[] = [];
  // Where the ledger is compared with an export of it, the URL is not there yet.
  if (before !== after && !isOwnPath(before) && !isOwnPath(after))
    changes.push(['url', `${who} has another URL: what is accepted stays the same`]);
  if ('chain' in was && 'chain' in is && !sameBytes(was.chain, is.chain))
    changes.push(['chain', `${who} has other certificates above it: what it issued must chain to these`]);
  if ('publicKey' in was && 'publicKey' in is) changes.push(...logChanges(was, is, who));
  if (shownOf(was) !== shownOf(is))
    changes.push(['other', `${who} is shown with other names: what is accepted stays the same`]);
  return changes;
}

function logChanges(was: TrustedLogInstance, is: TrustedLogInstance, who: string): readonly Change[] {
  const changes: Change[] = [];
  if (!equalBytes(was.publicKey, is.publicKey))
    changes.push([
      'key',
      `${who} has another key under the same id: what the old key signed is refused, and what this one signs is accepted`,
    ]);
  if (was.keyDetails !== is.keyDetails)
    changes.push(['key', `the key of ${who} is said to be ${is.keyDetails}, and was ${was.keyDetails}`]);
  const [old, id] = [was, is].map(({ checkpointKeyId }) => checkpointKeyId && toBase64(checkpointKeyId));
  if (old !== id)
    changes.push([
      'id',
      `${who} has another key id in its checkpoints (it was ${old ?? 'none'}, and is ${id ?? 'none'}): clients look for their signature by it`,
    ]);
  return changes;
}

const urlOf = (entry: { readonly uri: string } | { readonly baseUrl: string }): string =>
  'uri' in entry ? entry.uri : entry.baseUrl;

/** What only people read. */
const shownOf = (entry: TrustedAuthority | TrustedLogInstance): string =>
  JSON.stringify([
    entry.operator ?? null,
    ...('chain' in entry ? [entry.organization, entry.commonName] : []),
  ]);

const sameBytes = (a: readonly Uint8Array[], b: readonly Uint8Array[]): boolean =>
  a.length === b.length && a.every((bytes, index) => equalBytes(bytes, b[index] ?? new Uint8Array()));

type Pair = readonly [old: TrustEntry, entry: TrustEntry];

/** Which entry has become which. */
interface Matched {
  /** Of the same authority or log. */
  readonly pairs: readonly Pair[];
  /** Logs with the same key under another id. */
  readonly renamed: readonly Pair[];
  readonly gone: readonly TrustEntry[];
  readonly fresh: readonly TrustEntry[];
}

const isSameWindow = (one: Window, other: Window): boolean =>
  one.start === other.start && one.end === other.end;

/** Each entry once: with its like, then with one that differs in its window alone, then with another of the same authority or log. So of several entries none hides another. */
function matched(a: TrustedRoot, b: TrustedRoot): Matched {
  const [gone, fresh] = [[...entriesOf(a)], [...entriesOf(b)]];
  const take = (isPair: (old: TrustEntry, entry: TrustEntry) => boolean): readonly Pair[] =>
    [...gone].flatMap((old) => {
      const at = fresh.findIndex((entry) => old.list === entry.list && isPair(old, entry));
      if (at < 0) return [];
      gone.splice(gone.indexOf(old), 1);
      return fresh.splice(at, 1).map((entry) => [old, entry] as const);
    });
  const isSame = (old: TrustEntry, entry: TrustEntry): boolean =>
    old.key === entry.key && otherChanges(a, b, old, entry).length === 0;
  const pairs = [
    ...take((old, entry) => isSame(old, entry) && isSameWindow(old.window, entry.window)),
    ...take((old, entry) => old.key === entry.key && isSameWindow(old.window, entry.window)),
    ...take(isSame),
    ...take((old, entry) => old.key === entry.key),
  ];
  const renamed = take((old, entry) => {
    const [was, is] = [a[old.list][old.index], b[entry.list][entry.index]];
    return (
      was !== undefined &&
      is !== undefined &&
      'publicKey' in was &&
      'publicKey' in is &&
      equalBytes(was.publicKey, is.publicKey)
    );
  });
  return { pairs, renamed, gone, fresh };
}

/** The first of each list that was there and not first. */
function firstChanges(before: readonly TrustEntry[], after: readonly TrustEntry[]): readonly TrustEntry[] {
  return after.filter(
    (entry) =>
      entry.index === 0 &&
      before.some(({ list, key }) => list === entry.list && key === entry.key) &&
      !before.some(({ list, index, key }) => list === entry.list && index === 0 && key === entry.key),
  );
}
