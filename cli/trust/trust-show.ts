/** `mayfly trust show` and `mayfly trust diff`: what files for verifiers trust, in words. */
import { rfc3339 } from '../../core/clock.ts';
import { printable } from '../../core/printable.ts';
import { differencesOf } from '../../trust/differences.ts';
import { entriesOf, LIST_NAMES, type TrustEntry } from '../../trust/entries.ts';
import { isWithin, type TrustedRoot } from '../../trust/format/trusted-root.ts';
import { authorityObservations, endOfCertificate, logObservations } from '../../trust/observations.ts';
import { CommandError, type Speaker } from '../program/command.ts';
import { tufEnds, type TufEnd } from './tuf-ends.ts';
import { readTrustSource } from './trust-source.ts';

/** What is shown without a name. */
const DEFAULT_SOURCE = 'trust';

/** `mayfly trust show`. Rejects with CommandError. */
export async function showTrust(
  _options: unknown,
  speak: Speaker,
  [source = DEFAULT_SOURCE]: readonly string[],
): Promise<undefined> {
  const root = await readTrustSource(source);
  const now = Date.now();
  const rows = entriesOf(root).map((entry) => rowOf(root, entry, now));
  const tuf = /^https?:/i.test(source) ? [] : await tufEnds(source);
  const next = nextEnd(rows, tuf, now);
  speak.answer(
    { entries: rows, tuf, nextEnd: next },
    [...table(rows), ...tuf.map((end) => tufLine(end, now)), ...nextLine(next)].join('\n'),
  );
}

/** An entry, as it is shown. Times are RFC 3339. */
interface Row {
  readonly kind: string;
  readonly name: string;
  readonly id: string;
  readonly url: string;
  readonly from: string;
  readonly to: string | null;
  /** The first end of a certificate of its chain; null for a log. */
  readonly certificatesEnd: string | null;
  readonly state: 'in force' | 'ended' | 'not yet';
  readonly notes: readonly string[];
}

function rowOf(root: TrustedRoot, entry: TrustEntry, now: number): Row {
  const item = root[entry.list][entry.index];
  if (item === undefined) throw new TypeError('the entry is of another root');
  const isAuthority = 'chain' in item;
  const ends = isAuthority ? item.chain.flatMap((der) => endOfCertificate(der) ?? []) : [];
  const { start, end } = entry.window;
  return {
    kind: LIST_NAMES[entry.list],
    name: entry.name,
    id: entry.id,
    url: printable(isAuthority ? item.uri : item.baseUrl),
    from: rfc3339(start),
    to: end === undefined ? null : rfc3339(end),
    certificatesEnd: ends.length === 0 ? null : rfc3339(Math.min(...ends)),
    state: isWithin(entry.window, now) ? 'in force' : start > now ? 'not yet' : 'ended',
    notes: isAuthority
      ? authorityObservations(item, now)
      : logObservations(item, entry.list === 'artifactLogs'),
  };
}

function table(rows: readonly Row[]): readonly string[] {
  if (rows.length === 0) return ['Nobody is trusted.'];
  const cells = rows.map(({ kind, state, from, to, certificatesEnd, name }) => [
    ...[kind, state, from, to ?? '–', certificatesEnd ?? '–', name],
  ]);
  const all = [['KIND', 'STATE', 'FROM', 'TO', 'CERTIFICATES END', 'NAME'], ...cells];
  const widths = all[0]?.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0))) ?? [];
  const lines = all.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  return lines.flatMap((line, index) => {
    const row = rows[index - 1];
    if (row === undefined) return [line];
    return [line, `    id ${row.id}`, ...row.notes.map((note) => `    note: ${note}`)];
  });
}

interface NextEnd {
  readonly time: string;
  readonly what: string;
}

const tufLine = ({ role, version, end }: TufEnd, now: number): string =>
  `TUF ${role}, version ${version}: ${Date.parse(end) < now ? 'ended on' : 'until'} ${end}`;

/** What ends first of what has not ended. */
function nextEnd(rows: readonly Row[], tuf: readonly TufEnd[], now: number): NextEnd | null {
  const ends: readonly NextEnd[] = rows
    .flatMap(({ kind, name, to, certificatesEnd }) => [
      ...(to === null ? [] : [{ time: to, what: `the window of the ${kind} ${name}` }]),
      ...(certificatesEnd === null
        ? []
        : [{ time: certificatesEnd, what: `a certificate of the ${kind} ${name}` }]),
    ])
    .concat(
      tuf
        // The service signs the other two again by itself.
        .filter(({ role }) => role === 'root' || role === 'targets')
        .map(({ role, end }) => ({ time: end, what: `the ${role} metadata of TUF` })),
    )
    .filter(({ time }) => Date.parse(time) >= now)
    .sort((a, b) => Date.parse(a.time) - Date.parse(b.time));
  return ends[0] ?? null;
}

const nextLine = (next: NextEnd | null): readonly string[] =>
  next === null ? [] : [`Next to end: ${next.what}, on ${next.time}`];

/** `mayfly trust diff`: false when there is a difference. Rejects with CommandError. */
export async function diffTrust(
  _options: unknown,
  speak: Speaker,
  [a, b]: readonly string[],
): Promise<boolean> {
  if (a === undefined || b === undefined) throw new CommandError('USAGE', 'name two to compare');
  const [before, after] = [await readTrustSource(a), await readTrustSource(b)];
  const differences = differencesOf(
    { root: before, name: printable(a) },
    { root: after, name: printable(b) },
  );
  const lines = differences.map(({ sentence }) => `- ${sentence}`);
  speak.answer({ differences }, lines.length === 0 ? 'They trust the same.' : lines.join('\n'));
  return differences.length === 0;
}
