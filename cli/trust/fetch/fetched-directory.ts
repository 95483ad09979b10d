/** The directory that `mayfly trust fetch` keeps: the files, and below `tuf` the metadata from which a later fetch follows. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { equalBytes } from '../../../core/bytes.ts';
import { FormatError, systemCode } from '../../../core/errors.ts';
import { dataPaths } from '../../../instance/data-paths.ts';
import { systemFault } from '../../../instance/data-directory-error.ts';
import { writeDurably } from '../../../storage/durable-file.ts';
import { LockTimeout, withFileLock } from '../../../storage/file-lock.ts';
import { ensureDirectory } from '../../../storage/make-directory.ts';
import { isMissing, readWhole, UnfitFile } from '../../../storage/read-whole.ts';
import {
  CHECKSUMS_FILE,
  isPassingFile,
  SIGNING_CONFIG_FILE,
  TRUSTED_ROOT_FILE,
} from '../../../trust/export.ts';
import {
  EMPTY_TRUSTED_ROOT,
  parseTrustedRoot,
  type TrustedRoot,
} from '../../../trust/format/trusted-root.ts';
import { parseMetadata } from '../../../trust/tuf/metadata.ts';
import { isTarget } from '../../../trust/tuf/target-contents.ts';
import { CommandError } from '../../program/command.ts';
import { staleFilesIn } from '../exported-directory.ts';

/** The metadata that is kept. */
const METADATA = ['root', 'timestamp', 'snapshot', 'targets'] as const;

/** The name of its folder, which no target may have. */
export const STATE = 'tuf';

/** Beyond every file of a repository. */
const LIMIT = 8 * 1024 * 1024;

/** Name of metadata → bytes; empty where the directory follows nothing yet. */
export type FollowedState = ReadonlyMap<string, Uint8Array>;

/** What the directory follows. Rejects with {@link CommandError} where that cannot be read. */
export async function stateIn(directory: string): Promise<FollowedState> {
  const state = new Map<string, Uint8Array>();
  for (const name of METADATA) {
    const bytes = await read(join(directory, STATE, `${name}.json`));
    if (bytes !== undefined) state.set(`${name}.json`, new Uint8Array(bytes));
  }
  return state.has('root.json') ? state : new Map<string, Uint8Array>();
}

/** What an updater left where it worked. */
export async function fetchedState(scratch: string): Promise<FollowedState> {
  const state = new Map<string, Uint8Array>();
  for (const name of METADATA)
    state.set(`${name}.json`, new Uint8Array(await readFile(join(scratch, `${name}.json`))));
  return state;
}

/** Writes `state` to where an updater works. */
export async function beginFrom(state: FollowedState, scratch: string): Promise<void> {
  for (const [name, bytes] of state) await writeFile(join(scratch, name), bytes);
}

/** Throws {@link CommandError} `USAGE` where `directory` is a data directory or lies in one: what is there is served, and signed by its service. */
export async function refuseDataDirectory(directory: string): Promise<void> {
  for (let at = directory; ; at = dirname(at)) {
    if (!(await isMissing(dataPaths(at).marker).catch(() => true)))
      throw new CommandError('USAGE', `--out lies in the data directory ${at}`, {
        hint: 'Name another directory: this one is what a service works with.',
      });
    if (dirname(at) === at) return;
  }
}

/** An empty directory to work in, which is to be removed. Where there is none for temporary files, as in a container that is read but for its volumes, it is in `directory`, or in what there is of the way
 * to it. Rejects with the typed error of the disk. */
export async function scratchBeside(directory: string): Promise<string> {
  try {
    return await mkdtemp(join(tmpdir(), 'mayfly-fetch-'));
  } catch {
    const there = await nearest(directory);
    return mkdtemp(join(there, '.mayfly-fetch-')).catch((error: unknown) => {
      throw systemFault(there, 'write', error);
    });
  }
}

async function nearest(directory: string): Promise<string> {
  const parent = dirname(directory);
  const isThere = !(await isMissing(directory).catch(() => false));
  return isThere || parent === directory ? directory : nearest(parent);
}

/** What was trusted before this fetch. */
export interface TrustBefore {
  readonly root: TrustedRoot;
  /** The text of the signing config; undefined where there is none that can be read. */
  readonly signingConfig?: string | undefined;
  /** Why the root could not be read. It keeps nothing from being replaced by what is right. */
  readonly failure?: string | undefined;
}

/** What `directory` trusts, and where it signs; nothing where there is none. */
export async function trustBefore(directory: string): Promise<TrustBefore> {
  const signing = await read(join(directory, SIGNING_CONFIG_FILE)).catch(() => undefined);
  const signingConfig = signing?.toString();
  try {
    const bytes = await read(join(directory, TRUSTED_ROOT_FILE));
    const root = bytes === undefined ? EMPTY_TRUSTED_ROOT : parseTrustedRoot(bytes.toString());
    return { root, signingConfig };
  } catch (error) {
    if (!(error instanceof FormatError || error instanceof CommandError)) throw error;
    return { root: EMPTY_TRUSTED_ROOT, signingConfig, failure: error.message };
  }
}

/** What is written. */
export interface FetchedFiles {
  /** What the updater left there. */
  readonly scratch: string;
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** What it began from. */
  readonly state: FollowedState;
}

/** Writes `files` and the new state; returns the names of those that were removed. The files first: a crash in between leaves metadata that the next fetch follows from
 * again. Their checksums come last, and name until then what is to go. Writes nothing where another fetch was faster, and returns what that one left. Another one that writes is waited for;
 * rejects with {@link CommandError} with `unavailable` when that takes too long, and with the error of the disk. */
export async function replaceFiles(directory: string, fetched: FetchedFiles): Promise<Replaced> {
  try {
    await ensureDirectory(join(directory, STATE));
    return await withFileLock(join(directory, STATE, '.lock'), LOCK_WAIT_MS, async () => {
      const there = await stateIn(directory);
      // A fetch that began earlier must not put older files over those of a later one.
      if (!isSameState(there, fetched.state))
        return { removed: undefined, there, trust: await trustBefore(directory) };
      return { removed: await writeAll(directory, fetched) };
    });
  } catch (error) {
    if (error instanceof CommandError) throw error;
    if (error instanceof LockTimeout) throw overtaken(directory, error);
    throw systemFault(directory, 'write', error);
  }
}

/** What became of it. */
export type Replaced =
  | { /** The names of files that were removed. */ readonly removed: readonly string[] }
  | {
      /** Nothing was written: another fetch was faster. */
      readonly removed: undefined;
      /** What it left there. */
      readonly there: FollowedState;
      readonly trust: TrustBefore;
    };

const LOCK_WAIT_MS = 10_000;

/** Whether `there` follows the same repository as `state` and is no older: of the same root, and of no lower version in any part. */
export function isAsNew(there: FollowedState, state: FollowedState): boolean {
  if (!isOfSameRoot(there, state)) return false;
  return (['timestamp', 'snapshot', 'targets'] as const).every((role) => {
    const [own, found] = [state, there].map((one) => one.get(`${role}.json`));
    if (own === undefined || found === undefined) return false;
    return parseMetadata(role, found).signed.version >= parseMetadata(role, own).signed.version;
  });
}

async function writeAll(
  directory: string,
  { scratch, files, state }: FetchedFiles,
): Promise<readonly string[]> {
  const names = [...files.keys()];
  const stale = new Set([
    ...(await staleFilesIn(directory, names)),
    ...(await goneTargets(directory, state, names)),
  ]);
  for (const [name, content] of files) {
    if (name === CHECKSUMS_FILE) await remove(directory, stale);
    await writeDurably(join(directory, name), content, 0o644);
  }
  await remove(directory, stale);
  for (const name of METADATA) {
    const bytes = await readFile(join(scratch, `${name}.json`));
    await writeDurably(join(directory, STATE, `${name}.json`), bytes, 0o644);
  }
  return [...stale].sort();
}

async function remove(directory: string, names: ReadonlySet<string>): Promise<void> {
  for (const name of names) await rm(join(directory, name), { force: true });
}

/** Targets that the last fetch wrote as they are, also one of an older version that left no checksums. */
async function goneTargets(
  directory: string,
  state: FollowedState,
  names: readonly string[],
): Promise<readonly string[]> {
  const bytes = state.get('targets.json');
  if (bytes === undefined) return [];
  const gone: string[] = [];
  for (const file of Object.values(parseMetadata('targets', bytes).signed.targets)) {
    if (!isPassingFile(file.path) || names.includes(file.path)) continue;
    const there = await readWhole(join(directory, file.path), { size: LIMIT }).catch(() => undefined);
    if (there !== undefined && isTarget(file, there)) gone.push(file.path);
  }
  return gone;
}

/** Whether both trust the very same root. */
export function isOfSameRoot(one: FollowedState, other: FollowedState): boolean {
  const [root, otherRoot] = [one.get('root.json'), other.get('root.json')];
  return root !== undefined && otherRoot !== undefined && equalBytes(root, otherRoot);
}

const isSameState = (one: FollowedState, other: FollowedState): boolean =>
  one.size === other.size &&
  [...one].every(([name, bytes]) => equalBytes(bytes, other.get(name) ?? new Uint8Array()));

/** Another fetch holds the lock, or has written another repository there. */
export const overtaken = (directory: string, cause?: unknown): CommandError =>
  new CommandError('FAILED', `another fetch writes ${directory}`, {
    hint: 'Try again.',
    metadata: { unavailable: 'another fetch' },
    cause,
  });

/** Undefined where there is none. */
async function read(file: string): Promise<Buffer | undefined> {
  try {
    return await readWhole(file, { size: LIMIT });
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '')) return undefined;
    if (error instanceof UnfitFile)
      throw new CommandError('REFUSED', `${file} cannot be read: it ${error.message}`, { cause: error });
    throw systemFault(file, 'read', error);
  }
}
