/** The files of a repository: how they are named on disk, and which of them are served. */
import { join } from 'node:path';
import type { TargetFile } from '@tufjs/models';
import { equalBytes } from '../../core/bytes.ts';
import { systemCode } from '../../core/errors.ts';
import { writeDurably } from '../../storage/durable-file.ts';
import { readWhole } from '../../storage/read-whole.ts';
import { encodeMetadata, parseMetadata, type MetadataOf } from './metadata.ts';
import { isTarget, TARGET_HASHES } from './target-contents.ts';
import { TufError } from './tuf-error.ts';

/** Bytes of one file at most, and of all that is served. */
export const FILE_LIMIT = 4 * 1024 * 1024;
/** How many files there may be: the repository is served from memory. */
export const MAX_FILES = 2048;

const TOTAL_LIMIT = 128 * 1024 * 1024;

/** Metadata files with their version: `2.root.json`. */
const VERSIONED = /^(\d{1,16})\.(root|targets|snapshot)\.json$/;

/** Paths below the repository's URL whose content never changes: those with a version or a hash in their name. */
export const NEVER_CHANGES = /^(?:\d+\.\w+\.json|targets\/[0-9a-f]{64,128}\.[^/]+)$/;

/** The versions of a role of which there are files, lowest first. */
export const versionsOf = (role: 'root' | 'targets' | 'snapshot', names: readonly string[]): number[] =>
  names
    .flatMap((name) => {
      const [, version, of] = VERSIONED.exec(name) ?? [];
      return of === role ? [Number(version)] : [];
    })
    .sort((a, b) => a - b);

/** Where a target is published: under its hashes. */
export const targetPaths = ({ path, hashes }: TargetFile): [string, ...string[]] => {
  const [first = '', ...others] = TARGET_HASHES.map(
    (algorithm) => `targets/${hashes[algorithm] ?? ''}.${path}`,
  );
  return [first, ...others];
};

/** One file of a repository, within its limit. */
export const read = (directory: string, name: string): Promise<Uint8Array> =>
  readWhole(join(directory, name), { size: FILE_LIMIT });

/** Writes what is not there yet, durably. */
export async function put(directory: string, name: string, bytes: Uint8Array): Promise<void> {
  const path = join(directory, name);
  const there = await readWhole(path, { size: bytes.length }).catch(() => undefined);
  if (there === undefined || !equalBytes(new Uint8Array(there), bytes))
    await writeDurably(path, bytes, 0o644);
}

/** Metadata in force, and what there is besides. */
export interface ServedParts {
  /** Of the files in the directory. */
  readonly names: readonly string[];
  /** All that follow one another, oldest first. */
  readonly roots: readonly MetadataOf<'root'>[];
  readonly root: MetadataOf<'root'>;
  readonly targets: MetadataOf<'targets'>;
  readonly timestamp: MetadataOf<'timestamp'>;
}

/** Path below the repository's URL → bytes: what is in force, and what clients ask for that have just read an older timestamp, or follow one for
 * as long as it counts. Rejects with {@link TufError} `TUF_DAMAGED` where something that is in force is not right. */
export async function servedFiles(
  directory: string,
  { names, roots, root, targets, timestamp }: ServedParts,
): Promise<ReadonlyMap<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  for (const one of roots)
    if (one.signed.version <= root.signed.version)
      files.set(`${one.signed.version}.root.json`, encodeMetadata(one));
  files.set('root.json', encodeMetadata(root));
  for (const version of versionsOf('snapshot', names))
    await addOlder(directory, `${version}.snapshot.json`, files);
  for (const version of versionsOf('targets', names)) {
    const name = `${version}.targets.json`;
    await addOlder(directory, name, files);
    for (const file of targetsIn(files.get(name))) await addOlderTarget(directory, file, files);
  }
  for (const file of Object.values(targets.signed.targets)) await addTarget(directory, file, files);
  files.set('timestamp.json', encodeMetadata(timestamp));
  requireTotal(directory, files);
  return files;
}

/** One that was in force before. A publication removes it at any time. */
async function addOlder(directory: string, name: string, files: Map<string, Uint8Array>): Promise<void> {
  try {
    files.set(name, await read(directory, name));
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error;
  }
}

/** None for a file that is not to be read any more: what is in force has been read already. */
function targetsIn(bytes: Uint8Array | undefined): readonly TargetFile[] {
  try {
    return bytes === undefined ? [] : Object.values(parseMetadata('targets', bytes).signed.targets);
  } catch (error) {
    if (error instanceof TufError) return [];
    throw error;
  }
}

/** Under its hashes alone, and only where it is still there as it was signed. */
async function addOlderTarget(
  directory: string,
  file: TargetFile,
  files: Map<string, Uint8Array>,
): Promise<void> {
  const [first, ...others] = targetPaths(file);
  if (!isName(file.path) || files.has(first)) return;
  await addOlder(directory, first, files);
  const bytes = files.get(first);
  if (bytes === undefined) return;
  if (isTarget(file, bytes)) for (const path of others) files.set(path, bytes);
  else files.delete(first);
}

/** The name is one component of a path. */
const isName = (name: string): boolean => /^[\w-][\w.-]*$/.test(name);

/** Under each of its hashes, and under its name. */
async function addTarget(directory: string, file: TargetFile, files: Map<string, Uint8Array>): Promise<void> {
  const [first] = targetPaths(file);
  const bytes = await read(directory, first);
  if (!isTarget(file, bytes)) throw damaged(directory, `${first} is not what was signed`);
  for (const path of [...targetPaths(file), `targets/${file.path}`]) files.set(path, bytes);
}

function requireTotal(directory: string, files: ReadonlyMap<string, Uint8Array>): void {
  const distinct = new Set(files.values());
  const total = [...distinct].reduce((sum, bytes) => sum + bytes.length, 0);
  if (total > TOTAL_LIMIT) throw damaged(directory, `its files have more than ${TOTAL_LIMIT} bytes`);
}

/** The repository cannot be used. */
export const damaged = (directory: string, why: string, cause?: unknown): TufError =>
  new TufError('TUF_DAMAGED', `the TUF repository ${directory} cannot be used: ${why}`, {
    hint: 'Restore that directory from a backup: versions go by the clock, so nothing that was published later is undone.',
    cause,
  });
