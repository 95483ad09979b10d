/** Files that are there whole, or not at all, whenever the power goes. Whatever fails is a FileFault. */
import { randomBytes } from 'node:crypto';
import { chown, link, open, readdir, realpath, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { systemCode } from '../core/errors.ts';
import { naming } from './file-fault.ts';
import { ensureDirectory } from './make-directory.ts';

/** Makes what happened to the names in `directory` durable. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await naming(directory, 'opened', open(directory, 'r'));
  try {
    await naming(directory, 'synced', handle.sync());
  } finally {
    await handle.close();
  }
}

/** Makes `directory` and its missing parents, mode 0700, and every name on the way down from `root` durable in its
 * parent, also when it was there before: an earlier attempt may have failed between making and syncing. `root` must
 * exist; default is the directory that holds the topmost one that had to be made. */
export async function makeDirectory(directory: string, root?: string): Promise<void> {
  const end = resolve(directory);
  const [topmost] = await naming(end, 'made', ensureDirectory(end, 0o700));
  const made = topmost === undefined ? end : dirname(topmost);
  const top = root === undefined ? made : resolve(root);
  for (let at = end; at !== top && dirname(at) !== at; at = dirname(at)) await syncDirectory(dirname(at));
}

/** Writes a file that must not exist yet, flushed, with exactly `mode` whatever the process's umask. Fails with
 * `EEXIST` if it does; any other failure leaves no file. The directory's flush is the caller's, once for all its
 * files. */
export async function writeNew(path: string, content: string | Uint8Array, mode: number): Promise<void> {
  const file = await open(path, 'wx', mode);
  try {
    await file.chmod(mode);
    await file.writeFile(content);
    await file.sync();
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  } finally {
    await file.close();
  }
}

/** {@link writeNew} for a file that must never be seen in part, as a key that the same command takes up again: a crash leaves no file or the whole one, and perhaps a temporary
 * file that nobody reads. Where the file system has no links, it is {@link writeNew}. The directory's flush is the caller's. */
export async function writeNewWhole(path: string, content: string | Uint8Array, mode: number): Promise<void> {
  const temporary = temporaryOf(path);
  await writeNew(temporary, content, mode);
  try {
    // Unlike a rename, it never replaces what is there.
    await link(temporary, path);
  } catch (error) {
    if (!NO_LINKS.includes(systemCode(error) ?? '')) throw error;
    await writeNew(path, content, mode);
  } finally {
    await rm(temporary, { force: true });
  }
}

/** What systems say where a file cannot have two names. */
const NO_LINKS = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'];

const temporaryOf = (path: string): string =>
  join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`);

/** Writes `bytes` to `path`, with exactly `mode` whatever the process's umask: temporary file in the same directory, fsync, rename, fsync of the directory. A crash
 * leaves the old file or the new one, and perhaps a temporary file that nobody reads: see {@link removeTemporary}. */
export async function writeDurably(path: string, bytes: Uint8Array, mode: number): Promise<void> {
  await write(path, bytes, { mode });
}

/** {@link writeDurably} in the place of a file that is there: with its mode and its owner, so that a service that runs as
 * another user than this process can go on reading it. A link is followed. Rejects with the system's error, also when
 * the owner cannot be kept, and then the old file stays. */
export async function replaceDurably(path: string, bytes: Uint8Array): Promise<void> {
  const target = await realpath(path);
  const { mode, uid, gid } = await stat(target);
  await write(target, bytes, { mode: mode & 0o7777, uid, gid });
}

/** Sets the owner of a new file or directory to that of `like`, where this user may; others have no need to. */
export async function shareOwner(path: string, like: string): Promise<void> {
  const { uid, gid } = await stat(like);
  await chown(path, uid, gid).catch(() => undefined);
}

interface Attributes {
  readonly mode: number;
  readonly uid?: number;
  readonly gid?: number;
}

async function write(path: string, bytes: Uint8Array, attributes: Attributes): Promise<void> {
  const temporary = temporaryOf(path);
  try {
    const handle = await naming(temporary, 'opened', open(temporary, 'wx', attributes.mode));
    try {
      await keep(handle, attributes);
      await writeAndSync(temporary, handle, bytes);
    } finally {
      await handle.close();
    }
    await naming(path, 'renamed', rename(temporary, path));
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
  await syncDirectory(dirname(path));
}

/** What the process's umask and user would make another. */
async function keep(handle: FileHandle, { mode, uid, gid }: Attributes): Promise<void> {
  if (uid !== undefined && gid !== undefined) {
    const made = await handle.stat();
    if (made.uid !== uid || made.gid !== gid) await handle.chown(uid, gid);
  }
  await handle.chmod(mode);
}

async function writeAndSync(path: string, handle: FileHandle, bytes: Uint8Array): Promise<void> {
  await naming(path, 'written', handle.writeFile(bytes));
  await naming(path, 'synced', handle.sync());
}

/** The names of the temporary files of {@link writeDurably} and {@link writeNewWhole}. */
const TEMPORARY = /^\..+\.[0-9a-f]{12}\.tmp$/;

/** Removes what a crash left of {@link writeDurably} and {@link writeNewWhole} in `directory`, which may be missing; resolves with how many files
 * that were. Only for the one writer there. */
export async function removeTemporary(directory: string): Promise<number> {
  const left = await temporaryFiles(directory);
  for (const file of left) await rm(file, { force: true });
  return left.length;
}

/** What {@link removeTemporary} would remove: what a crash left, or what is written now. */
export async function temporaryFiles(directory: string): Promise<readonly string[]> {
  const names = await readdir(directory).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return [];
    throw error;
  });
  return names.filter((name) => TEMPORARY.test(name)).map((name) => join(directory, name));
}
