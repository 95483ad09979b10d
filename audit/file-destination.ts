/**
 * Lines in a file that is rotated when it is large or old enough. No line is lost on the way: a file is rotated between two
 * writes, and when that fails the old one goes on. A crash in between leaves a rotated file and no new one, which the next
 * start makes.
 *
 * Another program may move the file away: it has all that was written until then, and a new file is begun. When one deletes
 * it, the lines of the last write are written again into a new one.
 *
 * A program that copies the file and then truncates it (`copytruncate`) loses the lines that came in between. So each write
 * looks whether the file still has all its bytes. If not, the lines of the last seconds are written again before the new ones
 * count as delivered: a line may then stand twice, and is lost only when copying and truncating lay further apart.
 */
import { messageOf, systemCode } from '../core/errors.ts';
import type { Clock } from '../core/clock.ts';
import { AppendFile, type FileFate } from './append-file.ts';
import type { AuditFileDefinition } from './audit-definition.ts';
import { AuditSinkError } from './audit-error.ts';
import type { Destination, FileIncidents, Note } from './destination.ts';
import { rotateFile, removeOldest } from './rotate-file.ts';
import { RecentWrites } from './recent-writes.ts';

/** Milliseconds until the rotation of a file is tried again. */
const ROTATION_PAUSE = 60_000;

/** How often the file may be taken away while one batch is written. */
const MAX_TAKEN_AWAY = 3;

/** What {@link openFileDestination} needs beside the definition. */
interface FileDestinationOptions {
  readonly clock: Clock;
  readonly note: Note;
  /** Whether lines count only when they are on the disk. */
  readonly isDurable: boolean;
}

/** Opens the file. Rejects with {@link AuditSinkError} when it cannot be written. */
export async function openFileDestination(
  definition: AuditFileDefinition,
  options: FileDestinationOptions,
): Promise<Destination> {
  const file = await AppendFile.open(definition.path).catch((error: unknown) => {
    throw unusable(definition.path, error);
  });
  return new FileDestination(definition, options, file);
}

class FileDestination implements Destination {
  readonly name = 'file';
  readonly #definition: AuditFileDefinition;
  readonly #options: FileDestinationOptions;
  /** Undefined after a failure: nothing more is written to a descriptor that failed. */
  #file: AppendFile | undefined;
  #rotateFrom = 0;
  /** What was written into the file as it is now. */
  readonly #recent = new RecentWrites();
  /** Whether the file was truncated and does not have all of that again yet. */
  #owesRecent = false;
  readonly #incidents = {
    truncated: 0,
    deleted: 0,
    notRotated: 0,
    lastLoss: undefined as number | undefined,
  };

  constructor(definition: AuditFileDefinition, options: FileDestinationOptions, file: AppendFile) {
    this.#definition = definition;
    this.#options = options;
    this.#file = file;
  }

  async deliver(lines: readonly string[]): Promise<void> {
    const bytes = Buffer.from(`${lines.join('\n')}\n`, 'latin1');
    try {
      for (let tries = 0; tries < MAX_TAKEN_AWAY; tries++) if (await this.#write(bytes)) return;
    } catch (error) {
      await this.#drop();
      throw error;
    }
    throw new AuditSinkError(
      'AUDIT_NOT_TAKEN',
      `${this.#definition.path} is deleted or truncated again and again`,
    );
  }

  readonly incidents = (): FileIncidents => ({ ...this.#incidents });

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    if (file === undefined) return;
    // Nothing comes after this that would notice it.
    if ((await this.#look(file)) === 'truncated' || this.#owesRecent) await file.append(this.#recent.bytes);
    await file.sync();
    await file.close();
  }

  /** Whether the bytes are in a file that is still there and still whole. */
  async #write(bytes: Uint8Array): Promise<boolean> {
    await this.#rotateIfDue(bytes.length);
    const file = (this.#file ??= await AppendFile.open(this.#definition.path));
    await file.append(this.#owesRecent ? Buffer.concat([this.#recent.bytes, bytes]) : bytes);
    if (this.#options.isDurable) await file.sync();
    // After the flush: the line does not count as delivered when the file was cut off meanwhile.
    const fate = await this.#look(file);
    if (fate === 'truncated') return false;
    this.#owesRecent = false;
    if (fate === 'same') this.#recent.add(bytes);
    else await this.#beginAnew(fate);
    return fate !== 'deleted';
  }

  /** What became of the file. After a truncation the next write repeats what may be in no copy. */
  async #look(file: AppendFile): Promise<FileFate> {
    const fate = await file.fate();
    if (fate !== 'truncated') return fate;
    this.#owesRecent = true;
    this.#lost('truncated', 'audit file was truncated; lines that were written meanwhile may be lost');
    return fate;
  }

  async #beginAnew(fate: 'moved' | 'deleted'): Promise<void> {
    await this.#drop();
    this.#recent.clear();
    this.#file = await AppendFile.open(this.#definition.path);
    const { path } = this.#definition;
    if (fate === 'moved') this.#options.note('warn', 'audit file was moved; a new one is begun', { path });
    else this.#lost('deleted', 'audit file was deleted; a new one is begun');
  }

  #lost(incident: 'truncated' | 'deleted', event: string): void {
    this.#incidents[incident]++;
    this.#incidents.lastLoss = this.#options.clock();
    this.#options.note('error', event, { path: this.#definition.path });
  }

  async #drop(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close().catch(() => undefined);
  }

  async #rotateIfDue(more: number): Promise<void> {
    const file = this.#file;
    const { maxBytes, maxAgeMs = Infinity } = this.#definition;
    const now = this.#options.clock();
    if (file === undefined || file.size === 0 || now < this.#rotateFrom) return;
    if (file.size + more <= maxBytes && now - file.begun < maxAgeMs) return;
    // It is not that large, and a rotated file is looked at no more.
    if ((await this.#look(file)) === 'truncated' || this.#owesRecent) return;
    await file.sync();
    await this.#rotate(file, now).catch((error: unknown) => {
      this.#rotateFrom = now + ROTATION_PAUSE;
      this.#complain('audit file cannot be rotated; it goes on growing', error);
    });
  }

  async #rotate(file: AppendFile, now: number): Promise<void> {
    const { path, keep } = this.#definition;
    const rotated = await rotateFile(path, now);
    // Should this fail, the rotated file takes the lines, until a write finds that its path is gone. The directory is synced
    // by it, and so both names are durable.
    this.#file = await AppendFile.open(path);
    this.#recent.clear();
    await file.close();
    this.#options.note('info', 'audit file rotated', { path: rotated });
    try {
      for (const old of await removeOldest(path, keep))
        this.#options.note('info', 'old audit file removed', { path: old });
    } catch (error) {
      this.#complain('old audit files cannot be removed', error);
    }
  }

  #complain(event: string, error: unknown): void {
    this.#incidents.notRotated++;
    this.#options.note('error', event, { path: this.#definition.path, sentence: messageOf(error) });
  }
}

/** What the system says about the more likely mistakes, in words. */
const FAULTS: Readonly<Record<string, string>> = {
  EACCES: 'This user may not write there.',
  EROFS: 'The file system is read-only.',
  EISDIR: 'It is a directory: name the file inside it.',
  ELOOP: 'It is a symbolic link: name the file itself.',
  ENOTDIR: 'A part of the path is a file.',
  EEXIST: 'A part of the path is a file.',
  ENOENT: 'Its directory is not there and cannot be made.',
  ENXIO: 'It is a socket or a pipe: name a file.',
};

function unusable(path: string, error: unknown): AuditSinkError {
  return new AuditSinkError('AUDIT_FILE_UNUSABLE', `the audit file ${path} cannot be written`, {
    hint: FAULTS[systemCode(error) ?? ''] ?? messageOf(error),
    cause: error,
  });
}
