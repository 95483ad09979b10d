import { constants } from 'node:fs';
import { access, readdir, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { systemCode } from '../core/errors.ts';
import { printable } from '../core/printable.ts';
import { DataDirectoryError, systemFault } from './data-directory-error.ts';
import { readMarker, type Marker, type Mode } from './data-marker.ts';
import { dataPaths, type DataPaths } from './data-paths.ts';
import { isMissing, readWhole } from '../storage/read-whole.ts';
import { STORE_FILE } from '../tlog/store/store-places.ts';

/** An open data directory. */
export interface DataDirectory {
  readonly paths: DataPaths;
  readonly marker: Marker;
  /** Names of the logs in it, sorted. */
  readonly logNames: readonly string[];
  /** The name in `logs/.current`, whether or not there is such a log; undefined without that file. */
  readonly currentLogName: string | undefined;
  /** What the operator should know, a line each. */
  readonly warnings: readonly string[];
}

/** What {@link openDataDirectory} is asked for. */
interface OpenOptions {
  /** The mode that the caller can work with; without it both. */
  readonly mode?: Mode | undefined;
  /** Whether the caller is going to write there; default false. */
  readonly write?: boolean | undefined;
}

/** Opens a data directory that `init` or `dev` made. Opens no key. Throws {@link DataDirectoryError} with what to do
 * when it is missing, foreign, unfinished, out of reach, too new or made for the other mode. */
export async function openDataDirectory(
  directory: string,
  options: OpenOptions = {},
): Promise<DataDirectory> {
  const paths = dataPaths(resolve(directory));
  await reach(paths.root, options.write === true);
  refuseIncomplete(paths, (await namesIn(paths.root)) ?? []);
  const marker = await readMarker(paths.marker);
  if (options.mode !== undefined && marker.mode !== options.mode) throw wrongMode(paths.root, marker.mode);
  return {
    paths,
    marker,
    logNames: await logNamesIn(paths),
    currentLogName: await readCurrentLogName(paths),
    warnings: [...(await keyWarnings(paths, marker.mode)), ...(await lostParts(paths))],
  };
}

/** Names of the directories of logs, sorted. One with a dot in front is what an interrupted making of a log left. */
export async function logNamesIn({ logs }: DataPaths): Promise<string[]> {
  return ((await namesIn(logs)) ?? []).filter((name) => !name.startsWith('.')).sort();
}

/** What `logs/.current` says; undefined without that file. Throws {@link DataDirectoryError} when it cannot be read. */
export async function readCurrentLogName({
  currentLog,
}: Pick<DataPaths, 'currentLog'>): Promise<string | undefined> {
  try {
    return printable((await readWhole(currentLog, { size: MAX_LOG_NAME })).toString().trim());
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return undefined;
    throw systemFault(currentLog, 'read', error);
  }
}

/** Names of the entries of a directory, without what file systems put there themselves; undefined if it does not
 * exist. Throws {@link DataDirectoryError}. */
export async function namesIn(path: string): Promise<string[] | undefined> {
  try {
    return (await readdir(path)).filter((name) => !IGNORED.has(name));
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT') return undefined;
    throw code === 'ENOTDIR' ? notADirectory(path) : systemFault(path, 'read', error);
  }
}

/** The error for a directory whose making was interrupted. */
export const unfinished = (root: string): DataDirectoryError =>
  new DataDirectoryError('DIRECTORY_UNFINISHED', `${root} was never finished: its making was interrupted`, {
    hint: 'Unless `mayfly init` is at work on it now: nothing was issued from it. Delete it and run init again.',
  });

/** Most bytes of `logs/.current`. */
const MAX_LOG_NAME = 256;

/** Present in a fresh file system; no sign of somebody else's data. */
const IGNORED: ReadonlySet<string> = new Set(['lost+found', '.DS_Store']);

async function reach(root: string, write: boolean): Promise<void> {
  const found = await stat(root).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') throw missing(root);
    throw systemFault(root, 'read', error);
  });
  if (!found.isDirectory()) throw notADirectory(root);
  try {
    await access(root, constants.R_OK | constants.X_OK);
  } catch (error) {
    throw systemFault(root, 'read', error);
  }
  if (!write) return;
  await access(root, constants.W_OK).catch((error: unknown) => {
    throw systemFault(root, 'write', error);
  });
}

function refuseIncomplete(paths: DataPaths, names: readonly string[]): void {
  if (names.includes(basename(paths.marker))) return;
  if (names.includes(basename(paths.unfinished))) throw unfinished(paths.root);
  if (names.length === 0)
    throw new DataDirectoryError('DIRECTORY_MISSING', `${paths.root} is empty`, { hint: MAKE_ONE });
  throw new DataDirectoryError('DIRECTORY_FOREIGN', `${paths.root} is not a Mayfly data directory`, {
    hint: 'It has no mayfly.json. Name the directory that `mayfly init --data DIR` made.',
  });
}

/** The root key has no business on a server, and nobody but the service may read any key. */
async function keyWarnings(paths: DataPaths, mode: Mode): Promise<string[]> {
  const warnings: string[] = [];
  const names = (await namesIn(paths.keys)) ?? [];
  for (const [file, what] of [
    [paths.rootKey, 'root key'] as const,
    [paths.tufRootKey, 'TUF root key'] as const,
  ])
    if (mode === 'production' && names.includes(basename(file)))
      warnings.push(
        `${file}: the ${what} lies on the server. Move it to a safe place; it is not needed here.`,
      );
  for (const name of names) {
    const path = join(paths.keys, name);
    const found = await stat(path).catch(() => undefined);
    if (found !== undefined && (found.mode & 0o077) !== 0)
      warnings.push(`${path}: others than its owner may read this key. Run: chmod 600 ${path}`);
  }
  return warnings;
}

/** What a copy that was not finished leaves out is not served, and nobody would miss it; its key is there all the same. */
async function lostParts(paths: DataPaths): Promise<string[]> {
  const keys = (await namesIn(paths.keys)) ?? [];
  const artifacts = (await namesIn(paths.artifacts)) ?? [];
  const parts: [key: string, place: string][] = [];
  for (const [key, place] of [
    [paths.timestampKey, paths.timestampChain],
    [paths.tufOnlineKey, join(paths.tuf, 'timestamp.json')],
  ] as const)
    if (keys.includes(basename(key)) && (await isMissing(place)) && !(await isElsewhere(place)))
      parts.push([key, place]);
  for (const key of keys) {
    const [, name] = ARTIFACT_KEY.exec(key) ?? [];
    if (name !== undefined && !artifacts.includes(name) && !artifacts.includes(`${name}.next.json`))
      parts.push([join(paths.keys, key), join(paths.artifacts, name)]);
  }
  return parts.map(
    ([key, place]) =>
      `${key} is there, and ${place} is not: what it signs is not served. Put that back as it was last, never an older log (docs/keys-and-backups.md, "Backup and restore"). ` +
      'If only its making was interrupted, give that command again.',
  );
}

/** A TUF repository that services share is fetched by the start. */
const isElsewhere = async (place: string): Promise<boolean> =>
  !(await isMissing(join(dirname(place), STORE_FILE)));

const ARTIFACT_KEY = /^artifacts-(v[12](?:-\d+)?)\.key\.pem$/;

const MAKE_ONE = 'Make it with `mayfly init --data DIR --root-key-out FILE`.';

const missing = (root: string): DataDirectoryError =>
  new DataDirectoryError('DIRECTORY_MISSING', `there is no directory ${root}`, { hint: MAKE_ONE });

const notADirectory = (path: string): DataDirectoryError =>
  new DataDirectoryError('DIRECTORY_FOREIGN', `${path} is a file, not a directory`, {
    hint: 'Name a directory with --data.',
  });

function wrongMode(root: string, actual: Mode): DataDirectoryError {
  const [message, hint] = WRONG_MODE[actual];
  return new DataDirectoryError('DIRECTORY_MODE', `${root} ${message}`, { hint });
}

const WRONG_MODE: Readonly<Record<Mode, readonly [message: string, hint: string]>> = {
  dev: [
    'was made by `mayfly dev`; its CA is for development only',
    'Make a directory for production with `mayfly init --data DIR --root-key-out FILE`.',
  ],
  production: [
    'is a production directory; `mayfly dev` would let anybody sign with its CA',
    'Name another directory with --data, or none for ./.mayfly.',
  ],
};
