import { constants } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from './log-error.ts';

/** Name inside a log's directory. */
export const CHECKPOINT_FILE = 'checkpoint';

const INTERVAL_MS = 1000;

/** A new file or the one that a crash left, never what a link leads to. */
const NO_LINK = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW;

/**
 * Keeps the newest checkpoint in a file, for those who read the directory without the server. Derived and late: at
 * most one write a second, never synced, and nobody may rely on it being current. A crash leaves an older one.
 */
export class CheckpointFile {
  readonly #path: string;
  #newest: Uint8Array;
  #written: Uint8Array | undefined;
  #lastWrite = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();
  #failure: string | undefined;

  constructor(directory: string, first: Uint8Array) {
    this.#path = join(directory, CHECKPOINT_FILE);
    this.#newest = first;
  }

  /** Why the last write failed; undefined when it did not. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** Notes a newer checkpoint: written at once when the last write is a second ago, else when it is. */
  update(checkpoint: Uint8Array): void {
    this.#newest = checkpoint;
    if (this.#timer !== undefined) return;
    const wait = this.#lastWrite + INTERVAL_MS - performance.now();
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        // A failure is in `failure`, and passes: the next try comes in a second.
        void this.flush().catch(() => {
          this.update(this.#newest);
        });
      },
      Math.max(0, wait),
    ).unref();
  }

  /** Writes the newest checkpoint now, if the file has another. */
  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#writing = this.#writing.catch(() => undefined).then(() => this.#write());
    this.#writing.then(
      () => (this.#failure = undefined),
      (error: unknown) => (this.#failure = messageOf(error)),
    );
    return this.#writing;
  }

  async #write(): Promise<void> {
    const bytes = this.#newest;
    if (bytes === this.#written) return;
    this.#lastWrite = performance.now();
    await writeFile(`${this.#path}.tmp`, bytes, { mode: 0o644, flag: NO_LINK });
    await rename(`${this.#path}.tmp`, this.#path);
    this.#written = bytes;
  }
}
