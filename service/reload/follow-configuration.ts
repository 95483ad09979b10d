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

/** A configuration that is followed. */
export interface Follower {
  readonly state: () => ConfigurationState;
  /** Begins to look. */
  start(): void;
  /** Looks now: what changed is in force, or refused, when it resolves. Never rejects. */
  check(): Promise<void>;
  /** Loads now, changed or not; a changed file as soon as it stays as it is, or after five times `settle`. Never
   * rejects. */
  reload(): Promise<void>;
  /** Looks no more, and interrupts a load; resolves when the last look is done, or after five seconds when a file system
   * does not answer. */
  close(): Promise<void>;
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

/** Follows; nothing is looked at before {@link Follower.start}. */
export function followConfiguration(options: FollowOptions): Follower {
  const { interval = INTERVAL, settle = SETTLE } = options;
  const reloader = new Reloader(options);
  const watch = new Watch(options.started.contents, settle);
  let work: Promise<void> = Promise.resolve();
  /** A reload that has not begun: it will do for everybody who asks meanwhile. */
  let waiting: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;
  /** One thing at a time. */
  const next = (step: () => Promise<void>): Promise<void> => {
    work = work.then(() => (closed ? undefined : step()));
    return work;
  };
  const check = (): Promise<void> =>
    next(async () => {
      if (await watch.look(reloader.state.failure !== undefined))
        watch.seen = await reloader.load(watch.seen, false);
    });
  const start = (): void => {
    if (closed) return;
    timer = setTimeout(() => void check().then(start), interval).unref();
  };
  return {
    start,
    check,
    state: () => reloader.state,
    reload: () =>
      (waiting ??= next(async () => {
        await watch.settle();
        waiting = undefined;
        watch.seen = await reloader.load(watch.seen, true);
      })),
    close: async () => {
      closed = true;
      clearTimeout(timer);
      reloader.close();
      await Promise.race([work, delay(CLOSE_TIMEOUT_MS, undefined, { ref: false })]);
    },
  };
}

/** The files, as they were at the last try to load them. */
class Watch {
  seen: readonly FileContent[];
  readonly #settle: number;
  #looks = 0;

  constructor(seen: readonly FileContent[], settle: number) {
    this.seen = seen;
    this.#settle = settle;
  }

  /** Whether it is time for another try. */
  async look(hasFailed: boolean): Promise<boolean> {
    const before = this.seen;
    const now = await this.#now();
    if (changedFiles(before, now).length === 0) return hasFailed && ++this.#looks % RETRY_LOOKS === 0;
    this.#looks = 0;
    await delay(this.#settle);
    // Still being written: the next look decides.
    const later = await this.#now();
    if (changedFiles(now, later).length > 0) return false;
    this.seen = later;
    return true;
  }

  /** Takes what is there for seen, once it stays as it is: a request to load may come early, and of a file that is half
   * written the rule that denies may be missing. A file that changes all the time is loaded all the same, as
   * `loadSettled` does it. */
  async settle(): Promise<void> {
    let before = this.seen;
    for (let looks = 0; ; looks++) {
      this.seen = await this.#now();
      if (looks === SETTLE_LOOKS || changedFiles(before, this.seen).length === 0) return;
      before = this.seen;
      await delay(this.#settle);
    }
  }

  #now(): Promise<FileContent[]> {
    return contentsOf(this.seen.map(({ path }) => path));
  }
}
