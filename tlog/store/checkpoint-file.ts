import { join } from 'node:path';
import { messageOf } from '../../core/errors.ts';
import { writeDurably } from '../../storage/durable-file.ts';

/** Name inside a log's directory. */
export const CHECKPOINT_FILE = 'checkpoint';

const INTERVAL_MS = 1000;

/**
 * Keeps the newest checkpoint in a file, for those who read the directory without the server, and for the next start,
 * which sees by it that an old commit store was put back. Derived and late: at most one write a second, synced, each
 * into a new file. A crash leaves an older one. One that fails is tried again with the next second.
 */
export class CheckpointFile {
  readonly #path: string;
  #newest: Uint8Array;
  #written: Uint8Array | undefined;
  #lastWrite = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();
  #failure: string | undefined;
  #isClosed = false;

  constructor(directory: string, first: Uint8Array) {
    this.#path = join(directory, CHECKPOINT_FILE);
    this.#newest = first;
  }

  /** Why the file is older than it should be; undefined while all is well. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** Notes a newer checkpoint: written at once when the last write is a second ago, else when it is. */
  update(checkpoint: Uint8Array): void {
    this.#newest = checkpoint;
    this.#schedule();
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#isClosed) return;
    const wait = this.#lastWrite + INTERVAL_MS - performance.now();
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        void this.#flush();
      },
      Math.max(0, wait),
    ).unref();
  }

  /** Writes the newest checkpoint now, if the file has another, and no more after that. Never rejects. */
  close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    return this.#flush();
  }

  #flush(): Promise<void> {
    this.#writing = this.#writing.then(() => this.#write());
    return this.#writing;
  }

  async #write(): Promise<void> {
    const bytes = this.#newest;
    if (bytes === this.#written) return;
    this.#lastWrite = performance.now();
    try {
      await writeDurably(this.#path, bytes, 0o644);
      this.#written = bytes;
      this.#failure = undefined;
    } catch (error) {
      this.#failure = messageOf(error);
      this.#schedule();
    }
  }
}
