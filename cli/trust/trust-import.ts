/** `mayfly trust import`: what the verifiers of another deployment trust, taken into the data directory. */
import { rfc3339 } from '../../core/clock.ts';
import { openDataDirectory } from '../../instance/data-directory.ts';
import { quotedPath } from '../../storage/quoted-path.ts';
import { entriesOf, LIST_NAMES, type TrustEntry } from '../../trust/entries.ts';
import { isWithin } from '../../trust/format/trusted-root.ts';
import { importTrust, type TrustImport } from '../../trust/import.ts';
import { changeTrust, type InstanceTrust } from '../../trust/ledger.ts';
import { prepareTrust } from '../../verify/trust.ts';
import { CommandError, type Speaker } from '../program/command.ts';
import { invocation } from '../program/invocation.ts';
import { readTrustedRootFile } from '../verify/chosen-trust.ts';
import { platformCrypto } from '../verify/platform-crypto.ts';

/** Options of `mayfly trust import`. */
export interface ImportTrustOptions {
  readonly data: string;
  readonly takeEnds?: true;
}

/** Imports the file. Rejects with {@link CommandError} `REFUSED` that names every conflict; nothing is changed then. */
export async function importTrustFile(
  options: ImportTrustOptions,
  speak: Speaker,
  [file = '']: readonly string[],
): Promise<undefined> {
  const imported = await readTrustedRootFile(file, 'FILE');
  const { paths } = await openDataDirectory(options.data, { write: true });
  const now = Date.now();
  // Both are decided by what is recorded at that moment: an end that was recorded meanwhile stays.
  const { result, ended } = await changeTrust(paths, (trust) => {
    const merged = importTrust(trust, imported, { takeEnds: options.takeEnds === true, now });
    if (merged.conflicts.length > 0) throw conflicting(merged);
    return { root: merged.root, result: { result: merged, ended: endedNow(merged, trust, now) } };
  });
  const unusable = await unusableIn(imported);
  speak.answer(
    { taken: result.taken.map(factsOf), changed: result.changed.map(factsOf), known: result.known, unusable },
    [...lines(result), ...warnings(unusable, ended), ...next(options.data)].join('\n'),
  );
  return undefined;
}

const conflicting = ({ conflicts }: TrustImport): CommandError =>
  new CommandError('REFUSED', `nothing was taken: ${conflicts.join('; ')}`, {
    hint: 'Find out which of the two is right. `mayfly trust end` ends a window here; --take-ends takes the ends of the file.',
  });

/** What `mayfly verify` cannot use of it; clients of Sigstore may. */
async function unusableIn(trustedRoot: Parameters<typeof importTrust>[1]): Promise<readonly string[]> {
  if (trustedRoot.certificateAuthorities.length === 0) return [];
  const trust = { roots: [], intermediates: [], logs: [], trustedRoot };
  return prepareTrust(trust, platformCrypto).then(
    ({ unusable }) => unusable,
    (error: unknown) => [error instanceof Error ? error.message : String(error)],
  );
}

const endedNow = ({ changed }: TrustImport, { inForce }: InstanceTrust, now: number): readonly TrustEntry[] =>
  changed.filter(
    (entry) =>
      !isWithin(entry.window, now) &&
      entriesOf(inForce).some(({ list, key }) => list === entry.list && key === entry.key),
  );

const windowOf = ({ window: { start, end } }: TrustEntry): string =>
  `${rfc3339(start)} to ${end === undefined ? 'now and on' : rfc3339(end)}`;

const factsOf = (entry: TrustEntry): Readonly<Record<string, unknown>> => ({
  kind: LIST_NAMES[entry.list],
  name: entry.name,
  id: entry.id,
  from: rfc3339(entry.window.start),
  until: entry.window.end === undefined ? null : rfc3339(entry.window.end),
});

const lines = ({ taken, changed, known }: TrustImport): readonly string[] => [
  ...listed('Taken, to be trusted beside our own:', taken),
  ...listed('Was there, and has the window of the file now:', changed),
  ...(taken.length + changed.length === 0 ? ['Nothing is new.'] : []),
  ...(known > 0 ? [`There already: ${known}`] : []),
];

const listed = (title: string, entries: readonly TrustEntry[]): readonly string[] =>
  entries.length === 0
    ? []
    : [
        title,
        ...entries.map(
          (entry) => `  ${LIST_NAMES[entry.list]} ${entry.name}, ${windowOf(entry)}\n    ${entry.id}`,
        ),
      ];

const warnings = (unusable: readonly string[], ended: readonly TrustEntry[]): readonly string[] => [
  ...unusable.map((why) => `\`mayfly verify\` does not use: ${why}`),
  ...ended.map(
    ({ name }) =>
      `${name} is in force here and ended there: put a successor in force, for what it signs is refused.`,
  ),
];

const next = (data: string): readonly string[] => [
  'Hand it out with our own: `mayfly trust export`, and the TUF repository where clients use it;',
  `  ${invocation()} trust export --data ${quotedPath(data)} --out DIR`,
];
