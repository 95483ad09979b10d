/** Says in words what a change of a repository does: for those who sign it. */
import type { Root, Targets } from '@tufjs/models';
import { hasOnlyKnownMembers, highestVersion, keysOf, latestEnd, type RoleKeys } from './new-metadata.ts';
import { ROLES, type RoleName } from './roles.ts';
import type { StagedChange } from './staged-change.ts';
import { ownMember, targetDifferences } from './target-contents.ts';
import { contentLines, meaningChanges, targetSentences, unfitTargets } from './target-text.ts';

/** One line each: what changes from what the file says was in force, and then all that holds afterwards, as that part of the file is the word of
 * the server alone. `now` in milliseconds since the epoch, by the clock of who signs. */
export const describeChange = (change: StagedChange, now: number): readonly string[] => [
  ...rootLines(change),
  ...targetsLines(change, now),
];

/** Why nobody should sign `change`; a sentence each. By the clock and the file alone: what the file says was in force is the word of the server. */
export const unfitParts = ({ root, targets, files }: StagedChange, now: number): readonly string[] => [
  ...(root === undefined ? [] : unfitMembers('root', root.signed, now)),
  ...(targets === undefined
    ? []
    : [
        ...unfitVersion(targets.signed, now),
        ...unfitMembers('targets', targets.signed, now),
        ...unfitTargets({ described: targets.signed.targets, files, now }),
      ]),
];

const unfitVersion = ({ version }: Targets, now: number): readonly string[] =>
  version <= highestVersion(now)
    ? []
    : [`the targets have version ${version}, which the clock does not reach for more than a day`];

/** What is signed is said in words: a member that nobody knows could not be. */
function unfitMembers(role: 'root' | 'targets', signed: Root | Targets, now: number): readonly string[] {
  const isLate = !(Date.parse(signed.expires) <= latestEnd(role, now));
  return [
    ...(isLate ? [`the ${role} would count until ${signed.expires}, longer than two years`] : []),
    ...(hasOnlyKnownMembers(signed)
      ? []
      : [`the ${role} metadata has members that this version does not know`]),
  ];
}

function rootLines({ before, root }: StagedChange): string[] {
  if (root === undefined) return [];
  const [old, now] = [before.root.signed, root.signed];
  return [
    `Root: version ${old.version} becomes ${now.version}, and ends on ${now.expires} instead of ${old.expires}.`,
    ...ROLES.flatMap((role) => keyLines(role, old, now)),
    '  Who signs then:',
    ...ROLES.flatMap((role) => roleLines(role, now)),
  ];
}

/** Whole ids: a part of one is soon found for another key. */
function roleLines(role: RoleName, root: Root): string[] {
  const { keys, threshold } = keysOf(root)[role];
  return [`    ${role}: ${threshold} of`, ...keys.map(({ keyID }) => `      ${keyID}`)];
}

const MEANS: Readonly<Record<RoleName, string>> = {
  root: 'may change who signs anything here',
  targets: 'may change whom all clients trust',
  snapshot: 'signs on the server',
  timestamp: 'signs on the server',
};

function keyLines(role: RoleName, old: Root, now: Root): string[] {
  const [before, after] = [keysOf(old)[role], keysOf(now)[role]];
  const threshold =
    before.threshold === after.threshold
      ? []
      : [`  ${role}: ${after.threshold} signatures are needed instead of ${before.threshold}.`];
  return [
    ...idsNotIn(after, before).map((id) => `  ${role}: key ${id} is new; it ${MEANS[role]}.`),
    ...idsNotIn(before, after).map((id) => `  ${role}: key ${id} does not count any more.`),
    ...threshold,
  ];
}

const idsNotIn = (these: RoleKeys, those: RoleKeys): string[] =>
  these.keys.map(({ keyID }) => keyID).filter((id) => !those.keys.some(({ keyID }) => keyID === id));

function targetsLines({ before, targets, files }: StagedChange, now: number): string[] {
  if (targets === undefined) return ['Targets: stay as they are.'];
  const [old, next] = [before.targets.signed, targets.signed];
  const names = [...targetDifferences(old.targets, next.targets).keys()];
  return [
    `Targets: version ${old.version} becomes ${next.version}, and ends on ${next.expires} instead of ${old.expires}.`,
    ...names.flatMap((name) => [
      ...targetSentences(name, ownMember(old.targets, name), ownMember(next.targets, name)).map(
        (sentence) => `  ${sentence}`,
      ),
      ...meaningChanges(name, before.files, files).map((sentence) => `    - ${sentence}`),
    ]),
    ...(names.length === 0 ? ['  Clients get the same files as before.'] : []),
    ...contentLines({ described: next.targets, files, now }),
  ];
}
