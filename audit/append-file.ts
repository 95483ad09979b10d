/** A file that only grows, with lines that are whole. */
import { constants, type BigIntStats } from 'node:fs';
import { open, stat, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { makeDirectory, syncDirectory } from '../storage/durable-file.ts';
import { systemCode } from '../core/errors.ts';
import { AuditSinkError } from './audit-error.ts';

/** What became of the file while it was open: `truncated` is the same one with fewer bytes than were written. */
export type FileFate = 'same' | 'moved' | 'deleted' | 'truncated';

const { O_RDWR, O_APPEND, O_CREAT, O_NOFOLLOW } = constants;

/** An open file. After any rejection it may hold a part of a line and must be closed and opened again. */
export class AppendFile {
  /** Bytes. */
  size: number;
  /** Milliseconds since the epoch, when it was made, as far as the file system knows. */
  readonly begun: number;
  readonly #handle: FileHandle;
  readonly #path: string;
  readonly #inode: bigint;
  readonly #device: bigint;

  private constructor(handle: FileHandle, path: string, facts: BigIntStats) {
    this.#handle = handle;
    this.#path = path;
    this.#inode = facts.ino;
    this.#device = facts.dev;
    this.size = Number(facts.size);
    this.begun = Number(facts.birthtimeMs > 0n ? facts.birthtimeMs : facts.ctimeMs);
  }

  /** Opens or makes (mode 0600) the file and makes its directory (mode 0700); the names of both are durable. A last line that was torn is ended. Throws
   * {@link AuditSinkError} for what is no file, and the system's errors. */
  static async open(path: string): Promise<AppendFile> {
    await makeDirectory(dirname(path));
    const handle = await open(path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600);
    try {
      const facts = await handle.stat({ bigint: true });
      if (!facts.isFile()) throw new AuditSinkError('AUDIT_FILE_UNUSABLE', `${path} is not a regular file`);
      const file = new AppendFile(handle, path, facts);
      await file.#endTornLine();
      await syncDirectory(dirname(path));
      return file;
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** All of it, or a rejection. A disk that gets full may take the first part of a write. */
  async append(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      const { bytesWritten } = await this.#handle.write(bytes, done);
      done += bytesWritten;
      this.size += bytesWritten;
    }
  }

  /** What was appended is on the disk. */
  sync(): Promise<void> {
    return this.#handle.datasync();
  }

  /** Whether the path still leads to this file, and the file still holds what was written. Takes its size as it is now: a
   * second call says `same`. */
  async fate(): Promise<FileFate> {
    const there = await stat(this.#path, { bigint: true }).catch((error: unknown) => {
      if (systemCode(error) === 'ENOENT') return undefined;
      throw error;
    });
    if (there?.ino === this.#inode && there.dev === this.#device) {
      const isTruncated = there.size < BigInt(this.size);
      this.size = Number(there.size);
      return isTruncated ? 'truncated' : 'same';
    }
    const { nlink } = await this.#handle.stat();
    return nlink === 0 ? 'deleted' : 'moved';
  }

  close(): Promise<void> {
    return this.#handle.close();
  }

  async #endTornLine(): Promise<void> {
    if (this.size === 0) return;
    const last = Buffer.alloc(1);
    await this.#handle.read(last, 0, 1, this.size - 1);
    if (last[0] !== NEWLINE) await this.append(Buffer.of(NEWLINE));
  }
}

const NEWLINE = 10;
