import { spawn, type ChildProcess } from 'node:child_process';
import { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { FormatError, messageOf } from '../../core/errors.ts';
import { moduleBeside } from '../../storage/module-beside.ts';
import { Pkcs11Error } from './pkcs11-error.ts';
import { arrivedAnswer, FrameReader, frameOf, type TokenRequest } from './token-messages.ts';

/** Megabytes of its heap. It holds a few buffers. */
const HEAP = 64;

/** Milliseconds for an end in order, which some tokens want before they forget a session. */
const END_MS = 1_000;

/** Milliseconds in the module that a call has at least, even if its caller gives up earlier: it may just have begun. */
const LEAST_MS = 1_000;

/** Calls that a token may have to do one after the other: a call waits for so many times its own time, while others are answered. */
const IN_A_ROW = 4;

/** Environment variables. */
type Environment = Readonly<Record<string, string | undefined>>;

/** Who waits for an answer. */
interface Asker {
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: Error) => void;
  /** No time limit counts any more. */
  readonly settled: () => void;
}

/**
 * A process that calls one PKCS#11 module. The module can neither hold up nor end this one; an answer that takes too long ends that process, for nothing else ends a
 * call that hangs. When it has ended, every open and later question rejects with {@link Pkcs11Error}. It keeps this process alive only while a question is open.
 */
export class TokenProcess {
  readonly #child: ChildProcess;
  readonly #connection: Socket;
  readonly #askers = new Map<number, Asker>();
  #asked = 0;
  /** Of `performance.now()`. */
  #answeredAt = 0;
  #gone: Pkcs11Error | undefined;

  /** `env`: environment variables, of which modules read their own. Throws {@link Pkcs11Error} `PKCS11_PROCESS` where none can be started. */
  constructor(env: Environment) {
    this.#child = start(env);
    // First of all: what has no listener would end this process.
    this.#child.on('error', (error) => {
      this.#fail(ended(`could not be started: ${messageOf(error)}`));
    });
    this.#connection = connectionTo(this.#child);
    const reader = new FrameReader();
    this.#connection.on('data', (chunk: Buffer) => {
      this.#arrived(reader, chunk);
    });
    // Its end says more.
    this.#connection.on('error', () => undefined);
    this.#child.on('exit', (code, signal) => {
      this.#fail(ended(signal === null ? `ended with code ${String(code)}` : `was ended by ${signal}`));
    });
    this.#child.unref();
    this.#connection.unref();
  }

  /** Its process id; undefined where it could not be started. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Whether it ended, or is about to. */
  get isGone(): boolean {
    return this.#gone !== undefined;
  }

  /** What `read` makes of the answer. Rejects with {@link Pkcs11Error}: what the process says, or that it ended or said what it may not. A call that takes longer than `limit`, in milliseconds,
   * ends the process; one that takes longer than until that is aborted does so when the process has answered nothing else for as long. */
  ask<T>(request: TokenRequest, read: (answer: unknown) => T, limit: number | AbortSignal): Promise<T> {
    if (this.#gone !== undefined) return Promise.reject(this.#gone);
    const number = this.#asked++;
    this.#connection.ref();
    return new Promise<unknown>((resolve, reject) => {
      const settled = this.#watch(limit);
      this.#askers.set(number, { resolve, reject, settled });
      this.#connection.write(frameOf({ number, request }));
    }).then((answer) => this.#understood(answer, read));
  }

  /** Ends the process at the limit, unless the function that is returned is called before. */
  #watch(limit: number | AbortSignal): () => void {
    const from = performance.now();
    let timer: NodeJS.Timeout | undefined;
    const endAfter = (ms: number): void => {
      timer = setTimeout(() => {
        this.kill(late(performance.now() - from));
      }, ms);
    };
    if (typeof limit === 'number') endAfter(limit);
    const onAbort = (): void => {
      const given = Math.max(LEAST_MS, performance.now() - from);
      const look = (): void => {
        const silentSince = Math.max(from, this.#answeredAt);
        const left = Math.min(silentSince + given, from + IN_A_ROW * given) - performance.now();
        if (left <= 0) this.kill(late(performance.now() - from));
        else timer = setTimeout(look, left);
      };
      timer = setTimeout(look, 0);
    };
    if (typeof limit !== 'number') {
      if (limit.aborted) onAbort();
      else limit.addEventListener('abort', onAbort, { once: true });
    }
    return () => {
      clearTimeout(timer);
      if (typeof limit !== 'number') limit.removeEventListener('abort', onAbort);
    };
  }

  /** Ends it at once, with what its questions reject with. Idempotent. */
  kill(reason = ended('was ended')): void {
    this.#child.kill('SIGKILL');
    this.#fail(reason);
  }

  /** Lets it end in order, for a second at most. Idempotent. */
  async end(): Promise<void> {
    this.#fail(ended('is ending'));
    if (this.#child.exitCode !== null || this.#child.signalCode !== null || this.pid === undefined) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => this.#child.kill('SIGKILL'), END_MS);
      this.#child.once('exit', () => {
        clearTimeout(timer);
        resolve();
      });
      this.#connection.end();
    });
  }

  #arrived(reader: FrameReader, chunk: Buffer): void {
    try {
      for (const value of reader.push(chunk)) this.#answered(value);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      this.kill(nonsense(error));
    }
  }

  #answered(value: unknown): void {
    const answer = arrivedAnswer(value);
    this.#answeredAt = performance.now();
    const asker = this.#askers.get(answer.of);
    if (asker === undefined) throw new FormatError('MALFORMED', 'an answer to no question');
    this.#askers.delete(answer.of);
    asker.settled();
    if (this.#askers.size === 0) this.#connection.unref();
    if (!('fault' in answer)) asker.resolve(answer.answer);
    else
      asker.reject(new Pkcs11Error(answer.fault.reason, answer.fault.message, { hint: answer.fault.hint }));
  }

  #understood<T>(answer: unknown, read: (answer: unknown) => T): T {
    try {
      return read(answer);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      const fault = nonsense(error);
      this.kill(fault);
      throw fault;
    }
  }

  #fail(reason: Pkcs11Error): void {
    this.#gone ??= reason;
    for (const { reject, settled } of this.#askers.values()) {
      settled();
      reject(this.#gone);
    }
    this.#askers.clear();
    // There is none where a start failed for lack of file descriptors.
    (this.#connection as Socket | undefined)?.unref();
  }
}

const late = (ms: number): Pkcs11Error =>
  new Pkcs11Error(
    'PKCS11_TIMEOUT',
    `the module did not answer within ${Math.round(ms / 100) / 10} s, and its process was ended`,
    {
      hint: 'Does the token, or the server that it is behind, answer? It is asked again by a new process.',
    },
  );

const ended = (fate: string): Pkcs11Error =>
  new Pkcs11Error('PKCS11_PROCESS', `the process that calls the PKCS#11 module ${fate}`, {
    hint: 'A signal may come from the module, which has a fault then, or from the system, for lack of memory. A new one is started.',
  });

const nonsense = (cause: FormatError): Pkcs11Error =>
  new Pkcs11Error(
    'PKCS11_PROCESS',
    `the process that calls the PKCS#11 module said what it may not: ${cause.message}`,
    { cause },
  );

function start(env: Environment): ChildProcess {
  if (process.platform === 'win32')
    throw new Pkcs11Error('PKCS11_PROCESS', 'PKCS#11 modules are not called on Windows', {
      hint: 'Run the service on Linux, or keep the key elsewhere.',
    });
  const { url, execArgv } = moduleBeside(import.meta.url, 'token-process');
  try {
    return spawn(
      process.execPath,
      [...execArgv, `--max-old-space-size=${HEAP}`, '--disable-sigusr1', fileURLToPath(url)],
      {
        env: environmentOf(env),
        // What a module writes is no line of the service's log.
        stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
      },
    );
  } catch (error) {
    throw ended(`could not be started: ${messageOf(error)}`);
  }
}

/** Where file descriptors are used up, a child has no streams at all, whatever its type says. */
function connectionTo({ stdio }: ChildProcess): Socket {
  const connection = (stdio as ChildProcess['stdio'] | undefined)?.[3];
  if (connection instanceof Socket) return connection;
  throw ended('could not be started: this process may have no more open files (EMFILE)');
}

/** Nobody knows which variables a module reads: all but what is ours, and the credentials for other servers of this process. */
export function environmentOf(env: Environment): NodeJS.ProcessEnv {
  const own = /^(?:NODE_OPTIONS|MAYFLY_.*|(?:VAULT|BAO)_(?:TOKEN|SECRET_ID)|PGPASSWORD)$/;
  return Object.fromEntries(Object.entries(env).filter(([name]) => !own.test(name)));
}
