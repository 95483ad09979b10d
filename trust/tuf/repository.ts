/** A repository as it lies on disk and is served: read whole, and found right as a client would find it. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Root } from '@tufjs/models';
import { messageOf, systemCode } from '../../core/errors.ts';
import { encodeMetadata, endOf, isSigned, parseMetadata, type MetadataOf } from './metadata.ts';
import { ROLES, type RoleName } from './roles.ts';
import { damaged, FILE_LIMIT, MAX_FILES, read, servedFiles, versionsOf } from './repository-files.ts';
import { isTarget } from './target-contents.ts';
import { TufError } from './tuf-error.ts';

/** The metadata in force. */
export interface Repository {
  readonly root: MetadataOf<'root'>;
  readonly targets: MetadataOf<'targets'>;
  readonly snapshot: MetadataOf<'snapshot'>;
  readonly timestamp: MetadataOf<'timestamp'>;
  /** Path below the repository's URL → bytes: all that is served. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/** Bytes of all targets that are published at once: older ones are served beside them. */
const PUBLICATION_LIMIT = 8 * 1024 * 1024;

/** How often it is read at most, where it changes meanwhile. */
const READS = 3;

/**
 * The repository in `directory`; undefined when there is none. Of several roots that counts which is the newest one under
 * which everything is right: a publication writes the root before the timestamp, so one that was interrupted between them
 * has left a root that does not count. Works beside one that publishes: what is read while files come and go is read again. Rejects with {@link TufError} `TUF_DAMAGED` when
 * nothing is right.
 */
export async function readRepository(directory: string): Promise<Repository | undefined> {
  for (let reads = 1; ; reads++) {
    const trace = await traceOf(directory);
    try {
      return await readOnce(directory);
    } catch (error) {
      if (reads === READS || (await traceOf(directory)) === trace) throw error;
    }
  }
}

/** Changes with every publication, and with every file that comes or goes. */
async function traceOf(directory: string): Promise<string> {
  const names = await Promise.all([directory, join(directory, 'targets')].map(namesIn));
  return JSON.stringify([await stampOf(directory), names]);
}

/** Changes with every publication; undefined while there is none. */
export const stampOf = (directory: string): Promise<string | undefined> =>
  stat(join(directory, 'timestamp.json'), { bigint: true }).then(
    ({ ino, mtimeNs, size }) => `${ino} ${mtimeNs} ${size}`,
    () => undefined,
  );

async function readOnce(directory: string): Promise<Repository | undefined> {
  const names = await namesIn(directory);
  // Of a new repository the timestamp and then `root.json` are written last: without both it was never finished.
  if (!names.includes('timestamp.json') && !names.includes('root.json')) return undefined;
  if (names.length > MAX_FILES) throw damaged(directory, `it has more than ${MAX_FILES} files`);
  try {
    const roots = await readRoots(directory, names);
    const timestamp = parseMetadata('timestamp', await read(directory, 'timestamp.json'));
    const snapshotFile = `${timestamp.signed.snapshotMeta.version}.snapshot.json`;
    const snapshot = parseMetadata('snapshot', await read(directory, snapshotFile));
    const targetsFile = `${snapshot.signed.meta['targets.json']?.version ?? 0}.targets.json`;
    const targets = parseMetadata('targets', await read(directory, targetsFile));
    const signed = { targets, snapshot, timestamp };
    const root = roots.findLast((one) =>
      ONLINE_AND_TARGETS.every((role) => isSigned(one.signed, role, signed[role])),
    );
    if (root === undefined)
      throw damaged(directory, 'its metadata is not signed by the keys of any of its roots');
    requireLinks(directory, signed);
    const files = await servedFiles(directory, { names, roots, root, ...signed });
    return { root, ...signed, files };
  } catch (error) {
    throw error instanceof TufError && error.code === 'TUF_DAMAGED'
      ? error
      : damaged(directory, messageOf(error), error);
  }
}

const ONLINE_AND_TARGETS = ['targets', 'snapshot', 'timestamp'] as const;

/** Role → milliseconds since the epoch at which its metadata ends. */
export const endsOf = (repository: Repository): Readonly<Record<RoleName, number>> => ({
  root: endOf(repository.root),
  targets: endOf(repository.targets),
  snapshot: endOf(repository.snapshot),
  timestamp: endOf(repository.timestamp),
});

/** The roles whose metadata ended before `now`. */
export const expiredRoles = (repository: Repository, now: number): readonly RoleName[] =>
  ROLES.filter((role) => endsOf(repository)[role] <= now);

/** The bytes of the targets, by name. */
export function targetBytes({ targets, files }: Repository): ReadonlyMap<string, Uint8Array> {
  const names = Object.keys(targets.signed.targets);
  return new Map(names.map((name) => [name, files.get(`targets/${name}`) ?? new Uint8Array()]));
}

/**
 * Rejects what could not be read back, or not be followed by clients, if it were published: each file is taken as it would lie on disk. `targetFiles` are
 * all that the targets name. Throws {@link TufError} `TUF_DAMAGED` or `TUF_MALFORMED`.
 */
export function requireReadable(
  directory: string,
  publication: Omit<Repository, 'files'>,
  targetFiles: ReadonlyMap<string, Uint8Array>,
): void {
  for (const role of ROLES) {
    const metadata = parseMetadata(role, encodeMetadata(publication[role]));
    if (!isSigned(publication.root.signed, role, metadata))
      throw damaged(directory, `its ${role} metadata would not be signed`);
  }
  requireLinks(directory, publication);
  const total = [...targetFiles.values()].reduce((sum, { length }) => sum + length, 0);
  if (total > PUBLICATION_LIMIT)
    throw damaged(directory, `its targets would have more than ${PUBLICATION_LIMIT} bytes together`);
  for (const file of Object.values(publication.targets.signed.targets)) {
    const bytes = targetFiles.get(file.path);
    if (bytes === undefined || bytes.length > FILE_LIMIT || !isTarget(file, bytes))
      throw damaged(
        directory,
        `${file.path} would not be what was signed, or have more than ${FILE_LIMIT} bytes`,
      );
  }
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw damaged(directory, messageOf(error), error);
  }
}

/** All roots, oldest first; each signed by itself and by the one before. */
async function readRoots(directory: string, names: readonly string[]): Promise<MetadataOf<'root'>[]> {
  const versions = versionsOf('root', names);
  const roots: MetadataOf<'root'>[] = [];
  for (const version of versions) {
    const root = parseMetadata('root', await read(directory, `${version}.root.json`));
    const before = roots.at(-1)?.signed;
    const isNext = before === undefined || (version === before.version + 1 && isSigned(before, 'root', root));
    if (root.signed.version !== version || !isNext || !isSigned(root.signed, 'root', root))
      throw damaged(directory, `${version}.root.json does not follow the root before it`);
    roots.push(root);
  }
  return roots;
}

/** What each says of the next must be so: versions, lengths and hashes. */
function requireLinks(
  directory: string,
  { timestamp, snapshot, targets }: Pick<Repository, 'timestamp' | 'snapshot' | 'targets'>,
): void {
  const links = [
    [timestamp.signed.snapshotMeta, snapshot],
    [snapshot.signed.meta['targets.json'], targets],
  ] as const;
  for (const [link, metadata] of links) {
    link?.verify(Buffer.from(encodeMetadata(metadata)));
    if (link?.version !== metadata.signed.version)
      throw damaged(directory, `the version of its ${metadata.signed.type} metadata is another one`);
  }
}

/** Whether the keys of snapshot and timestamp are other ones: then clients forget the versions that they saw. */
export const hasOtherOnlineKeys = (before: Root, after: Root): boolean =>
  (['snapshot', 'timestamp'] as const).some(
    (role) =>
      [...(before.roles[role]?.keyIDs ?? [])].sort().join() !==
      [...(after.roles[role]?.keyIDs ?? [])].sort().join(),
  );
