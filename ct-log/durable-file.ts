/** Files that are there whole, or not at all, whenever the power goes. */
import { randomBytes } from 'node:crypto';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** Makes what happened to the names in `directory` durable. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes `directory` and its missing parents, each name durable in its parent. Mode 0700. */
export async function makeDirectory(directory: string): Promise<void> {
  const first = await mkdir(directory, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  // `first` is the topmost directory made: every parent from there on holds a new name.
  for (let at = directory; ; at = dirname(at)) {
    await syncDirectory(dirname(at));
    if (at === first || dirname(at) === at) return;
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
