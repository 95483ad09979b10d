/** `mayfly trust end`: from a time on, verifiers are to believe an authority or a log no more. */
import { fromBase64, toHex } from '../../core/bytes.ts';
import { parseRfc3339, rfc3339 } from '../../core/clock.ts';
import { FormatError } from '../../core/errors.ts';
import { openDataDirectory } from '../../instance/data-directory.ts';
import { entriesOf, LIST_NAMES, withWindows, type TrustEntry, type TrustList } from '../../trust/entries.ts';
import { readTrust, recordTrust, type InstanceTrust } from '../../trust/ledger.ts';
import { CommandError, type Speaker } from '../program/command.ts';
import { invocation } from '../program/invocation.ts';
import { parseChoice } from '../program/options.ts';
import { quotedPath } from '../../storage/quoted-path.ts';

/** Options of `mayfly trust end`. */
export interface EndOptions {
  readonly data: string;
  readonly ca?: string;
  readonly log?: string;
  readonly tsa?: string;
  readonly at: string;
  readonly reason: string;
  readonly inForce?: true;
  readonly later?: true;
}

const REASONS = ['superseded', 'compromise'] as const;

/** Why something ends. */
type EndReason = (typeof REASONS)[number];

/** Ends the window in the ledger. Rejects with {@link CommandError} when the options do not name exactly one thing, or when what they ask for was
 * not permitted; nothing is changed then. */
export async function endTrust(options: EndOptions, speak: Speaker): Promise<undefined> {
  const reason = parseChoice(options.reason, '--reason', REASONS);
  const end = endOf(options.at);
  const { paths } = await openDataDirectory(options.data, { write: true });
  const trust = await readTrust(paths);
  const entries = named(trust, options);
  const inForce = entries.filter((entry) => isInForce(entry, trust));
  for (const entry of entries) requireEndable(entry, end);
  if (inForce.length > 0 && options.inForce !== true) throw stillInForce(inForce);
  const moved = entries.filter(({ window }) => window.end !== undefined && window.end < end);
  if (moved.length > 0 && options.later !== true) throw movedLater(moved, end);
  await recordTrust(paths, (root) =>
    withWindows(root, again(entries, entriesOf(root)), ({ window }) => ({ ...window, end })),
  );
  speak.answer(
    {
      reason,
      end: rfc3339(end),
      ended: entries.map((entry) => factsOf(entry, end)),
      inForce: inForce.length > 0,
    },
    report(entries, { end, reason, isInForce: inForce.length > 0 }, options.data),
  );
  return undefined;
}

/** The same entries where they stand now. */
const again = (entries: readonly TrustEntry[], all: readonly TrustEntry[]): readonly TrustEntry[] =>
  all.filter(({ list, key }) => entries.some((one) => one.list === list && one.key === key));

/** Trusted roots have whole seconds; the end belongs to the window. */
function endOf(text: string): number {
  const at = text === 'now' ? Date.now() : parseRfc3339(text);
  if (at !== undefined) return Math.floor(at / 1000) * 1000;
  throw new CommandError('USAGE', `--at: "${text}" is neither an RFC 3339 time nor "now"`, {
    hint: 'Write it with date, time and zone, e.g. 2026-11-22T10:00:00Z.',
  });
}

function named({ root, logs }: InstanceTrust, options: EndOptions): readonly TrustEntry[] {
  const given = (['ca', 'log', 'tsa'] as const).filter((option) => options[option] !== undefined);
  const [option, ...more] = given;
  if (option === undefined || more.length > 0)
    throw new CommandError('USAGE', 'say what ends: one of --ca, --log and --tsa', {
      hint: `See what there is: ${invocation()} trust show DIR`,
    });
  const text = options[option] ?? '';
  const all = entriesOf(root).filter(({ list }) => OPTION_LISTS[option].includes(list));
  const names = logs.filter(({ name }) => name === text).map(({ logId }) => toHex(logId));
  const found = option === 'log' ? all.filter((entry) => isLog(entry, text, names)) : authorities(all, text);
  if (found.length > 0) return found;
  const known = all.map(({ name, id }) => `${id} (${name})`);
  throw new CommandError('USAGE', `--${option}: nothing that is trusted is called "${text}"`, {
    hint: `There is ${known.length === 0 ? 'none of the kind' : known.join(', ')}.`,
  });
}

const OPTION_LISTS: Readonly<Record<'ca' | 'log' | 'tsa', readonly TrustList[]>> = {
  ca: ['certificateAuthorities'],
  log: ['certificateLogs', 'artifactLogs'],
  tsa: ['timestampAuthorities'],
};

/** By the fingerprint of its own certificate; that of a root names all that are below it. */
function authorities(all: readonly TrustEntry[], text: string): readonly TrustEntry[] {
  const id = text.replaceAll(':', '').toLowerCase();
  const own = all.filter((entry) => entry.id === id);
  return own.length > 0 ? own : all.filter(({ rootId }) => rootId === id);
}

const isLog = ({ key, name }: TrustEntry, text: string, names: readonly string[]): boolean =>
  names.includes(key) || name === text || key === text.toLowerCase() || key === hexOfBase64(text);

function hexOfBase64(text: string): string | undefined {
  try {
    return toHex(fromBase64(text));
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return undefined;
  }
}

const isInForce = (entry: TrustEntry, { inForce }: InstanceTrust): boolean =>
  entriesOf(inForce).some(({ list, key }) => list === entry.list && key === entry.key);

function requireEndable({ name, window }: TrustEntry, end: number): void {
  // Trusted roots have whole seconds.
  if (end >= Math.floor(window.start / 1000) * 1000) return;
  throw new CommandError('REFUSED', `${name} is trusted only from ${rfc3339(window.start)} on`, {
    hint: 'To have nothing of it believed, name that time with --at.',
  });
}

const stillInForce = (entries: readonly TrustEntry[]): CommandError =>
  new CommandError('REFUSED', `${entries.map(({ name }) => name).join(', ')} is in force`, {
    hint: 'The service goes on signing with it, and verifiers would refuse all that it signs after that time. Put a successor in force first (ca renew, log rotate, tsa renew), or say --in-force.',
  });

const movedLater = (entries: readonly TrustEntry[], end: number): CommandError =>
  new CommandError(
    'REFUSED',
    entries.map(({ name, window }) => `${name} ended already at ${rfc3339(window.end ?? end)}`).join(', '),
    {
      hint: 'A later end would let verifiers believe again what they refuse now. If that is meant, say --later.',
    },
  );

const factsOf = ({ list, name, id, window }: TrustEntry, end: number): Readonly<Record<string, unknown>> => ({
  kind: LIST_NAMES[list],
  name,
  id,
  from: rfc3339(window.start),
  until: rfc3339(end),
  before: window.end === undefined ? null : rfc3339(window.end),
});

interface Ended {
  readonly end: number;
  readonly reason: EndReason;
  readonly isInForce: boolean;
}

function report(entries: readonly TrustEntry[], ended: Ended, data: string): string {
  const time = rfc3339(ended.end);
  const lists = new Set(entries.map(({ list }) => list));
  return [
    ...entries.map(
      ({ list, name, id, window }) =>
        `The ${LIST_NAMES[list]} ${name} is trusted from ${rfc3339(window.start)} until ${time}\n  ${id}`,
    ),
    '',
    'What that does:',
    ...[...lists].map((list) => `  ${EFFECTS[list].replaceAll('TIME', time)}`),
    ...(ended.isInForce
      ? [...lists].map((list) => `  ${list === 'timestampAuthorities' ? TIMESTAMPS_IN_FORCE : IN_FORCE}`)
      : []),
    ...(ended.reason === 'compromise' ? compromiseLines(entries, time) : []),
    `  Verifiers that have older files notice nothing until they get new ones.`,
    'Next, hand it out: `mayfly trust export`, and the TUF repository where clients use it;',
    `  ${invocation()} trust export --data ${quotedPath(data)} --out DIR`,
  ].join('\n');
}

const EFFECTS: Readonly<Record<TrustList, string>> = {
  certificateAuthorities:
    'Certificates below it that were logged after TIME are refused, and signatures that were made after it; those from before go on verifying.',
  certificateLogs:
    'SCTs of it from after TIME are refused, and so are proofs under heads from after it; those from before go on verifying.',
  timestampAuthorities: 'Timestamps of it from after TIME are refused; those from before go on verifying.',
  artifactLogs: 'Entries that it took after TIME are refused; those from before go on verifying.',
};

const IN_FORCE =
  'It is in force: the service goes on signing with it, and all that it signs after that time is refused. Put a successor in force.';

const TIMESTAMPS_IN_FORCE =
  'It is in force: after that time the service grants no timestamps with it. Put a successor in force.';

function compromiseLines(entries: readonly TrustEntry[], time: string): readonly string[] {
  const timestamps = entries.filter(({ list }) => list === 'timestampAuthorities');
  const others = entries.length > timestamps.length ? COMPROMISE : [];
  const lines = timestamps.flatMap(({ window }) =>
    DATED_BACK.map((line) => line.replaceAll('START', rfc3339(window.start))),
  );
  return [...others, ...lines].map((line) => `  ${line.replaceAll('TIME', time)}`);
}

/** Of a key for timestamps: no other key dates what it signs. */
const DATED_BACK: readonly string[] = [
  'A thief of the key chooses the time of its timestamps, also one before TIME: from before it, believe those alone that you have other evidence of.',
  'To have it believed in nothing: `--at START`. Then get new timestamps for what must go on verifying, while its certificates live, or sign it anew.',
  'docs/rotation.md, "A stolen key for timestamps", has the rest.',
];

const COMPROMISE: readonly string[] = [
  'A thief of the key cannot date back what a log or a timestamp authority of another key has to date. Where one key dates for itself, TIME must lie before the theft.',
  'Who got certificates since then: `mayfly log list --since TIME`. What was misused before it goes on a deny list (docs/deny-list.md).',
];
