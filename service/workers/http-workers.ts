/**
 * The threads that take connections, as the main thread has them: they are started, given configurations, replaced when
 * they end, and ended last. Each listens at the same addresses, and the kernel deals connections out between them.
 */
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import type { LoadedConfig } from '../../config/load/load.ts';
import { MayflyError, messageOf } from '../../core/errors.ts';
import { listen } from '../../server/http/http-listener.ts';
import type { ListenAddress } from '../../server/http/listen-address.ts';
import type { TlsPair } from '../../server/http/tls-certificate.ts';
import { V1_BODY_LIMIT } from '../../server/rekor/v1/v1-endpoint.ts';
import type { WorkersStatus } from '../../server/operator/service-sources.ts';
import { localKeyOf } from '../../signers/local-signer.ts';
import { moduleBeside } from '../../storage/module-beside.ts';
import type { ClientSide, ServingHandlers } from '../listeners.ts';
import type { PublicAddresses, PublicListening } from '../public-listeners.ts';
import type { MainAsk, MainReport, WorkerAsk, WorkerStart, WorkerReport } from './messages.ts';
import { SentErrors } from './sent-error.ts';
import { sharedCounts, SharedCount } from './shared-count.ts';
import { sharedProgress, TurnChannel } from './turn-channel.ts';
import { WorkerDesk, type DeskParts } from './worker-desk.ts';

/** What they are made of. */
export interface WorkersOptions extends DeskParts {
  /** How many. */
  readonly count: number;
  readonly otherChains: readonly (readonly string[])[];
  /** The one that the service was started with. */
  readonly config: LoadedConfig;
  /** Whether the log uses up tokens, with the entries of their certificates. */
  readonly claimsTokens: boolean;
}

type WorkerCode = 'WORKER_ENDED' | 'WORKER_SILENT' | 'WORKER_REFUSED';

/** A thread that takes connections failed. */
class WorkerError extends MayflyError<WorkerCode> {}

/** Milliseconds that a thread has to compile a configuration, or to open. The largest file takes some seconds. */
const PREPARE_MS = 60_000;

/** Milliseconds that it has to put in force what it has prepared. One that does not is ended: what it would sign might be denied by
 * now. */
const SWITCH_MS = 5_000;

/** Milliseconds until one that ended is replaced: at first, and at most where it ends again and again. */
const FIRST_RESTART = 100;
const LONGEST_RESTART = 10_000;

/** Milliseconds for which a thread has to run to be taken for a good one. */
const STEADY_MS = 10_000;

/** Milliseconds between two looks at what every certificate would be refused for. */
const LOOK_MS = 100;

/** Milliseconds between two looks at whether the threads answer, and how many of them in a row a thread may leave without an
 * answer: its clients have given up by then. Looks are counted, not time, in which the whole process may have been stopped. */
const PING_MS = 1_000;
const MOST_SILENT_LOOKS = 15;

/** Milliseconds that a thread has to finish what is under way, beside the delay: a little more than its requests have. */
const END_MS = 27_000;

/** A thread that runs, or is being started. */
interface RunningWorker {
  readonly place: number;
  readonly thread: Worker;
  readonly channel: TurnChannel<MainReport, MainAsk, WorkerReport, WorkerAsk>;
  readonly desk: WorkerDesk;
  readonly startedAt: number;
  /** Whether it takes connections. */
  isOpen: boolean;
  /** Looks since it was asked, and has not answered. */
  silentLooks: number;
}

/** A configuration that every thread has prepared. One of the two is to be called. */
export interface PreparedSwitch {
  /** Puts it in force in all of them. Never rejects. */
  switch(): Promise<void>;
  /** Leaves the one before in force. */
  keep(): void;
}

/** The threads of one service. */
export class HttpWorkers {
  readonly #options: WorkersOptions;
  readonly #counts: SharedArrayBuffer;
  readonly #errors = new SentErrors();
  /** By their places. */
  readonly #running = new Map<number, RunningWorker>();
  readonly #abort = new AbortController();
  #config: LoadedConfig;
  #addresses: PublicAddresses | undefined;
  #tls: TlsPair | undefined;
  #handlers: ServingHandlers | undefined;
  readonly #timers: NodeJS.Timeout[] = [];
  #refusal = '';
  #ended = 0;
  #failure: string | undefined;
  /** One thing at a time: a thread is started, or all change the configuration. */
  #work: Promise<unknown> = Promise.resolve();

  constructor(options: WorkersOptions) {
    this.#options = options;
    this.#config = options.config;
    this.#counts = sharedCounts(options.count + 1);
  }

  /** Makes them the side of the service that clients come to. */
  readonly openClientSide = (addresses: PublicAddresses, pair: TlsPair | undefined): ClientSide => {
    this.#addresses = addresses;
    this.#tls = pair;
    return {
      workers: this,
      inFlight: this.#countOf(0),
      // None by this thread, whose work therefore waits for none.
      accepted: () => 0,
      serve: (handlers) => {
        this.#handlers = handlers;
      },
      listen: () => this.#listen(),
      renew: (renewed) => {
        this.#tls = renewed;
        this.#reportAll({ type: 'renew', tls: renewed });
      },
      end: (delayMs) => this.#end(delayMs),
      abandon: () => this.#terminate(),
    };
  };

  /** How many run. */
  status(): WorkersStatus {
    const running = this.#open().length;
    return {
      wanted: this.#options.count,
      running,
      ended: this.#ended,
      failure: running === this.#options.count ? undefined : this.#failure,
    };
  }

  /** Has every thread compile `config`. Rejects when one of them says no, or nothing; then all go on as before. Until what it
   * resolves to is settled, no thread is started. */
  async prepare(config: LoadedConfig): Promise<PreparedSwitch> {
    const turn = this.#takeTurn();
    await turn.begun;
    const asked = this.#open();
    const answers = await Promise.allSettled(
      asked.map((one) => askWithin(one, { type: 'prepare', config }, PREPARE_MS)),
    );
    // One that ended meanwhile has no say: the one in its place starts with what is in force then.
    const no = answers.find((answer, i) => answer.status === 'rejected' && this.#isRunning(asked[i]));
    const keep = (): void => {
      this.#reportAll({ type: 'keep' });
      turn.end();
    };
    if (no?.status === 'rejected') {
      keep();
      throw refused(no.reason);
    }
    return {
      keep,
      switch: async () => {
        this.#config = config;
        await Promise.all(
          this.#open().map((one) =>
            askWithin(one, { type: 'switch' }, SWITCH_MS).catch(() => one.thread.terminate()),
          ),
        );
        turn.end();
      },
    };
  }

  async #listen(): Promise<PublicListening> {
    const { addresses } = this.#parts();
    // Alone, to find out whether another program is there, and which ports are free.
    const [listenAt, grpcAt] = await findPorts([
      [addresses.listen, '--listen'],
      [addresses.grpcListen, '--grpc-listen'],
    ]);
    this.#addresses = { ...addresses, listen: listenAt ?? addresses.listen, grpcListen: grpcAt };
    const places = Array.from({ length: this.#options.count }, (_, i) => i + 1);
    const turn = this.#takeTurn();
    await turn.begun;
    try {
      const [first] = await Promise.all(places.map((place) => this.#start(place)));
      if (first === undefined) throw new TypeError('there are no threads');
      const every = (ms: number, look: () => void): void =>
        void this.#timers.push(setInterval(look, ms).unref());
      every(LOOK_MS, () => {
        this.#reportRefusals();
      });
      every(PING_MS, () => {
        for (const one of this.#open()) this.#ping(one);
      });
      return first;
    } catch (error) {
      this.#abort.abort();
      await this.#terminate();
      throw error;
    } finally {
      turn.end();
    }
  }

  /** Starts the thread of one place, which takes connections when this resolves. */
  async #start(place: number): Promise<PublicListening> {
    const { url, execArgv } = moduleBeside(import.meta.url, 'http-worker');
    const { handlers } = this.#parts();
    const progress = sharedProgress();
    const workerData = this.#startOf(place, progress);
    const thread = new Worker(url, { workerData, execArgv: [...execArgv] });
    const report = (message: MainReport): void => {
      channel.report(message);
    };
    const desk = new WorkerDesk(this.#options, handlers, report);
    const channel: RunningWorker['channel'] = new TurnChannel(thread, desk, { here: progress });
    const startedAt = performance.now();
    const one: RunningWorker = { place, thread, channel, desk, startedAt, isOpen: false, silentLooks: 0 };
    this.#running.set(place, one);
    let reason = 'it ended by itself';
    thread.on('error', (error: unknown) => {
      reason = messageOf(error);
    });
    thread.on('exit', () => {
      this.#ends(one, one.silentLooks > MOST_SILENT_LOOKS ? 'it was ended: it did nothing any more' : reason);
    });
    const listening = await askWithin<PublicListening>(one, { type: 'open' }, PREPARE_MS).catch(
      async (error: unknown) => {
        await thread.terminate();
        throw error;
      },
    );
    // What came meanwhile.
    if (this.#tls !== undefined) report({ type: 'renew', tls: this.#tls });
    this.#refusal = '';
    one.isOpen = true;
    return listening;
  }

  #startOf(place: number, progress: SharedArrayBuffer): WorkerStart {
    const { count, authority, otherChains, audit, log, claimsTokens } = this.#options;
    const { mayfly } = this.#options.config;
    const { addresses } = this.#parts();
    return {
      place,
      sharers: count,
      config: this.#config,
      addresses,
      tls: this.#tls,
      origin: log.identity.origin,
      chainPem: authority.chainPems.join(''),
      key: localKeyOf(authority.signer),
      publicKey: authority.signer.publicKey,
      algorithm: authority.signer.algorithm,
      otherChains,
      inFlight: this.#counts,
      progress,
      maxInFlight: mayfly.limits.maxInFlight,
      claimsTokens,
      takesGrpc: addresses.grpcWithTls || addresses.grpcListen !== undefined,
      offersReflection: mayfly.grpc.reflection,
      audit: audit === undefined ? 'none' : audit.isFailClosed ? 'fail-closed' : 'background',
      longestBody: V1_BODY_LIMIT,
    };
  }

  /** A thread ended. Its requests are lost, and nothing else; it is replaced unless the service ends. */
  #ends(one: RunningWorker, reason: string): void {
    const { place, channel, desk, isOpen, startedAt } = one;
    one.isOpen = false;
    channel.end(new WorkerError('WORKER_ENDED', `a thread that takes connections ended: ${reason}`));
    desk.end();
    this.#countOf(place).reset();
    if (this.#running.get(place) === one) this.#running.delete(place);
    if (this.#abort.signal.aborted || !isOpen) return;
    this.#ended++;
    this.#failure = reason;
    const wait = performance.now() - startedAt < STEADY_MS ? 10 * FIRST_RESTART : FIRST_RESTART;
    this.#options.serviceLog.note('error', 'worker ended', { worker: place, sentence: reason });
    void this.#replace(place, wait);
  }

  /** Until it works, or the service ends. */
  async #replace(place: number, firstWait: number): Promise<void> {
    const { signal } = this.#abort;
    for (let wait = firstWait; ; wait = Math.min(2 * wait, LONGEST_RESTART)) {
      await delay(wait, undefined, { ref: false, signal }).catch(() => undefined);
      const turn = this.#takeTurn();
      await turn.begun;
      try {
        if (signal.aborted) return;
        await this.#start(place);
        this.#options.serviceLog.note('info', 'worker replaced', { worker: place });
        return;
      } catch (error) {
        this.#failure = messageOf(error);
        this.#options.serviceLog.note('error', 'worker not replaced', {
          worker: place,
          sentence: messageOf(error),
        });
      } finally {
        turn.end();
      }
    }
  }

  async #end(delayMs: number): Promise<void> {
    this.#abort.abort();
    await Promise.all(
      [...this.#running.values()].map((one) =>
        // One that is being started is to take no connections any more.
        one.isOpen
          ? askWithin(one, { type: 'end', delayMs }, delayMs + END_MS).catch(() => undefined)
          : one.thread.terminate(),
      ),
    );
    await this.#terminate();
  }

  async #terminate(): Promise<void> {
    this.#abort.abort();
    for (const timer of this.#timers) clearInterval(timer);
    await Promise.all([...this.#running.values()].map(({ thread }) => thread.terminate()));
  }

  /** Ends a thread that is stuck; it is replaced. */
  #ping(one: RunningWorker): void {
    if (one.silentLooks > MOST_SILENT_LOOKS) void one.thread.terminate();
    else if (one.silentLooks++ === 0)
      one.channel.ask({ type: 'ping' }).then(
        () => (one.silentLooks = 0),
        () => undefined,
      );
  }

  /** Reports to the threads what every certificate would be refused for, when that has changed. */
  #reportRefusals(): void {
    const { authority, log, audit } = this.#options;
    const ofLog = log.refusal() ?? authority.signer.remote?.refusal();
    const ofAudit = audit?.refusal();
    const now = JSON.stringify([ofLog?.code, ofLog?.message, ofAudit?.code, ofAudit?.message]);
    if (now === this.#refusal) return;
    this.#refusal = now;
    this.#reportAll({
      type: 'refusal',
      log: ofLog && this.#errors.sent(ofLog),
      audit: ofAudit && this.#errors.sent(ofAudit),
    });
  }

  #parts(): { readonly addresses: PublicAddresses; readonly handlers: ServingHandlers } {
    const [addresses, handlers] = [this.#addresses, this.#handlers];
    if (addresses === undefined || handlers === undefined) throw new TypeError('nothing is to be served yet');
    return { addresses, handlers };
  }

  #open(): RunningWorker[] {
    return [...this.#running.values()].filter(({ isOpen }) => isOpen);
  }

  #isRunning(one: RunningWorker | undefined): boolean {
    return one !== undefined && this.#running.get(one.place) === one;
  }

  #reportAll(message: MainReport): void {
    for (const { channel } of this.#running.values()) channel.report(message);
  }

  #countOf(thread: number): SharedCount {
    return new SharedCount(this.#counts, thread, this.#options.config.mayfly.limits.maxInFlight);
  }

  #takeTurn(): { readonly begun: Promise<unknown>; readonly end: () => void } {
    const begun = this.#work;
    let end = (): void => undefined;
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    this.#work = begun.then(() => ended);
    return { begun, end };
  }
}

/** Asks a thread; rejects with WorkerError when it does not answer in time. */
async function askWithin<Reply>({ channel }: RunningWorker, message: MainAsk, ms: number): Promise<Reply> {
  const settled = new AbortController();
  const late = delay(ms, undefined, { ref: false, signal: settled.signal }).then(() => {
    throw new WorkerError(
      'WORKER_SILENT',
      `a thread that takes connections did not answer in ${ms / 1000} s`,
    );
  });
  try {
    return await Promise.race([channel.ask<Reply>(message), late]);
  } finally {
    settled.abort();
    late.catch(() => undefined);
  }
}

const refused = (cause: unknown): WorkerError =>
  cause instanceof WorkerError
    ? cause
    : new WorkerError('WORKER_REFUSED', 'a thread that takes connections cannot use it', { cause });

type Place = readonly [address: ListenAddress | undefined, option: string];

/** Listens at each address alone for a moment. Resolves to them with the ports that were picked. Rejects with ListenError. */
async function findPorts(places: readonly Place[]): Promise<(ListenAddress | undefined)[]> {
  const servers: ReturnType<typeof createServer>[] = [];
  try {
    const found: (ListenAddress | undefined)[] = [];
    for (const [address, option] of places) {
      if (address === undefined) {
        found.push(undefined);
        continue;
      }
      // A client that comes now would otherwise keep the server from closing for as long as it stays.
      const server = createServer((socket) => socket.destroy());
      servers.push(server);
      await listen(server, address, option);
      const bound = server.address();
      found.push(typeof bound === 'object' && bound !== null ? { ...address, port: bound.port } : address);
    }
    return found;
  } finally {
    await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  }
}

/** Whether two servers can listen at one address here, and share its connections. */
export async function canShareAddress(): Promise<boolean> {
  const [first, second] = [createServer(), createServer()];
  try {
    const local = { host: '127.0.0.1', port: 0 };
    await listen(first, local, '--listen', true);
    const bound = first.address();
    if (typeof bound !== 'object' || bound === null) return false;
    await listen(second, { ...local, port: bound.port }, '--listen', true);
    return true;
  } catch {
    return false;
  } finally {
    for (const server of [first, second]) if (server.listening) server.close();
  }
}
