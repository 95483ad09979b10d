/** Files that are there whole, or not at all, whenever the power goes. */
import { randomBytes } from 'node:crypto';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { systemCode } from './log-error.ts';

/** Makes what happened to the names in `directory` durable. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes `directory` and its missing parents, mode 0700, and every name on the way down from `root` durable in its
 * parent, also when it was there before: an earlier attempt may have failed between making and syncing. `root` must
 * exist; default is the directory that holds the topmost one that had to be made. Rejects with the system's error. */
export async function makeDirectory(directory: string, root?: string): Promise<void> {
  const end = resolve(directory);
  const missing = await missingPath(end);
  for (const path of missing) await makeOne(path);
  const made = missing[0] === undefined ? end : dirname(missing[0]);
  const top = root === undefined ? made : resolve(root);
  for (let at = end; at !== top && dirname(at) !== at; at = dirname(at)) await syncDirectory(dirname(at));
}

/** What is missing of the path, topmost first. Not left to `mkdir` with `recursive`: where a directory refuses new
 * ones with ENOENT, as /proc does, that tries for ever. */
async function missingPath(directory: string): Promise<string[]> {
  const missing: string[] = [];
  for (let at = directory; !(await isDirectory(at)); at = dirname(at)) missing.unshift(at);
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

async function makeOne(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    // Somebody else may have made it since; if that is a file, the next step says so.
    if (systemCode(error) !== 'EEXIST') throw error;
  }
}

/** Writes `bytes` to `path`: temporary file in the same directory, fsync, rename, fsync of the directory. A crash
 * leaves the old file or the new one, and perhaps a temporary file that nobody reads. */
export async function writeDurably(path: string, bytes: Uint8Array, mode: number): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`);
  try {
    const handle = await open(temporary, 'wx', mode);
    try {
      await handle.writeFile(bytes);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
  await syncDirectory(dirname(path));
}
