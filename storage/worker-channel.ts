/** Question and answer with a worker thread, in order. */
import { Worker } from 'node:worker_threads';

/** One worker. One that died answers every open and later question with the error that its starter made for that. */
export interface WorkerChannel<Request, Reply> {
  ask(request: Request): Promise<Reply>;
  /** Whether it died. */
  readonly isGone: boolean;
  /** Ends the thread, whatever it does. Its database connections and locks end with it. Idempotent. */
  terminate(): Promise<void>;
}

/** What Node before 22.18 needs to run sources. */
const FOR_SOURCES: readonly string[] = ['--experimental-strip-types', '--experimental-transform-types'];

/** What a worker is started with. */
export interface WorkerStart {
  /** URL of the module that starts it, its `import.meta.url`. */
  readonly beside: string;
  /** The worker's file in the same folder, without extension. */
  readonly name: string;
  readonly workerData: unknown;
  /** Makes the error for questions to a worker that ended, from a sentence that says so. Called once, when it ends. */
  readonly gone: (reason: string) => Error;
  /** Whether the thread keeps the process alive only while a question waits for its reply. */
  readonly isIdleWhenUnasked?: boolean;
}

/** Starts a worker: `.js` in a build, `.ts` when Node runs the sources, for the compiler rewrites imports but not URLs.
 * The process's own flags stay with the process: an inspector's port is taken by then, and what is meant for `--eval`
 * keeps a worker from starting. */
export function startWorker<Request, Reply>(start: WorkerStart): WorkerChannel<Request, Reply> {
  const { beside, name, workerData, isIdleWhenUnasked = false } = start;
  const extension = beside.endsWith('.ts') ? 'ts' : 'js';
  const execArgv = extension === 'ts' ? process.execArgv.filter((flag) => FOR_SOURCES.includes(flag)) : [];
  const file = new URL(`./${name}.${extension}`, beside);
  const worker = new Worker(file, { workerData, execArgv });
  const waiting: { resolve: (reply: Reply) => void; reject: (error: Error) => void }[] = [];
  let gone: Error | undefined;
  const fail = (reason: string): void => {
    gone ??= start.gone(`the thread ${name} ended: ${reason}`);
    for (const { reject } of waiting.splice(0)) reject(gone);
  };
  const rest = (): void => {
    if (isIdleWhenUnasked && waiting.length === 0) worker.unref();
  };
  worker.on('message', (reply: Reply) => {
    waiting.shift()?.resolve(reply);
    rest();
  });
  worker.on('messageerror', (error) => {
    fail(error.message);
  });
  worker.on('error', (error: unknown) => {
    fail(error instanceof Error ? error.message : String(error));
  });
  worker.on('exit', (code) => {
    fail(`exit code ${code}`);
  });
  rest();
  return {
    get isGone() {
      return gone !== undefined;
    },
    ask(request) {
      if (gone !== undefined) return Promise.reject(gone);
      return new Promise((resolve, reject) => {
        waiting.push({ resolve, reject });
        if (isIdleWhenUnasked) worker.ref();
        worker.postMessage(request);
      });
    },
    async terminate() {
      await worker.terminate();
    },
  };
}
