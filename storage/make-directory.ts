/** Directories with their parents. */
import { mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { systemCode } from '../core/errors.ts';

/** Makes `directory` and its missing parents with `mode`, less what the umask takes away; what is there is left as
 * it is. Resolves with what was missing, topmost first, as absolute paths. Rejects with the system's error.
 *
 * Not left to `mkdir` with `recursive`: where a directory refuses new ones with ENOENT, as /proc does, that tries for
 * ever. */
export async function ensureDirectory(directory: string, mode = 0o777): Promise<readonly string[]> {
  const missing: string[] = [];
  for (let at = resolve(directory); !(await isDirectory(at)); at = dirname(at)) missing.unshift(at);
  for (const path of missing) await makeOne(path, mode);
  return missing;
}

/** Whether it is there; the dot makes a file in its place the system's own ENOTDIR. */
async function isDirectory(path: string): Promise<boolean> {
  try {
    await stat(`${path}/.`);
    return true;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw error;
  }
}

async function makeOne(path: string, mode: number): Promise<void> {
  try {
    await mkdir(path, { mode });
  } catch (error) {
    // Another process may have made it since. A link that leads nowhere is no directory, and is there too.
    if (systemCode(error) !== 'EEXIST' || !(await isDirectory(path))) throw error;
  }
}

/** Makes a directory beside `directory`, to be renamed to that when it is whole. A crash leaves it: see {@link removeUnfinished}. Rejects with the system's error. */
export const makeUnfinished = (directory: string): Promise<string> =>
  mkdtemp(join(dirname(directory), `.${basename(directory)}-`));

/** The names of the directories of {@link makeUnfinished}. */
const UNFINISHED = /^\.(.+)-[A-Za-z0-9]{6}$/;

/** The directories in `parent`, which may be missing, that a crash left of {@link makeUnfinished}, or that are made now; with `name` those that were to have that name. Rejects with
 * the system's error. */
export async function unfinishedIn(parent: string, name?: string): Promise<readonly string[]> {
  const entries = await readdir(parent, { withFileTypes: true }).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return [];
    throw error;
  });
  return entries
    .filter((entry) => {
      const [, wanted] = UNFINISHED.exec(entry.name) ?? [];
      return entry.isDirectory() && wanted !== undefined && wanted === (name ?? wanted);
    })
    .map((entry) => join(parent, entry.name));
}

/** Removes {@link unfinishedIn}: only while nobody else makes any there. */
export async function removeUnfinished(parent: string, name?: string): Promise<void> {
  for (const directory of await unfinishedIn(parent, name))
    await rm(directory, { recursive: true, force: true });
}
