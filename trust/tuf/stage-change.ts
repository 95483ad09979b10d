/** Makes a change of root or targets, for others to sign. */
import type { Key } from '@tufjs/models';
import { differencesFrom, type TargetContents } from './target-contents.ts';
import { keysOf, newRoot, newTargets, nextVersion, type KeysOfRoles, type RoleKeys } from './new-metadata.ts';
import { targetBytes, type Repository } from './repository.ts';
import { rootOf, signaturesMissing, type StagedChange } from './staged-change.ts';
import { TufError } from './tuf-error.ts';
import { tufKey } from './tuf-key.ts';

/** What is to become of the keys of a role. */
export interface KeyEdits {
  readonly add: readonly Key[];
  /** Ids, or beginnings of ids, of keys of the role. */
  readonly remove: readonly string[];
  readonly threshold?: number | undefined;
}

/** What is to be changed. */
export interface ChangeRequest {
  /** What clients are to fetch from now on. */
  readonly contents: TargetContents;
  readonly root: KeyEdits;
  readonly targets: KeyEdits;
  /** DER SubjectPublicKeyInfo of another online key. */
  readonly onlineKey?: Uint8Array | undefined;
  /** Whether root and targets get a new end although nothing else changes. */
  readonly renew: boolean;
}

/** The change from `repository` that `request` asks for; undefined when nothing would change. Throws {@link TufError} `TUF_REFUSED` for keys that
 * cannot be as asked. */
export const stageChange = (
  repository: Repository,
  request: ChangeRequest,
  now: number,
): StagedChange | undefined => stageChangeOn(stateOf(repository), request, now);

/** The same on something that need not be in force here: what another change leads to. */
export function stageChangeOn(
  before: StagedChange['before'],
  request: ChangeRequest,
  now: number,
): StagedChange | undefined {
  const { root, targets } = before;
  const old = keysOf(root.signed);
  const keys = editedKeys(old, request);
  const isRootNew = request.renew || !isSame(old, keys);
  const isOtherSigner = !isSameRole(old.targets, keys.targets);
  const differs = differencesFrom(targets.signed, request.contents).size > 0;
  const isTargetsNew = request.renew || differs || isOtherSigner;
  if (!isRootNew && !isTargetsNew) return undefined;
  const files = new Map([...request.contents].map(([name, { text }]) => [name, text]));
  return {
    before,
    root: isRootNew ? newRoot(root.signed.version + 1, keys, now) : undefined,
    targets: isTargetsNew
      ? newTargets(nextVersion(targets.signed.version, now), request.contents, now)
      : undefined,
    files: isTargetsNew ? files : new Map(),
  };
}

/** What is in force, as a change has it. */
export const stateOf = (repository: Repository): StagedChange['before'] => ({
  root: repository.root,
  targets: repository.targets,
  files: textsOf(repository),
});

/** What is in force when `change` is, which all have signed. Throws {@link TufError} `TUF_REFUSED` where signatures are missing. */
export function stateAfter(change: StagedChange): StagedChange['before'] {
  if (signaturesMissing(change).length > 0)
    throw new TufError('TUF_REFUSED', 'nothing can be staged on a change that lacks signatures', {
      hint: 'Have it signed first: `mayfly trust tuf sign FILE` says by whom.',
    });
  const { before, targets, files } = change;
  return {
    root: rootOf(change),
    targets: targets ?? before.targets,
    files: targets === undefined ? before.files : files,
  };
}

const textsOf = (repository: Repository): ReadonlyMap<string, string> =>
  new Map([...targetBytes(repository)].map(([name, bytes]) => [name, Buffer.from(bytes).toString()]));

function editedKeys(old: KeysOfRoles, { root, targets, onlineKey }: ChangeRequest): KeysOfRoles {
  const online = onlineKey === undefined ? undefined : { keys: [tufKey(onlineKey)], threshold: 1 };
  return {
    root: edited('root', old.root, root),
    targets: edited('targets', old.targets, targets),
    snapshot: online ?? old.snapshot,
    timestamp: online ?? old.timestamp,
  };
}

function edited(role: string, { keys, threshold }: RoleKeys, edits: KeyEdits): RoleKeys {
  const removed = new Set(edits.remove.map((id) => idOf(role, keys, id)));
  const left = keys.filter(({ keyID }) => !removed.has(keyID));
  const added = edits.add.filter(({ keyID }) => !left.some((key) => key.keyID === keyID));
  const result = { keys: [...left, ...added], threshold: edits.threshold ?? threshold };
  if (result.keys.length >= result.threshold && result.threshold >= 1) return result;
  throw new TufError(
    'TUF_REFUSED',
    `${role} would need ${result.threshold} signatures and have ${result.keys.length} keys`,
    { hint: 'Add keys, or lower the threshold.' },
  );
}

function idOf(role: string, keys: readonly Key[], beginning: string): string {
  const [found, ...more] = keys.filter(({ keyID }) => beginning.length >= 8 && keyID.startsWith(beginning));
  if (found !== undefined && more.length === 0) return found.keyID;
  throw new TufError('TUF_REFUSED', `${role} has no one key whose id begins with ${beginning}`, {
    hint: `Its keys are ${keys.map(({ keyID }) => keyID).join(', ')}; give at least eight digits.`,
  });
}

const isSame = (a: KeysOfRoles, b: KeysOfRoles): boolean =>
  (['root', 'targets', 'snapshot', 'timestamp'] as const).every((role) => isSameRole(a[role], b[role]));

const isSameRole = (a: RoleKeys, b: RoleKeys): boolean =>
  a.threshold === b.threshold &&
  a.keys
    .map(({ keyID }) => keyID)
    .sort()
    .join() ===
    b.keys
      .map(({ keyID }) => keyID)
      .sort()
      .join();
