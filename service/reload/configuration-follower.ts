/**
 * Follows the configuration of a running service: looks at its files every two seconds, and loads on request.
 * What can be used is put in force whole, by one assignment; what cannot leaves the last good one in force and is reported
 * in the log, in the metrics and in the detail of readiness.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { ConfigurationState } from '../../server/operator/configuration-state.ts';
import { changedFiles, contentsOf, type FileContent } from './file-contents.ts';
import { Reloader, type ReloaderOptions } from './reloader.ts';

/** What is followed, and how closely. */
interface FollowOptions extends ReloaderOptions {
  /** Milliseconds between two looks; default 2,000. */
  readonly interval?: number | undefined;
  /** Milliseconds for which a changed file must stay as it is before it is loaded; default 300. */
  readonly settle?: number | undefined;
}

const INTERVAL = 2_000;
const SETTLE = 300;

/** How often a file that is to be loaded now may be found changed before it is loaded all the same. */
const SETTLE_LOOKS = 5;

/** Milliseconds for which closing waits for a look. */
const CLOSE_TIMEOUT_MS = 5_000;

/** A configuration that could not be used is tried again after this many looks although no file changed: what is wrong
 * may lie in a file that only a good configuration would name. */
const RETRY_LOOKS = 15;

/** Follows one configuration. Nothing is looked at before {@link start}. */
export class ConfigurationFollower {
  readonly #reloader: Reloader;
  readonly #interval: number;
  readonly #settleMs: number;
  /** The files, as they were at the last try to load them. */
  #seen: readonly FileContent[];
  /** Looks since the last change. */
  #looks = 0;
  /** What is done now and next: one thing at a time. */
  #work: Promise<void> = Promise.resolve();
  /** A reload that has not begun: it will do for everybody who asks meanwhile. */
  #waiting: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: FollowOptions) {
    this.#reloader = new Reloader(options);
    this.#interval = options.interval ?? INTERVAL;
    this.#settleMs = options.settle ?? SETTLE;
    this.#seen = options.started.contents;
  }

  /** How loading went so far. */
  get state(): ConfigurationState {
    return this.#reloader.state;
  }

  /** Begins to look. */
  start(): void {
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => {
      void this.check().then(() => {
        this.start();
      });
    }, this.#interval).unref();
  }

  /** Looks now: what changed is in force, or refused, when it resolves. Never rejects. */
  check(): Promise<void> {
    return this.#next(async () => {
      if (await this.#isTimeToLoad()) this.#seen = await this.#reloader.load(this.#seen, false);
    });
  }

  /** Loads now, changed or not; a changed file as soon as it stays as it is, or after five times `settle`. Never
   * rejects. */
  reload(): Promise<void> {
    this.#waiting ??= this.#next(async () => {
      await this.#settle();
      this.#waiting = undefined;
      this.#seen = await this.#reloader.load(this.#seen, true);
    });
    return this.#waiting;
  }

  /** Looks no more, and interrupts a load; resolves when the last look is done, or after five seconds when a file system
   * does not answer. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#reloader.close();
    await Promise.race([this.#work, delay(CLOSE_TIMEOUT_MS, undefined, { ref: false })]);
  }

  #next(step: () => Promise<void>): Promise<void> {
    this.#work = this.#work.then(() => (this.#isClosed ? undefined : step()));
    return this.#work;
  }

  /** Looks once; a file that changed counts once it stays as it is. */
  async #isTimeToLoad(): Promise<boolean> {
    const now = await this.#contents();
    if (changedFiles(this.#seen, now).length === 0)
      return this.state.failure !== undefined && ++this.#looks % RETRY_LOOKS === 0;
    this.#looks = 0;
    await delay(this.#settleMs);
    // Still being written: the next look decides.
    const later = await this.#contents();
    if (changedFiles(now, later).length > 0) return false;
    this.#seen = later;
    return true;
  }

  /** Waits until the files stay as they are, because a request to load may come while one is being written, and what is
   * missing from it may be the rule that denies. A file that changes all the time is loaded all the same, as `loadSettled`
   * does it. */
  async #settle(): Promise<void> {
    let before = this.#seen;
    for (let looks = 0; ; looks++) {
      this.#seen = await this.#contents();
      if (looks === SETTLE_LOOKS || changedFiles(before, this.#seen).length === 0) return;
      before = this.#seen;
      await delay(this.#settleMs);
    }
  }

  #contents(): Promise<FileContent[]> {
    return contentsOf(this.#seen.map(({ path }) => path));
  }
}
