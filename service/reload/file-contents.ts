import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';

/** What a file held when it was looked at: the hash of its bytes, or why it could not be read. */
export interface FileContent {
  readonly path: string;
  readonly digest: string;
}

/** What the files hold now. They are read through their paths, so that a symbolic link that was swapped anywhere on the
 * way (Kubernetes) is a change like any other. Never rejects. */
export async function contentsOf(paths: readonly string[]): Promise<FileContent[]> {
  const contents: FileContent[] = [];
  // One after the other: there may be a thousand, and no request waits for this.
  for (const path of paths) contents.push({ path, digest: await digestOf(path) });
  return contents;
}

/** The digest of what cannot be read twice, or not to its end: a pipe or a device. */
export const NO_FILE = 'unreadable: no file';

/** More than any file that a configuration names may have, in bytes. */
const MAX_SIZE = 16 * 1024 * 1024;

async function digestOf(path: string): Promise<string> {
  let file: FileHandle | undefined;
  try {
    // Opening a pipe would wait for somebody to write into it, and nothing would be followed any more.
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const found = await file.stat();
    if (found.isDirectory()) return 'unreadable: EISDIR';
    if (!found.isFile()) return NO_FILE;
    if (found.size > MAX_SIZE) return 'unreadable: too large';
    return createHash('sha256')
      .update(await file.readFile())
      .digest('hex');
  } catch (error) {
    return `unreadable: ${(error as NodeJS.ErrnoException).code ?? 'unknown'}`;
  } finally {
    await file?.close();
  }
}

/** Paths whose content is not the same in both; one that is missing from one of them counts. */
export function changedFiles(before: readonly FileContent[], after: readonly FileContent[]): string[] {
  const known = new Map(before.map(({ path, digest }) => [path, digest]));
  const changed = after.filter(({ path, digest }) => known.get(path) !== digest).map(({ path }) => path);
  const gone = before.map(({ path }) => path).filter((path) => !after.some((file) => file.path === path));
  return [...changed, ...gone];
}
