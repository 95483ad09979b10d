import { rfc3339 } from '../../../core/clock.ts';
import { keysOf } from '../../../trust/tuf/new-metadata.ts';
import { endsOf } from '../../../trust/tuf/repository.ts';
import { ATTENTION, ROLES } from '../../../trust/tuf/roles.ts';
import { differencesFrom } from '../../../trust/tuf/target-contents.ts';
import type { Speaker } from '../../program/command.ts';
import {
  beginLines,
  openTufDirectory,
  repositoryOf,
  rootOfRepository,
  wantedTargets,
  type TufDirectoryOptions,
} from './tuf-directory.ts';

/** Says what clients get, by whose signatures, and until when. Resolves to false when they do not get what is exported, or when something has ended. */
export async function tufStatus(options: TufDirectoryOptions, speak: Speaker): Promise<boolean> {
  const opened = await openTufDirectory(options, speak);
  const repository = await repositoryOf(opened);
  const [ends, keys, now] = [endsOf(repository), keysOf(repository.root.signed), Date.now()];
  const differences = [...differencesFrom(repository.targets.signed, await wantedTargets(opened))];
  const roles = ROLES.map((role) => ({
    role,
    version: repository[role].signed.version,
    end: rfc3339(ends[role]),
    state: ends[role] <= now ? 'ended' : ends[role] - now < ATTENTION[role] ? 'ends soon' : 'good',
    threshold: keys[role].threshold,
    keys: keys[role].keys.map(({ keyID }) => keyID),
  }));
  const root = rootOfRepository(repository);
  const lines = [
    'Role       Version     Ends                  State      Signatures',
    ...roles.map(
      ({ role, version, end, state, threshold, keys: ids }) =>
        `${role.padEnd(10)} ${String(version).padEnd(11)} ${end.padEnd(21)} ${state.padEnd(10)} ${threshold} of ${ids.length}`,
    ),
    ...roles.flatMap(({ role, keys: ids }) => ids.map((id) => `Key of ${role}: ${id}`)),
    `Root: ${root.version}.root.json, SHA-256 ${root.sha256}`,
    ...differences.map(([name, how]) => `Not as exported: ${name} would be ${WORDS[how]}`),
    ...(differences.length === 0
      ? ['Clients get what is exported.']
      : ['Clients do not get what is exported: mayfly trust tuf stage']),
    ...beginLines(opened.urls.publicUrl, root),
  ];
  speak.answer({ roles, root, differences: Object.fromEntries(differences) }, lines.join('\n'));
  return differences.length === 0 && roles.every(({ state }) => state !== 'ended');
}

const WORDS = { new: 'new', gone: 'gone', changed: 'another one' } as const;
