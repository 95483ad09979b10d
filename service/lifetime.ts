/** The life of a process that serves: what signals ask of it from its first step on, and an end that is bounded in
 * time, whatever the readers of its output, a file system or a lookup do. */
import { existsSync } from 'node:fs';
import { isAbsolute } from 'node:path';

/** A service that was opened. */
interface Running {
  /** Finishes what is under way. */
  close(): Promise<void>;
  /** Loads the configuration again; never rejects. */
  reload?(): Promise<void>;
  /** Milliseconds for which `close` goes on as before; the bound of the end comes later by as much. Default: 0. */
  readonly shutdownDelayMs?: number | undefined;
}

/** How a service is run. */
interface ServiceRun<Opened extends Running> {
  readonly open: () => Promise<Opened>;
  /** Called when it is open, and not when the process was asked to end meanwhile. */
  readonly ready: (opened: Opened) => void;
  /** What SIGHUP asks for. */
  readonly hangup: 'reload' | 'stop';
}

/** SIGQUIT too: by default it writes the memory of the process, and with it its keys, into a file. */
const STOP: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGINT', 'SIGQUIT'];

/** Ctrl-C in a terminal reaches the whole process group, and a launcher (npm, `bin/mayfly.js`) forwards its copy: what
 * comes within this time is the same request, not an impatient second one. */
const SAME_REQUEST_MS = 1_000;

/** From the first request to end on: what is under way has 25 s, and everything else these. */
const LONGEST_END_MS = 30_000;

/** While the service is opened: what is opened is closed in order, but a passphrase from a pipe may never come. */
const LONGEST_START_MS = 2_000;

/** After the end of the service something may still hold the process, such as a reader that does not read. */
const AFTERWARDS_MS = 1_000;

/**
 * Opens a service, waits until the process is asked to end, and closes it. Rejects as `open` does. A second later at
 * most the process ends, with `process.exitCode`.
 *
 * SIGTERM, SIGINT and SIGQUIT ask for the end, and SIGHUP for it or for a reload, from now on: what comes before the
 * service is open is done then. A second request to end, a second later or more, ends the process at once with 1, and so
 * does the time: 30 s after the first, and the shutdown delay more. Where opening takes longer than two seconds more, it ends with 0.
 */
export async function runService<Opened extends Running>(run: ServiceRun<Opened>): Promise<void> {
  const signals = new Signals(run.hangup);
  try {
    const opened = await run.open();
    signals.opened(opened);
    if (!signals.isStopped) run.ready(opened);
    await signals.stopped;
    await opened.close();
  } finally {
    setTimeout(() => {
      endNow(Number(process.exitCode ?? 0));
    }, AFTERWARDS_MS).unref();
  }
}

class Signals {
  /** Resolves when the process is asked to end. */
  readonly stopped: Promise<void>;
  #resolve: () => void = () => undefined;
  #stoppedAt: number | undefined;
  #running: Running | undefined;
  #isHungUp = false;

  constructor(hangup: 'reload' | 'stop') {
    this.stopped = new Promise((resolve) => (this.#resolve = resolve));
    const stop = (): void => {
      this.#stop();
    };
    const reload = (): void => {
      this.#isHungUp = true;
      void this.#running?.reload?.();
    };
    for (const signal of STOP) takeOver(signal, stop);
    takeOver('SIGHUP', hangup === 'stop' ? stop : reload);
    takeOver('SIGUSR2', () => undefined);
  }

  get isStopped(): boolean {
    return this.#stoppedAt !== undefined;
  }

  opened(running: Running): void {
    this.#running = running;
    if (this.#isHungUp) void running.reload?.();
  }

  #stop(): void {
    const now = performance.now();
    if (this.#stoppedAt === undefined) {
      this.#endIn(LONGEST_END_MS, now);
      setTimeout(() => {
        if (this.#running === undefined) endNow(0);
      }, LONGEST_START_MS).unref();
    }
    this.#stoppedAt ??= now;
    if (now - this.#stoppedAt > SAME_REQUEST_MS) endNow(1);
    this.#resolve();
  }

  /** What is open by then says whether the end takes longer. */
  #endIn(ms: number, stoppedAt: number): void {
    setTimeout(() => {
      const bound = LONGEST_END_MS + (this.#running?.shutdownDelayMs ?? 0);
      const left = Math.ceil(stoppedAt + bound - performance.now());
      if (left <= 0) endNow(1);
      this.#endIn(left, stoppedAt);
    }, ms).unref();
  }
}

/** Until now the launcher has listened, which ends at once: nothing was open. One that came and was not heard yet would
 * be lost if nobody listened in between. */
function takeOver(signal: NodeJS.Signals, act: () => void): void {
  const before = process.listeners(signal);
  process.on(signal, act);
  for (const listener of before) process.off(signal, listener);
}

/** Ends the process at once, whatever its threads do: `process.exit` waits for them, and one may hang in a file system or
 * a lookup that does not answer, or a debugger. So the process becomes one that has no other threads and ends with
 * `status`. Files and locks are closed as by SIGKILL. */
function endNow(status: number): never {
  process.emit('exit', status);
  const { execPath, argv0 } = process;
  // A call that fails would end the process too, with its memory in a file.
  if (process.execve !== undefined && isAbsolute(execPath) && existsSync(execPath)) {
    try {
      process.execve(execPath, [argv0, '-e', `process.exit(${status})`], {});
    } catch {
      // Node's permission model forbids it.
    }
  }
  process.kill(process.pid, 'SIGKILL');
  throw new Error('unreachable');
}
