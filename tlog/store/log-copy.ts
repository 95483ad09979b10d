import { readdir, rm, rmdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { equalBytes } from '../../core/bytes.ts';
import { systemCode } from '../../core/errors.ts';
import { removeTemporary, syncDirectory, writeDurably } from '../../storage/durable-file.ts';
import { FileFault } from '../../storage/file-fault.ts';
import { LockTimeout, withFileLock } from '../../storage/file-lock.ts';
import { ensureDirectory } from '../../storage/make-directory.ts';
import { LogError } from '../core/log-error.ts';
import { readLogFile } from '../core/log-file.ts';

/** In the directory of a copy, empty. */
const LOCK_FILE = '.lock';

/** Makes the directory `out`, and runs `work` while no other process copies a log to it. Rejects with LogError `LOG_LOCKED` when another one does not end within
 * `waitMs`, with FileFault, and with what `work` rejects with. */
export async function copyingAlone<T>(out: string, waitMs: number, work: () => Promise<T>): Promise<T> {
  await ensureDirectory(out, 0o755);
  const held = { isTaken: false };
  try {
    return await withFileLock(join(out, LOCK_FILE), waitMs, () => {
      held.isTaken = true;
      return work();
    });
  } catch (error) {
    if (held.isTaken) throw error;
    if (error instanceof LockTimeout) throw copying(out, error);
    // A file system without locks, or the file of another user, which no lock can be had of: there one copy at a time is for its operator to see to.
    if (error instanceof FileFault) return work();
    throw error;
  }
}

const copying = (out: string, cause: LockTimeout): LogError =>
  new LogError('LOG_LOCKED', `another export or mirror writes to ${out}`, {
    hint: 'Wait until it has ended: the next one writes what is missing.',
    cause,
  });

/** The files of a log below a directory that a web server, most likely another user, must be able to read. One at a time
 * writes there ({@link copyingAlone}): what a crash left in a directory is removed before the first file is written to it. */
export class LogCopy {
  /** Files that were written, and all. */
  written = 0;
  files = 0;
  readonly #out: string;
  readonly #ready = new Map<string, Promise<void>>();

  constructor(out: string) {
    this.#out = out;
  }

  /** Writes a file unless it is there; it is counted when it is replaced. */
  async begin(path: string, bytes: Uint8Array): Promise<void> {
    if ((await this.#length(path)) === 0) await this.#write(path, bytes);
  }

  /** Writes an immutable file unless it is there, with `length` bytes if that is known. One that is empty was being made
   * when the power went. */
  async add(path: string, bytes: () => Promise<Uint8Array>, length?: number): Promise<void> {
    this.files++;
    const found = await this.#length(path);
    if (found > 0 && (length === undefined || found === length)) return;
    await this.#write(path, await bytes());
    this.written++;
  }

  /** Removes the partial tiles of a tile that is there as a whole, or those that are not wanted any more. */
  async removePartials(folder: string, wanted: ReadonlySet<string>): Promise<void> {
    const directory = join(this.#out, folder);
    for (const name of await this.names(folder))
      if (!wanted.has(name)) await rm(join(directory, name), { force: true });
    // Only where it is empty.
    await rmdir(directory).catch(() => undefined);
  }

  /** What is in a folder; nothing where it cannot be read. */
  names(folder: string): Promise<readonly string[]> {
    return readdir(join(this.#out, folder)).catch(() => []);
  }

  /** Writes a file, also over an older one. */
  async replace(path: string, bytes: Uint8Array): Promise<void> {
    this.files++;
    this.written++;
    await this.#write(path, bytes);
  }

  /** Writes a file that is none of the log's own, and is not counted. */
  async keep(path: string, bytes: Uint8Array): Promise<void> {
    await this.#write(path, bytes);
  }

  /** Removes a file, durably; it need not be there. */
  async remove(path: string): Promise<void> {
    const file = join(this.#out, path);
    await rm(file, { force: true });
    await syncDirectory(dirname(file));
  }

  /** {@link replace}, unless it is there with these bytes. */
  async renew(path: string, bytes: Uint8Array): Promise<void> {
    const there = await readLogFile(this.#out, path);
    if (there === undefined || !equalBytes(there, bytes)) await this.replace(path, bytes);
  }

  async #write(path: string, bytes: Uint8Array): Promise<void> {
    const file = join(this.#out, path);
    await this.#prepare(dirname(file));
    await writeDurably(file, bytes, 0o644);
  }

  /** Once for each directory, before the first file: of several that are written at once, none is taken for what a crash left. */
  #prepare(directory: string): Promise<void> {
    const ready = this.#ready.get(directory) ?? this.#make(directory);
    this.#ready.set(directory, ready);
    return ready;
  }

  async #make(directory: string): Promise<void> {
    await ensureDirectory(directory, 0o755);
    // What cannot be removed is in nobody's way.
    await removeTemporary(directory).catch(() => undefined);
  }

  /** 0 when there is none. */
  async #length(path: string): Promise<number> {
    try {
      return (await stat(join(this.#out, path))).size;
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return 0;
      throw error;
    }
  }
}
