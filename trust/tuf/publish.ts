/** Writes a repository so that a crash leaves the old one whole. */
import { readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { makeDirectory, removeTemporary, shareOwner, syncDirectory } from '../../storage/durable-file.ts';
import { LockTimeout, withFileLock } from '../../storage/file-lock.ts';
import { readWhole, UnfitFile } from '../../storage/read-whole.ts';
import { encodeMetadata, parseMetadata, type MetadataOf } from './metadata.ts';
import { put, targetPaths, versionsOf } from './repository-files.ts';
import { SharedRepository } from './shared-repository.ts';
import { TufError } from './tuf-error.ts';

/** What is published. What is there already may be left out. */
export interface Publication {
  /** Each followed by the next; the last is in force then. */
  readonly roots?: readonly MetadataOf<'root'>[] | undefined;
  readonly targets: MetadataOf<'targets'>;
  /** Name → bytes of targets; those of before may be left out. */
  readonly targetFiles?: ReadonlyMap<string, Uint8Array> | undefined;
  readonly snapshot: MetadataOf<'snapshot'>;
  readonly timestamp: MetadataOf<'timestamp'>;
}

/** Snapshots, and targets, that are kept: a client asks for the one of the timestamp that it has just read, or goes on with what it read before for as
 * long as that counts. */
const KEPT = 4;

/** How long another process may write, in milliseconds. */
const LOCK_WAIT_MS = 10_000;

/** Runs `work` on a directory that holds the repository in `directory`, while no other process of this machine writes there; `directory` is made if it is not there. Where several services publish it, `work` has a copy,
 * which counts when the database has taken it; where another service was first, `work` is called again with another copy. Rejects with
 * {@link TufError} `TUF_BUSY` when another process writes for ten seconds, and with LogError where the database does not answer. */
export async function whileLocked<T>(directory: string, work: (at: string) => Promise<T>): Promise<T> {
  return alone(directory, async () => {
    const shared = await SharedRepository.open(directory);
    try {
      return await (shared === undefined ? work(directory) : shared.change(work));
    } finally {
      await shared?.close();
    }
  });
}

/** Brings the copy in `directory` to what all services share; does nothing where they share none. Rejects as {@link whileLocked} does. */
export async function refresh(directory: string): Promise<void> {
  const shared = await SharedRepository.open(directory);
  try {
    if (shared !== undefined) await alone(directory, () => shared.pull());
  } finally {
    await shared?.close();
  }
}

/** Runs `work` while no other process of this machine writes in `directory`, which is made if it is not there. Rejects with {@link TufError} `TUF_BUSY`. */
export async function alone<T>(directory: string, work: () => Promise<T>): Promise<T> {
  await makeDirectory(directory);
  await shareOwner(directory, dirname(directory));
  const lock = join(directory, '.lock');
  try {
    return await withFileLock(lock, LOCK_WAIT_MS, async () => {
      // A command of the superuser must not lock the service out.
      await shareOwner(lock, directory);
      return work();
    });
  } catch (error) {
    if (!(error instanceof LockTimeout)) throw error;
    throw new TufError('TUF_BUSY', `another process writes ${directory}`, {
      hint: 'Try again.',
      cause: error,
    });
  }
}

/**
 * Writes everything that clients do not ask for yet, then the root, and the timestamp last: it makes the rest count. Call it
 * {@link whileLocked}, with the directory that `work` is called with. A crash before the root leaves files that nothing names; one between root and timestamp, a root
 * that `readRepository` leaves out unless the old metadata is right under it too. Rejects with FileFault.
 */
export async function publish(directory: string, publication: Publication): Promise<void> {
  const {
    roots = [],
    targets,
    targetFiles = new Map<string, Uint8Array>(),
    snapshot,
    timestamp,
  } = publication;
  await makeDirectory(join(directory, 'targets'), directory);
  await shareOwner(join(directory, 'targets'), directory);
  await removeTemporary(directory);
  await removeTemporary(join(directory, 'targets'));
  for (const file of Object.values(targets.signed.targets))
    for (const path of targetPaths(file)) {
      const bytes = targetFiles.get(file.path);
      if (bytes !== undefined) await put(directory, path, bytes);
    }
  // What was there already may have a name that a killed publication did not sync; in the directory itself the timestamp's sync counts for all.
  await syncDirectory(join(directory, 'targets'));
  await put(directory, `${targets.signed.version}.targets.json`, encodeMetadata(targets));
  await put(directory, `${snapshot.signed.version}.snapshot.json`, encodeMetadata(snapshot));
  for (const root of roots) await put(directory, `${root.signed.version}.root.json`, encodeMetadata(root));
  await put(directory, 'timestamp.json', encodeMetadata(timestamp));
  // From here on only for people, and for mirrors that copy the directory.
  const root = roots.at(-1);
  if (root !== undefined) await put(directory, 'root.json', encodeMetadata(root));
  for (const { path } of Object.values(targets.signed.targets)) {
    const bytes = targetFiles.get(path);
    if (bytes !== undefined) await put(directory, join('targets', path), bytes);
  }
  await prune(directory, snapshot.signed.version, targets.signed.version);
}

/** Removes snapshots beyond the newest few, also those of before another online key, whose versions may be higher, and targets beyond the newest few
 * that none of those snapshots names. Roots stay for good: clients walk over all of them. What was in force before and is damaged is of use to nobody, and goes, too. What a crash here leaves goes the next time. */
async function prune(directory: string, current: number, targets: number): Promise<void> {
  const names = await readdir(directory);
  const recent = versionsOf('snapshot', names)
    .filter((version) => version <= current)
    .slice(-KEPT);
  // A service that is started again and again signs snapshots, and the targets of before are still asked for.
  const older = versionsOf('targets', names).filter((version) => version <= targets);
  const snapshots = await readOlder(directory, 'snapshot', recent);
  const named = [...snapshots.values()].map(({ signed }) => signed.meta['targets.json']?.version ?? 0);
  const wanted = new Set([...older.slice(-KEPT), ...named]);
  const kept = await readOlder(
    directory,
    'targets',
    older.filter((version) => wanted.has(version)),
  );
  await removeVersions(directory, names, 'snapshot', snapshots);
  await removeVersions(directory, names, 'targets', kept);
  await removeTargets(directory, kept, targets);
}

/** Those that can be read, by version. */
async function readOlder<R extends 'snapshot' | 'targets'>(
  directory: string,
  role: R,
  versions: readonly number[],
): Promise<ReadonlyMap<number, MetadataOf<R>>> {
  const found = new Map<number, MetadataOf<R>>();
  for (const version of versions)
    try {
      found.set(
        version,
        parseMetadata(role, await readWhole(join(directory, `${version}.${role}.json`), LIMIT)),
      );
    } catch (error) {
      if (!(error instanceof TufError || error instanceof UnfitFile)) throw error;
    }
  return found;
}

const LIMIT = { size: 1024 * 1024 };

async function removeVersions(
  directory: string,
  names: readonly string[],
  role: 'snapshot' | 'targets',
  kept: ReadonlyMap<number, unknown>,
): Promise<void> {
  for (const version of versionsOf(role, names))
    if (!kept.has(version)) await rm(join(directory, `${version}.${role}.json`), { force: true });
}

/** Under their own names only those of `current`: people would take an older one for the one in force. */
async function removeTargets(
  directory: string,
  versions: ReadonlyMap<number, MetadataOf<'targets'>>,
  current: number,
): Promise<void> {
  const kept = new Set<string>();
  for (const [version, { signed }] of versions)
    for (const file of Object.values(signed.targets)) {
      for (const path of targetPaths(file)) kept.add(path);
      if (version === current) kept.add(`targets/${file.path}`);
    }
  for (const name of await readdir(join(directory, 'targets')))
    if (!kept.has(`targets/${name}`)) await rm(join(directory, 'targets', name), { force: true });
}
