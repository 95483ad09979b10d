/**
 * Question and answer with a worker thread, in order: {@link startWorker} on one side, {@link answerRequests} on the other.
 * An error of Mayfly's own that the thread throws is thrown by the question; its class would be lost on the way, so its
 * code, message and hint are sent. Any other error ends the thread.
 */
import { parentPort, Worker } from 'node:worker_threads';
import { MayflyError, type ErrorDetails, messageOf } from '../core/errors.ts';
import { moduleBeside } from './module-beside.ts';

/** One worker. When it has ended, every open and later question rejects with the error that `gone` made of that. */
export interface WorkerChannel<Request, Reply> {
  ask(request: Request): Promise<Reply>;
  /** Whether it ended. */
  readonly isGone: boolean;
  /** Ends the thread, whatever it does. Its database connections and locks end with it. Idempotent. */
  terminate(): Promise<void>;
}

/** What a worker is started with. */
interface WorkerStart {
  /** URL of the module that starts it, its `import.meta.url`. */
  readonly beside: string;
  /** The worker's file in the same folder, without extension. */
  readonly name: string;
  readonly workerData: unknown;
  /** The class of the errors that the thread throws on purpose; none by default. */
  readonly errors?: new (code: never, message: string, details: ErrorDetails) => Error;
  /** Makes the error for questions to a worker that ended, from a sentence that says so. Called once, when it ends. */
  readonly gone: (reason: string) => Error;
  /** Whether the thread keeps the process alive only while a question waits for its reply. */
  readonly isIdleWhenUnasked?: boolean;
}

/** What of an error reaches another thread. */
interface SentError {
  readonly code: string;
  readonly message: string;
  readonly hint: string | undefined;
}

/** What the thread posts for each request. `of`: which request it answers, counted from 0; without it, the oldest one that has no answer yet. */
type Answer<Reply> = ({ readonly reply: Reply } | { readonly error: SentError }) & { readonly of?: number };

/** Who waits for an answer. */
interface Asker<Reply> {
  readonly number: number;
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: Error) => void;
}

/** Starts a worker. */
export function startWorker<Request, Reply>(start: WorkerStart): WorkerChannel<Request, Reply> {
  const { beside, name, workerData, isIdleWhenUnasked = false } = start;
  const { url, execArgv } = moduleBeside(beside, name);
  const worker = new Worker(url, { workerData, execArgv: [...execArgv] });
  const waiting: Asker<Reply>[] = [];
  let asked = 0;
  let gone: Error | undefined;
  const end = (reason: string): void => {
    gone ??= start.gone(`the thread ${name} ended: ${reason}`);
    for (const { reject } of waiting.splice(0)) reject(gone);
  };
  const unrefWhenIdle = (): void => {
    if (isIdleWhenUnasked && waiting.length === 0) worker.unref();
  };
  worker.on('message', (answer: Answer<Reply>) => {
    const at = answer.of === undefined ? 0 : waiting.findIndex(({ number }) => number === answer.of);
    const [asker] = waiting.splice(at, 1);
    if ('reply' in answer) asker?.resolve(answer.reply);
    else asker?.reject(thrownAgain(answer.error, start));
    unrefWhenIdle();
  });
  worker.on('messageerror', (error) => {
    end(error.message);
  });
  worker.on('error', (error: unknown) => {
    end(messageOf(error));
  });
  worker.on('exit', (code) => {
    end(`exit code ${code}`);
  });
  unrefWhenIdle();
  return {
    get isGone() {
      return gone !== undefined;
    },
    ask(request) {
      if (gone !== undefined) return Promise.reject(gone);
      return new Promise((resolve, reject) => {
        waiting.push({ number: asked++, resolve, reject });
        if (isIdleWhenUnasked) worker.ref();
        worker.postMessage(request);
      });
    },
    async terminate() {
      await worker.terminate();
    },
  };
}

const thrownAgain = ({ code, message, hint }: SentError, { errors }: WorkerStart): Error =>
  errors === undefined ? new Error(message) : new errors(code as never, message, { hint });

/** In the thread: calls `answer` with one request after the other, and sends what it returns. A {@link MayflyError} that it
 * throws goes back to the question; any other error ends the thread. */
export function answerRequests<Request, Reply>(answer: Answering<Request, Reply>): void {
  parentPort?.on('message', (request: Request) => parentPort?.postMessage(attempt(answer, request)));
}

/** {@link answerRequests} for answers that take several turns of the thread: each begins when the one before has been sent. A rejection ends the thread. */
export function answerInTurn<Request, Reply>(answer: Answering<Request, Promise<Reply>>): void {
  let last = Promise.resolve();
  parentPort?.on('message', (request: Request) => {
    last = last.then(async () => parentPort?.postMessage({ reply: await answer(request) }));
  });
}

/** {@link answerRequests} for answers that are worked on at the same time, each for as long as it takes. */
export function answerSideBySide<Request, Reply>(answer: Answering<Request, Promise<Reply>>): void {
  let next = 0;
  parentPort?.on('message', (request: Request) => {
    const of = next++;
    void answer(request).then(
      (reply) => parentPort?.postMessage({ of, reply }),
      (error: unknown) => parentPort?.postMessage({ of, ...sent(error) }),
    );
  });
}

type Answering<Request, Reply> = (request: Request) => Reply;

function attempt<Request, Reply>(answer: Answering<Request, Reply>, request: Request): Answer<Reply> {
  try {
    return { reply: answer(request) };
  } catch (error) {
    return sent(error);
  }
}

/** The answer that throws `error` where it was asked for. Throws what is no error of Mayfly's own, which ends the thread. */
function sent(error: unknown): { readonly error: SentError } {
  if (!(error instanceof MayflyError)) throw error;
  const { code, message, hint } = error as MayflyError;
  return { error: { code, message, hint } };
}
