/** Publishes a change that was signed elsewhere. */
import { messageOf } from '../../core/errors.ts';
import type { Signer } from '../../signers/signer.ts';
import { endOf, isSigned, missingSignatures, onlySigned, saysTheSame, type MetadataOf } from './metadata.ts';
import { highestVersion } from './new-metadata.ts';
import { dueAt, isOnlineKey, signOnline } from './online-metadata.ts';
import { publish, whileLocked } from './publish.ts';
import {
  hasOtherOnlineKeys,
  readRepository,
  requireReadable,
  targetBytes,
  type Repository,
} from './repository.ts';
import { versionsOf } from './repository-files.ts';
import type { StagedChange } from './staged-change.ts';
import { TufError } from './tuf-error.ts';

/** What became of an import. */
export interface Imported {
  readonly repository: Repository;
  /** In force before. */
  readonly replaced: Repository;
  /** False when all of it was in force already. */
  readonly isNew: boolean;
}

/**
 * Publishes `change` in the repository in `directory`: checks signatures, thresholds, versions and ends as a client would, has one of `signers` sign
 * the snapshot and the timestamp, and writes everything so that a crash leaves the old repository whole. The same change twice is no
 * fault: the second time only what a crash kept from being written is. Only what was signed is published: what else stands in the file is left out. Rejects with {@link TufError} `TUF_REFUSED` for what must
 * not be published, or could not be read afterwards, and nothing is changed.
 */
export const importChange = (
  directory: string,
  change: StagedChange,
  signers: readonly Signer[],
  now: number,
): Promise<Imported> => importChanges(directory, [change], signers, now);

/** The same for several that follow one another: only what the last of them leads to is signed by `signers`, and has to count at `now`. */
export function importChanges(
  directory: string,
  changes: readonly StagedChange[],
  signers: readonly Signer[],
  now: number,
): Promise<Imported> {
  return whileLocked(directory, async (at) => {
    const repository = await requireRepository(at, directory);
    const { roots, root, targets, files } = followed(repository, changes, now);
    const isNew = root !== repository.root || targets !== repository.targets;
    if (!isNew) {
      await finish(at, repository);
      return { repository, replaced: repository, isNew };
    }
    if (root !== repository.root) requireEnd('root', root, now);
    if (targets !== repository.targets) requireEnd('targets', targets, now);
    const signer = signers.find(({ publicKey }) => isOnlineKey(root, publicKey));
    if (signer === undefined) throw noOnlineKey();
    const before = hasOtherOnlineKeys(repository.root.signed, root.signed) ? undefined : repository;
    const takenSnapshots = new Set(versionsOf('snapshot', [...repository.files.keys()]));
    const work = { root, targets, before, takenSnapshots };
    const due = dueAt(now, work) === 'nothing' ? 'timestamp' : dueAt(now, work);
    const signed = await signOnline(work, due, signer, now);
    const targetFiles = files ?? targetBytes(repository);
    requirePublishable(directory, { root, targets, ...signed }, targetFiles);
    await publish(at, { roots, targets, targetFiles, ...signed });
    return { repository: await requireRepository(at, directory), replaced: repository, isNew };
  });
}

/** What a crash after the timestamp kept from being written: nothing where all of it is there. */
const finish = (directory: string, repository: Repository): Promise<void> =>
  publish(directory, {
    ...repository,
    roots: [repository.root],
    targetFiles: targetBytes(repository),
  });

/** Where changes lead. */
interface Followed {
  /** Beginning with the one in force, each followed by the next. */
  readonly roots: readonly MetadataOf<'root'>[];
  readonly root: MetadataOf<'root'>;
  readonly targets: MetadataOf<'targets'>;
  /** Undefined where the targets stay. */
  readonly files: ReadonlyMap<string, Uint8Array> | undefined;
}

function followed(repository: Repository, changes: readonly StagedChange[], now: number): Followed {
  const { root, targets } = repository;
  return changes.reduce<Followed>(
    (at, change) => {
      const nextRootOf = nextRoot(at.root, change.root);
      const nextTargetsOf = nextTargets(at.targets, nextRootOf, change.targets, now);
      return {
        roots: nextRootOf === at.root ? at.roots : [...at.roots, nextRootOf],
        root: nextRootOf,
        targets: nextTargetsOf,
        files: nextTargetsOf === at.targets ? at.files : filesOf(change),
      };
    },
    { roots: [root], root, targets, files: undefined },
  );
}

const filesOf = ({ files }: StagedChange): ReadonlyMap<string, Uint8Array> =>
  new Map([...files].map(([name, text]) => [name, new Uint8Array(Buffer.from(text))]));

/** What is wrong with what would be published is said of the change: the repository is as it was. */
function requirePublishable(...publication: Parameters<typeof requireReadable>): void {
  try {
    requireReadable(...publication);
  } catch (error) {
    throw refused(`no client could read it: ${messageOf(error)}`, 'Stage a smaller change.', error);
  }
}

/** The repository in `directory`. Rejects with {@link TufError} `TUF_MISSING` when there is none; `name` is what that calls the directory. */
export async function requireRepository(directory: string, name = directory): Promise<Repository> {
  const repository = await readRepository(directory);
  if (repository !== undefined) return repository;
  throw new TufError('TUF_MISSING', `there is no TUF repository in ${name}`, {
    hint: 'Make one: mayfly trust tuf init --data DIR --root-key-out FILE',
  });
}

function nextRoot(old: MetadataOf<'root'>, root: MetadataOf<'root'> | undefined): MetadataOf<'root'> {
  if (root === undefined || saysTheSame(root, old)) return old;
  const [version, last] = [root.signed.version, old.signed.version];
  if (version !== last + 1)
    throw refused(
      `its root has version ${version}, and the one in force ${last}`,
      'Stage the change again: a root has the next version.',
    );
  requireSigned('root', root, [old, root]);
  return onlySigned('root', root, [old.signed, root.signed]);
}

function nextTargets(
  old: MetadataOf<'targets'>,
  root: MetadataOf<'root'>,
  targets: MetadataOf<'targets'> | undefined,
  now: number,
): MetadataOf<'targets'> {
  if (targets === undefined || saysTheSame(targets, old)) {
    if (isSigned(root.signed, 'targets', old)) return old;
    throw refused(
      'its root has other keys for the targets, and it has no targets that they signed',
      'Stage the change again.',
    );
  }
  const [version, last] = [targets.signed.version, old.signed.version];
  if (version <= last)
    throw refused(
      `its targets have version ${version}, and those in force ${last}`,
      'Stage the change again: versions only rise.',
    );
  if (version > Math.max(last + 1, highestVersion(now)))
    throw refused(
      `its targets have version ${version}, which the clock does not reach for more than a day`,
      'Set the clock of the machine on which it is staged right, and stage the change again: only a higher version could follow that one.',
    );
  requireSigned('targets', targets, [root]);
  return onlySigned('targets', targets, [root.signed]);
}

function requireSigned(
  role: 'root' | 'targets',
  metadata: MetadataOf<'root' | 'targets'>,
  by: readonly MetadataOf<'root'>[],
): void {
  const [missing = 0] = by
    .map((root) => missingSignatures(root.signed, role, metadata))
    .sort((a, b) => b - a);
  if (missing === 0) return;
  throw refused(
    `the ${role} lacks ${missing === 1 ? 'a signature' : `${missing} signatures`}`,
    'See whose: mayfly trust tuf sign FILE. Sign it with: mayfly trust tuf sign FILE --key KEY',
  );
}

function requireEnd(role: string, metadata: MetadataOf<'root' | 'targets'>, now: number): void {
  if (endOf(metadata) > now) return;
  throw refused(`its ${role} ended on ${metadata.signed.expires}`, 'Stage the change again.');
}

const refused = (why: string, hint: string, cause?: unknown): TufError =>
  new TufError('TUF_REFUSED', `the change is not published: ${why}`, { hint, cause });

const noOnlineKey = (): TufError =>
  refused(
    'this data directory has no key that its root names for snapshot and timestamp',
    'Import it where it was staged, or restore keys/tuf-online.key.pem, or tuf-online.next.key.pem, from a backup. Where the key is lost, stage another one on this change: `mayfly trust tuf stage --on FILE --new-online-key`, and import both files at once.',
  );
