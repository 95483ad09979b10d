/**
 * Lines in a file that is put aside when it is large or old enough. No line is lost on the way: a file is put aside
 * between two writes, and when that fails the old one goes on. A crash between the two leaves a file that was put
 * aside and no new one, which the next start makes.
 *
 * Whoever moves the file away gets all that was written until then, and a new file is begun. When somebody deletes
 * it, the lines of the last write are written again into a new one.
 *
 * Whoever copies the file and then truncates it (`copytruncate`) loses the lines that came in between. So each write looks
 * whether the file still has all its bytes. If not, the lines of the last seconds are written again before anybody is
 * told that the new ones are there: a line may then stand twice, and is lost only when copying and truncating lay further
 * apart.
 */
import { dirname } from 'node:path';
import type { Clock } from '../core/clock.ts';
import { syncDirectory } from '../storage/durable-file.ts';
import { AppendFile, type Place } from './append-file.ts';
import type { AuditFileDefinition } from './audit-definition.ts';
import { AuditSinkError } from './audit-error.ts';
import type { Destination, FileIncidents, Note } from './destination.ts';
import { rotateFile, removeOldest } from './rotate-file.ts';
import { RecentWrites } from './recent-writes.ts';

/** Milliseconds until a file that could not be put aside is tried again. */
const ROTATION_PAUSE = 60_000;

/** How often the file may be taken away while one batch is written. */
const MAX_TAKEN_AWAY = 3;

/** What {@link openFileDestination} needs beside the definition. */
export interface FileDestinationParts {
  readonly clock: Clock;
  readonly note: Note;
  /** Whether lines count only when they are on the disk. */
  readonly isDurable: boolean;
}

/** Opens the file. Rejects with {@link AuditSinkError} when it cannot be written. */
export async function openFileDestination(
  definition: AuditFileDefinition,
  parts: FileDestinationParts,
): Promise<Destination> {
  const file = await AppendFile.open(definition.path).catch((error: unknown) => {
    throw unusable(definition.path, error);
  });
  return new FileDestination(definition, parts, file);
}

class FileDestination implements Destination {
  readonly name = 'file';
  readonly #definition: AuditFileDefinition;
  readonly #parts: FileDestinationParts;
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

  constructor(definition: AuditFileDefinition, parts: FileDestinationParts, file: AppendFile) {
    this.#definition = definition;
    this.#parts = parts;
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
    if (this.#parts.isDurable) await file.sync();
    // After the flush: nobody may be told that the line is there when the file was cut off meanwhile.
    const place = await this.#look(file);
    if (place === 'truncated') return false;
    this.#owesRecent = false;
    if (place === 'same') this.#recent.add(bytes);
    else await this.#beginAnew(place);
    return place !== 'deleted';
  }

  /** What became of the file; of one that was truncated, the next write repeats what may be in nobody's copy. */
  async #look(file: AppendFile): Promise<Place> {
    const place = await file.place();
    if (place !== 'truncated') return place;
    this.#owesRecent = true;
    this.#lost('truncated', 'audit file was truncated; lines that were written meanwhile may be lost');
    return place;
  }

  async #beginAnew(place: 'moved' | 'deleted'): Promise<void> {
    await this.#drop();
    this.#recent.clear();
    this.#file = await AppendFile.open(this.#definition.path);
    const { path } = this.#definition;
    if (place === 'moved') this.#parts.note('warn', 'audit file was moved; a new one is begun', { path });
    else this.#lost('deleted', 'audit file was deleted; a new one is begun');
  }

  #lost(incident: 'truncated' | 'deleted', event: string): void {
    this.#incidents[incident]++;
    this.#incidents.lastLoss = this.#parts.clock();
    this.#parts.note('error', event, { path: this.#definition.path });
  }

  async #drop(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close().catch(() => undefined);
  }

  async #rotateIfDue(more: number): Promise<void> {
    const file = this.#file;
    const { maxBytes, maxAgeMs = Infinity } = this.#definition;
    const now = this.#parts.clock();
    if (file === undefined || file.size === 0 || now < this.#rotateFrom) return;
    if (file.size + more <= maxBytes && now - file.begun < maxAgeMs) return;
    // It is not that large, and what is put aside is looked at no more.
    if ((await this.#look(file)) === 'truncated' || this.#owesRecent) return;
    await file.sync();
    await this.#rotate(file, now).catch((error: unknown) => {
      this.#rotateFrom = now + ROTATION_PAUSE;
      this.#complain('audit file cannot be put aside; it goes on growing', error);
    });
  }

  async #rotate(file: AppendFile, now: number): Promise<void> {
    const { path, keep } = this.#definition;
    const aside = await rotateFile(path, now);
    // Should this fail, the file that was put aside takes the lines, until somebody finds that its path is gone.
    this.#file = await AppendFile.open(path);
    this.#recent.clear();
    await file.close();
    await syncDirectory(dirname(path));
    this.#parts.note('info', 'audit file put aside', { path: aside });
    try {
      for (const old of await removeOldest(path, keep))
        this.#parts.note('info', 'old audit file removed', { path: old });
    } catch (error) {
      this.#complain('old audit files cannot be removed', error);
    }
  }

  #complain(event: string, error: unknown): void {
    this.#incidents.notRotated++;
    this.#parts.note('error', event, { path: this.#definition.path, sentence: messageOf(error) });
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

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
  const { code = '' } = error as NodeJS.ErrnoException;
  return new AuditSinkError('AUDIT_FILE_UNUSABLE', `the audit file ${path} cannot be written`, {
    hint: FAULTS[code] ?? messageOf(error),
    cause: error,
  });
}
