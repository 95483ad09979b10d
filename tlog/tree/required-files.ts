import { messageOf } from '../../core/errors.ts';
import { LogError } from '../core/log-error.ts';
import type { TileStore } from '../store/tile-store.ts';

/** Milliseconds between two looks at a file that could not be read. */
const RECHECK_INTERVAL = 10_000;

/** Files that are remembered as unreadable. */
const REMEMBERED = 1_000;

/** Files that are still unreadable in one round, after which the others wait for the next. */
const RECHECKED = 16;

/** Files of the log that reads needed and could not have. */
export interface UnreadableFiles {
  /** How many are known; a lost file that nobody asks for is not. */
  readonly count: number;
  /** Which one was found first, and what is wrong with it. */
  readonly first: string;
}

interface UnreadableFile {
  readonly sentence: string;
  readonly check: () => Promise<unknown>;
}

/**
 * Reads files that must be there (full tiles, and the companion files that entries name), and remembers those that are not: a
 * lost file concerns only those who ask for it, and the operator should know before that. When files are back, a round every ten
 * seconds notices all of them, unless more than a handful is still lost; each is noticed when it is read.
 */
export class RequiredFiles {
  readonly #store: TileStore;
  readonly #interval: number;
  readonly #unreadable = new Map<string, UnreadableFile>();
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  /** Looks at what could not be read again every `interval` milliseconds; 0: never. */
  constructor(store: TileStore, interval = RECHECK_INTERVAL) {
    this.#store = store;
    this.#interval = interval;
  }

  /** What `parse` makes of the file. Rejects with LogError `LOG_CORRUPT` when it is missing, and with what reading and
   * parsing it throw. */
  async read<T>(path: string, parse: (bytes: Uint8Array) => T): Promise<T> {
    try {
      const parsed = parse(await this.#need(path));
      this.#unreadable.delete(path);
      return parsed;
    } catch (error) {
      this.#remember(path, messageOf(error), () => this.read(path, parse));
      throw error;
    }
  }

  /** The file, or undefined when there is none and none has to be. */
  async find(path: string): Promise<Uint8Array | undefined> {
    return this.#store.get(path);
  }

  /** Undefined when every file that was asked for could be read. */
  get unreadable(): UnreadableFiles | undefined {
    for (const { sentence } of this.#unreadable.values())
      return { count: this.#unreadable.size, first: sentence };
    return undefined;
  }

  /** Looks at nothing any more. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  async #need(path: string): Promise<Uint8Array> {
    const bytes = await this.#store.get(path);
    if (bytes !== undefined) return bytes;
    throw new LogError('LOG_CORRUPT', `${path} is missing`, { hint: 'Restore it from a copy of the log.' });
  }

  #remember(path: string, message: string, check: UnreadableFile['check']): void {
    if (!this.#unreadable.has(path) && this.#unreadable.size >= REMEMBERED) return;
    const sentence = message.includes(path) ? message : `${path}: ${message}`;
    this.#unreadable.set(path, { sentence, check });
    this.#timer ??= this.#later();
  }

  #later(): NodeJS.Timeout | undefined {
    if (this.#isClosed || this.#interval === 0 || this.#unreadable.size === 0) return undefined;
    return setTimeout(() => void this.#recheck(), this.#interval).unref();
  }

  async #recheck(): Promise<void> {
    let lost = 0;
    for (const [path, file] of [...this.#unreadable]) {
      if (lost === RECHECKED || this.#isClosed) break;
      // To the end of the line, so that all get their turn.
      this.#unreadable.delete(path);
      this.#unreadable.set(path, file);
      await file.check().catch(() => lost++);
    }
    this.#timer = this.#later();
  }
}
