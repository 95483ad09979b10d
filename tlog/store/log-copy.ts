import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { systemCode } from '../../core/errors.ts';
import { removeTemporary, writeDurably } from '../../storage/durable-file.ts';
import { FileFault } from '../../storage/file-fault.ts';
import { LockTimeout, withFileLock } from '../../storage/file-lock.ts';
import { ensureDirectory } from '../../storage/make-directory.ts';
import { LogError } from '../core/log-error.ts';

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
  new LogError('LOG_LOCKED', `another export writes to ${out}`, {
    hint: 'Wait until it has ended: the next export writes what is missing.',
    cause,
  });

/** The files of a log below a directory that a web server, most likely another user, must be able to read. One at a time
 * writes there ({@link copyingAlone}): what a crash left in a directory is removed before the first file is written to it. */
export class LogCopy {
  /** Files that were written, and all. */
  written = 0;
  files = 0;
  readonly #out: string;
  readonly #ready = new Set<string>();

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

  /** Writes a file, also over an older one. */
  async replace(path: string, bytes: Uint8Array): Promise<void> {
    this.files++;
    this.written++;
    await this.#write(path, bytes);
  }

  async #write(path: string, bytes: Uint8Array): Promise<void> {
    const file = join(this.#out, path);
    await this.#prepare(dirname(file));
    await writeDurably(file, bytes, 0o644);
  }

  async #prepare(directory: string): Promise<void> {
    if (this.#ready.has(directory)) return;
    await ensureDirectory(directory, 0o755);
    // What cannot be removed is in nobody's way.
    await removeTemporary(directory).catch(() => undefined);
    this.#ready.add(directory);
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
