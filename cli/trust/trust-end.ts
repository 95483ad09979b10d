/** `mayfly trust end`: from a time on, verifiers are to believe an authority or a log no more. */
import { parseRfc3339, rfc3339 } from '../../core/clock.ts';
import { openDataDirectory } from '../../instance/data-directory.ts';
import { entriesOf, LIST_NAMES, withWindows, type TrustEntry, type TrustList } from '../../trust/entries.ts';
import type { Window } from '../../trust/format/trusted-root.ts';
import { changeTrust, type InstanceTrust } from '../../trust/ledger.ts';
import { CommandError, type Speaker } from '../program/command.ts';
import { invocation } from '../program/invocation.ts';
import { parseChoice } from '../program/options.ts';
import { namedEntries, type NameOptions } from './named-entries.ts';
import { quotedPath } from '../../storage/quoted-path.ts';

/** Options of `mayfly trust end`. */
export interface EndOptions extends NameOptions {
  readonly data: string;
  readonly at: string;
  readonly reason: string;
  readonly inForce?: true;
  readonly later?: true;
  readonly sameKey?: true;
}

const REASONS = ['superseded', 'compromise'] as const;

/** Why something ends. */
type EndReason = (typeof REASONS)[number];

/** Ends the window in the ledger. Rejects with {@link CommandError} when the options do not name exactly one thing, or when what they ask for was
 * not permitted; nothing is changed then. */
export async function endTrust(options: EndOptions, speak: Speaker): Promise<undefined> {
  const reason = parseChoice(options.reason, '--reason', REASONS);
  const end = endOf(options.at, reason);
  const { paths } = await openDataDirectory(options.data, { write: true });
  const ended = await changeTrust(paths, (trust) => {
    for (const sentence of trust.unreadable) speak.note(`warning: ${sentence}`);
    const ending = decide(trust, { end, reason, options });
    return { root: withWindows(trust.root, ending.entries, ending.windowOf), result: ending };
  });
  speak.answer(
    {
      reason,
      end: rfc3339(end),
      ended: ended.entries.map((entry) => factsOf(entry, ended.windowOf(entry).end)),
      inForce: ended.isInForce,
      stillOpen: ended.stillOpen.map((entry) => factsOf(entry, entry.window.end)),
    },
    report(ended, options.data),
  );
  return undefined;
}

interface Asked {
  readonly end: number;
  readonly reason: EndReason;
  readonly options: EndOptions;
}

/** What ends. */
interface Ending {
  readonly end: number;
  readonly reason: EndReason;
  readonly entries: readonly TrustEntry[];
  readonly windowOf: (entry: TrustEntry) => Window;
  readonly isInForce: boolean;
  /** What has the key too and counts for longer. */
  readonly stillOpen: readonly TrustEntry[];
}

/** Throws {@link CommandError} for what was not permitted. */
function decide(trust: InstanceTrust, { end, reason, options }: Asked): Ending {
  const { entries: named, sameKey } = namedEntries(trust, options);
  for (const entry of named) requireEndable(entry, end);
  // What begins later ends where it begins: then nothing of it counts.
  const windowOf = ({ window }: TrustEntry): Window => ({
    ...window,
    end: Math.max(end, Math.floor(window.start / 1000) * 1000),
  });
  const open = sameKey.filter((entry) => (entry.window.end ?? Infinity) > (windowOf(entry).end ?? end));
  if (reason === 'compromise' && open.length > 0 && options.sameKey !== true) throw heldElsewhere(open);
  const entries = options.sameKey === true ? [...named, ...open] : named;
  const inForce = entries.filter((entry) => isInForce(entry, trust));
  if (inForce.length > 0 && options.inForce !== true) throw stillInForce(inForce);
  const moved = entries.filter(({ window }) => window.end !== undefined && window.end < end);
  if (moved.length > 0 && options.later !== true) throw movedLater(moved, end);
  const stillOpen = options.sameKey === true ? [] : open;
  return { end, reason, entries, windowOf, isInForce: inForce.length > 0, stillOpen };
}

const heldElsewhere = (entries: readonly TrustEntry[]): CommandError =>
  new CommandError('REFUSED', `the key is trusted in others too: ${list(entries)}`, {
    hint: 'Who has the key has these too, and what it signs goes on being believed through them. End all of them with --same-key, each from the same time on.',
  });

const list = (entries: readonly TrustEntry[]): string =>
  entries.map(({ name, id }) => `${name} (${id})`).join(', ');

/** Trusted roots have whole seconds; the end belongs to the window. Of what was superseded the second that is goes on counting: what was signed in
 * it was signed in good faith. */
function endOf(text: string, reason: EndReason): number {
  const at = text === 'now' ? Date.now() : parseRfc3339(text);
  const wholeSeconds = reason === 'superseded' && text === 'now' ? Math.ceil : Math.floor;
  if (at !== undefined) return wholeSeconds(at / 1000) * 1000;
  throw new CommandError('USAGE', `--at: "${text}" is neither an RFC 3339 time nor "now"`, {
    hint: 'Write it with date, time and zone, e.g. 2026-11-22T10:00:00Z.',
  });
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
    hint: `The service goes on signing with it, and verifiers would refuse all that it signs after that time. ${[...new Set(entries.map(({ list }) => WAYS_OUT[list]))].join(' ')} Or say --in-force.`,
  });

/** What to do first. */
const WAYS_OUT: Readonly<Record<TrustList, string>> = {
  certificateAuthorities: 'Put a successor in force first (ca renew).',
  certificateLogs: 'Put a successor in force first (log rotate).',
  timestampAuthorities: 'Put a successor in force first (tsa renew).',
  artifactLogs: 'Put a successor in force first (rekor rotate), which ends its time, too.',
};

const movedLater = (entries: readonly TrustEntry[], end: number): CommandError =>
  new CommandError(
    'REFUSED',
    entries.map(({ name, window }) => `${name} ended already at ${rfc3339(window.end ?? end)}`).join(', '),
    {
      hint: 'A later end would let verifiers believe again what they refuse now. If that is meant, say --later.',
    },
  );

const factsOf = (
  { list, name, id, window }: TrustEntry,
  end: number | undefined,
): Readonly<Record<string, unknown>> => ({
  kind: LIST_NAMES[list],
  name,
  id,
  from: rfc3339(window.start),
  until: end === undefined ? null : rfc3339(end),
  before: window.end === undefined ? null : rfc3339(window.end),
});

function report({ entries, stillOpen, ...ended }: Ending, data: string): string {
  const time = rfc3339(ended.end);
  const lists = new Set(entries.map(({ list }) => list));
  return [
    ...entries.map((entry) => {
      const { start, end = ended.end } = ended.windowOf(entry);
      return `The ${LIST_NAMES[entry.list]} ${entry.name} is trusted from ${rfc3339(start)} until ${rfc3339(end)}\n  ${entry.id}`;
    }),
    '',
    'What that does:',
    ...[...lists].map((list) => `  ${EFFECTS[list].replaceAll('TIME', time)}`),
    ...(ended.isInForce ? [...lists].map((list) => `  ${IN_FORCE[list]}`) : []),
    ...(stillOpen.length === 0
      ? []
      : [`  Its key goes on counting where these have it too: ${list(stillOpen)}.`]),
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

const SIGNS_ON =
  'It is in force: the service goes on signing with it, and all that it signs after that time is refused.';

const IN_FORCE: Readonly<Record<TrustList, string>> = {
  certificateAuthorities: `${SIGNS_ON} Put a successor in force.`,
  certificateLogs: `${SIGNS_ON} Put a successor in force.`,
  timestampAuthorities:
    'It is in force: after that time the service grants no timestamps with it. Put a successor in force.',
  artifactLogs:
    'It is in force: after that time the service refuses new entries in it. Put a successor in force (rekor rotate).',
};

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
