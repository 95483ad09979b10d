/** Which batch begins, and when. */
interface GroupCommitOptions {
  /** Whether there is a batch to begin now. */
  readonly isDue: () => boolean;
  /** Takes the next batch and stores it. Returns whether to go on with the one after it; if not, the next
   * {@link GroupCommit.start} does. Must not reject: it settles its own waiters. */
  readonly commit: () => Promise<boolean>;
  /** Whether the first batch waits for the end of this turn of the event loop, so that what arrives in the same turn shares
   * it. Without, it begins at once. */
  readonly gathers: boolean;
}

/**
 * One batch at a time, so that one flush of a disk carries many items: what arrives while a batch is under way shares the
 * next one. There is no timer. The queue is its owner's, who knows what may be dropped from it, put back or refused.
 */
export class GroupCommit {
  readonly #options: GroupCommitOptions;
  /** Also while the first batch is only being begun, when there is nothing to wait for yet. */
  #isBusy = false;
  #running: Promise<void> | undefined;

  constructor(options: GroupCommitOptions) {
    this.#options = options;
  }

  /** Resolves when no batch is under way and none follows; undefined while that is so. */
  get running(): Promise<void> | undefined {
    return this.#running;
  }

  /** Begins a batch if one is due and none is under way. To be called after each change that may make one due. */
  start(): void {
    if (this.#isBusy || !this.#options.isDue()) return;
    this.#isBusy = true;
    this.#running = this.#run();
  }

  async #run(): Promise<void> {
    const { isDue, commit, gathers } = this.#options;
    if (gathers) await new Promise((resolve) => setImmediate(resolve));
    while (isDue()) if (!(await commit())) break;
    this.#isBusy = false;
    this.#running = undefined;
  }
}
