/** Says in words what targets are and mean: for those who sign them, who know nothing but the file before them. */
import { hash } from 'node:crypto';
import type { TargetFile } from '@tufjs/models';
import { rfc3339 } from '../../core/clock.ts';
import { FormatError, messageOf } from '../../core/errors.ts';
import { printable } from '../../core/printable.ts';
import { differencesOf } from '../differences.ts';
import { entriesOf, LIST_NAMES, type TrustEntry } from '../entries.ts';
import { parseSigningConfig, type SigningConfig, type SigningService } from '../format/signing-config.ts';
import { parseTrustedRoot, type TrustedRoot } from '../format/trusted-root.ts';
import { olderTargets } from './sigstore-targets.ts';
import { describeTargets, ownMember, targetDifferences, usageOf } from './target-contents.ts';

/** Name → text of targets. */
export type TargetTexts = ReadonlyMap<string, string>;

const TRUSTED_ROOT = 'trusted_root.json';
const SIGNING_CONFIG = 'signing_config.v0.2.json';

/** Targets as those have them who are asked to sign. */
export interface TargetsToSign {
  /** What the metadata says of each. */
  readonly described: Readonly<Record<string, TargetFile>>;
  readonly files: TargetTexts;
  /** Milliseconds since the epoch: what has ended by then follows no more from the trusted root. */
  readonly now: number;
}

/** What of `targets` cannot be said in words, or is not what the trusted root says; a sentence each. */
export const unfitTargets = (targets: TargetsToSign): readonly string[] => [
  ...(targets.files.has(TRUSTED_ROOT) ? [] : [`there is no ${TRUSTED_ROOT}`]),
  ...[rootIn(targets.files), configIn(targets.files)].flatMap((read) =>
    'failure' in read ? [read.failure] : [],
  ),
  ...strayTargets(targets),
  ...[TRUSTED_ROOT, SIGNING_CONFIG].flatMap((name) => {
    const members = Object.keys(ownMember(targets.described, name)?.unrecognizedFields ?? {});
    return members.length === 0 ? [] : [`the metadata says more of ${name} than any client reads`];
  }),
];

/** Older tools read other files than `trusted_root.json`: these say the same as it, or somebody has made them up. */
function strayTargets({ described, files, now }: TargetsToSign): readonly string[] {
  const root = rootIn(files);
  if (!('value' in root)) return [];
  const right = describeTargets(olderTargets(root.value, now));
  const others = Object.entries(described).filter(
    ([name]) => name !== TRUSTED_ROOT && name !== SIGNING_CONFIG,
  );
  return [...targetDifferences(right, Object.fromEntries(others))].map(
    ([name, how]) => `${printable(name)} ${STRAY[how]} ${TRUSTED_ROOT}`,
  );
}

const STRAY = {
  new: 'does not follow from',
  gone: 'is missing, which follows from',
  changed: 'is not the file, or not for what, that follows from',
} as const;

/** What one target becomes: in a sentence or two. */
export function targetSentences(
  name: string,
  old: TargetFile | undefined,
  now: TargetFile | undefined,
): readonly string[] {
  const what = printable(name);
  if (now === undefined) return [`${what} is no longer there.`];
  if (old === undefined) return [`${what} is new (SHA-256 ${sumOf(now)}).`];
  const [before, after] = [useOf(old), useOf(now)];
  return [
    ...(sumOf(old) === sumOf(now) ? [] : [`${what} changes (SHA-256 ${sumOf(now)}).`]),
    ...(before === after
      ? []
      : [`What ${what} is for changes: older tools read ${after}, and read ${before} before.`]),
    ...(sumOf(old) === sumOf(now) && before === after
      ? [`What the metadata says of ${what} changes, and the file does not.`]
      : []),
  ];
}

const sumOf = ({ hashes }: TargetFile): string => printable(hashes['sha256'] ?? 'unknown');

function useOf(file: TargetFile): string {
  const usage = usageOf(file);
  if (usage === undefined) return 'nothing';
  if (typeof usage !== 'object' || usage === null) return printable(JSON.stringify(usage));
  return printable(
    Object.entries(usage)
      .map(([name, value]) => `${name} ${typeof value === 'string' ? value : JSON.stringify(value)}`)
      .join(', '),
  );
}

/** The sum of each file, what the two that decide mean, and which of the others do not say the same: whatever was in force before. */
export function contentLines(targets: TargetsToSign): readonly string[] {
  const { files } = targets;
  const names = [...files.keys()].sort();
  return [
    '  What clients get then, with SHA-256:',
    ...names.map((name) => `    ${hash('sha256', files.get(name) ?? '', 'hex')}  ${printable(name)}`),
    ...partLines(`  What ${TRUSTED_ROOT} trusts then:`, rootIn(files), entryLines),
    ...partLines(`  Where clients sign then, by ${SIGNING_CONFIG}:`, configIn(files), serviceLines),
    ...(files.has(TRUSTED_ROOT) ? [] : [`  ATTENTION: there is no ${TRUSTED_ROOT}.`]),
    ...strayTargets(targets).map((sentence) => `  ATTENTION: ${sentence} at this time.`),
  ];
}

/** What changes in the meaning of `name` for those who verify or sign. */
export function meaningChanges(name: string, before: TargetTexts, after: TargetTexts): readonly string[] {
  if (name === TRUSTED_ROOT)
    return changesOf(rootIn(before), rootIn(after), (a, b) =>
      differencesOf({ root: a, name: 'what is in force' }, { root: b, name: 'the new one' }).map(
        ({ sentence }) => sentence,
      ),
    );
  if (name === SIGNING_CONFIG) return changesOf(configIn(before), configIn(after), configChanges);
  return [];
}

/** What was read, or why it was not; neither where there is no such file. */
type Read<T> = { readonly value: T } | { readonly failure: string } | { readonly isMissing: true };

function readIn<T>(files: TargetTexts, name: string, parse: (text: string) => T): Read<T> {
  const text = files.get(name);
  if (text === undefined) return { isMissing: true };
  try {
    return { value: parse(text) };
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return { failure: `${name} cannot be read: ${printable(messageOf(error))}` };
  }
}

const rootIn = (files: TargetTexts): Read<TrustedRoot> => readIn(files, TRUSTED_ROOT, parseTrustedRoot);
const configIn = (files: TargetTexts): Read<SigningConfig> =>
  readIn(files, SIGNING_CONFIG, parseSigningConfig);

function partLines<T>(
  title: string,
  read: Read<T>,
  lines: (value: T) => readonly string[],
): readonly string[] {
  if ('isMissing' in read) return [];
  if ('failure' in read)
    return [
      `  ATTENTION: ${read.failure}. Nothing here says what it does to clients: other programs may read it.`,
    ];
  const found = lines(read.value);
  return [title, ...(found.length === 0 ? ['none'] : found).map((line) => `    ${line}`)];
}

function changesOf<T>(a: Read<T>, b: Read<T>, compare: (a: T, b: T) => readonly string[]): readonly string[] {
  if ('value' in a && 'value' in b) return compare(a.value, b.value);
  // What the new one is stands with the contents.
  return 'failure' in a ? [`what is in force cannot be compared with: ${a.failure}`] : [];
}

function entryLines(root: TrustedRoot): readonly string[] {
  return entriesOf(root).flatMap((entry) => [
    `${LIST_NAMES[entry.list]} ${entry.name}, ${windowText(entry.window)}`,
    `    ${idText(root, entry)}`,
  ]);
}

/** Of a log with the sum of its key: nothing says that an id belongs to it. */
function idText(root: TrustedRoot, { list, index, id, rootId }: TrustEntry): string {
  const item = root[list][index];
  if (item !== undefined && 'publicKey' in item)
    return `id ${id}, SHA-256 of its key ${hash('sha256', item.publicKey, 'hex')}`;
  return `SHA-256 of its certificate ${id}${rootId === undefined || rootId === id ? '' : `, of its root ${rootId}`}`;
}

const windowText = ({ start, end }: { start: number; end?: number | undefined }): string =>
  `from ${rfc3339(start)}${end === undefined ? '' : ` to ${rfc3339(end)}`}`;

const SERVICES = [
  ['certificateAuthorities', 'CA'],
  ['openidProviders', 'OpenID provider'],
  ['artifactLogs', 'Rekor'],
  ['timestampAuthorities', 'timestamp authority'],
] as const;

const serviceText = (kind: string, { url, majorApiVersion, operator, window }: SigningService): string =>
  `${kind} ${printable(url)} of ${printable(operator) || 'nobody named'}, version ${majorApiVersion}, ${windowText(window)}`;

const serviceLines = (config: SigningConfig): readonly string[] => [
  ...SERVICES.flatMap(([list, kind]) => config[list].map((service) => serviceText(kind, service))),
  ...selectionLines('Rekor', config.artifactLogSelection),
  ...selectionLines('timestamp authority', config.timestampSelection),
];

const selectionLines = (kind: string, selection: SigningConfig['artifactLogSelection']): readonly string[] =>
  selection === undefined
    ? []
    : [
        `of each kind ${kind}: ${selection.selector}${selection.count === undefined ? '' : ` ${selection.count}`}`,
      ];

function configChanges(a: SigningConfig, b: SigningConfig): readonly string[] {
  const [before, after] = [serviceLines(a), serviceLines(b)];
  const changes = [
    ...without(after, before).map((line) => `new for signing: ${line}`),
    ...without(before, after).map((line) => `no longer for signing: ${line}`),
  ];
  const isReordered = changes.length === 0 && before.join('\n') !== after.join('\n');
  return isReordered ? ['the services stand in another order: clients take the first that fits'] : changes;
}

/** What `these` has more often than `those`. */
function without(these: readonly string[], those: readonly string[]): readonly string[] {
  const left = [...those];
  return these.filter((line) => {
    const index = left.indexOf(line);
    if (index >= 0) left.splice(index, 1);
    return index < 0;
  });
}
