/** Directories with their parents. */
import { mkdir, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
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
