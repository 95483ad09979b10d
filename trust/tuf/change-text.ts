/** Says in words what a change of a repository does: for those who sign it. */
import { hash } from 'node:crypto';
import type { Root } from '@tufjs/models';
import { FormatError } from '../../core/errors.ts';
import { differencesOf } from '../differences.ts';
import { parseTrustedRoot } from '../format/trusted-root.ts';
import { keysOf, type RoleKeys } from './new-metadata.ts';
import { ROLES, type RoleName } from './roles.ts';
import type { StagedChange } from './staged-change.ts';
import { targetDifferences } from './target-contents.ts';
import { shortId } from './tuf-key.ts';

/** One sentence a line. */
export const describeChange = (change: StagedChange): readonly string[] => [
  ...rootLines(change),
  ...targetsLines(change),
];

function rootLines({ before, root }: StagedChange): string[] {
  if (root === undefined) return [];
  const [old, now] = [before.root.signed, root.signed];
  return [
    `Root: version ${old.version} becomes ${now.version}, and ends on ${now.expires} instead of ${old.expires}.`,
    ...ROLES.flatMap((role) => keyLines(role, old, now)),
  ];
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
    ...idsNotIn(after, before).map((id) => `  ${role}: key ${shortId(id)} is new; it ${MEANS[role]}.`),
    ...idsNotIn(before, after).map((id) => `  ${role}: key ${shortId(id)} does not count any more.`),
    ...threshold,
  ];
}

const idsNotIn = (these: RoleKeys, those: RoleKeys): string[] =>
  these.keys.map(({ keyID }) => keyID).filter((id) => !those.keys.some(({ keyID }) => keyID === id));

const WORDS = { new: 'is new', gone: 'is no longer there', changed: 'changes' } as const;

function targetsLines({ before, targets, files }: StagedChange): string[] {
  if (targets === undefined) return [];
  const [old, now] = [before.targets.signed, targets.signed];
  const differences = [...targetDifferences(old.targets, now.targets)];
  return [
    `Targets: version ${old.version} becomes ${now.version}, and ends on ${now.expires} instead of ${old.expires}.`,
    ...differences.flatMap(([name, how]) => [
      `  ${name} ${WORDS[how]}${sumOf(files.get(name))}.`,
      ...(name === TRUSTED_ROOT ? trustLines(before.files.get(name), files.get(name)) : []),
    ]),
    ...(differences.length === 0 ? ['  Clients get the same files as before.'] : []),
  ];
}

const TRUSTED_ROOT = 'trusted_root.json';

/** What it does to those who verify; nothing where one of the two is no trusted root that we can read. */
function trustLines(before: string | undefined, after: string | undefined): string[] {
  try {
    const [a, b] = [before, after].map((text) => parseTrustedRoot(text ?? ''));
    if (a === undefined || b === undefined) return [];
    const differences = differencesOf(
      { root: a, name: 'what is in force' },
      { root: b, name: 'the new one' },
    );
    return differences.map(({ sentence }) => `    - ${sentence}`);
  } catch (error) {
    if (error instanceof FormatError) return [];
    throw error;
  }
}

const sumOf = (text: string | undefined): string =>
  text === undefined ? '' : ` (SHA-256 ${hash('sha256', text, 'hex')})`;
