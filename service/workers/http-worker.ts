/**
 * A thread that takes connections: TLS, HTTP and gRPC with their limits, and signing requests up to the certificate. Of the
 * main thread it asks what there is one of (see `main-thread.ts`), and has it answer every other call.
 *
 * What is not caught ends the thread, and nothing else: the main thread starts another one.
 */
import type { RequestListener } from 'node:http';
import { parentPort, workerData } from 'node:worker_threads';
import { AuditError } from '../../audit/audit-error.ts';
import { loadAuthority, type Authority } from '../../ca/authority.ts';
import { LivePolicy } from '../../policy/live-policy.ts';
import type { PolicySnapshot } from '../../policy/snapshot.ts';
import { readTarget } from '../../server/api.ts';
import { InFlightLimit } from '../../server/fulcio/in-flight-limit.ts';
import { GrpcEndpoint } from '../../server/grpc/grpc-endpoint.ts';
import { reflectionMethods } from '../../server/grpc/reflection.ts';
import { unaryMethods } from '../../server/grpc/unary-methods.ts';
import { createClientAddress } from '../../server/http/client-address.ts';
import { Exchange, type ExchangeContext } from '../../server/http/exchange.ts';
import { RefusalLog } from '../../server/operator/refusal-log.ts';
import { localSigner } from '../../signers/local-signer.ts';
import type { Signer } from '../../signers/signer.ts';
import { PolicyCompiler } from '../policy-compiler.ts';
import { PublicListeners, type PublicListening } from '../public-listeners.ts';
import { createSigning, type Signing } from '../signing.ts';
import { Forwarding } from './forwarding.ts';
import {
  MainCounter,
  mainGrpcMetrics,
  MainLog,
  mainReadiness,
  MainRecords,
  mainServiceLog,
  type MainChannel,
} from './main-thread.ts';
import type { MainAsk, MainReport, WorkerStart } from './messages.ts';
import { SentErrors } from './sent-error.ts';
import { SharedCount } from './shared-count.ts';
import { TurnChannel, type Listener } from './turn-channel.ts';

const clock = Date.now;

/** What the thread is, from its start to its end. */
class HttpWorker implements Listener<MainReport, MainAsk> {
  readonly #start: WorkerStart;
  readonly #channel: MainChannel;
  readonly #log: MainLog;
  readonly #records: MainRecords;
  readonly #errors = new SentErrors();
  readonly #compiler: PolicyCompiler;
  readonly #listeners: PublicListeners;
  readonly #forwarding: Forwarding;
  readonly #refusalLog: RefusalLog;
  #policy: LivePolicy | undefined;
  #prepared: PolicySnapshot | undefined;
  /** Configurations that were to be compiled or dropped so far. */
  #asked = 0;
  #isClosing = false;

  constructor(start: WorkerStart, port: NonNullable<typeof parentPort>) {
    const { addresses, tls, sharers, origin, audit, longestBody, claimsTokens } = start;
    this.#start = start;
    const channel: MainChannel = new TurnChannel(port, this, { there: start.progress });
    this.#channel = channel;
    this.#log = new MainLog(channel, origin);
    this.#records = new MainRecords(channel, audit);
    const serviceLog = mainServiceLog(channel);
    this.#refusalLog = new RefusalLog(serviceLog, clock);
    this.#compiler = new PolicyCompiler({
      clock,
      serviceLog,
      counter: new MainCounter(channel),
      claimsTokens,
    });
    this.#listeners = new PublicListeners(addresses, tls, sharers);
    this.#forwarding = new Forwarding({
      report: (message) => {
        channel.report(message);
      },
      accepted: this.#listeners.accepted,
      sharers,
      longestBody,
    });
  }

  reported(message: MainReport): void {
    switch (message.type) {
      case 'head':
      case 'piece':
      case 'last':
        this.#forwarding.pass(message);
        break;
      case 'disconnect':
        this.#forwarding.disconnect(message.connection);
        break;
      case 'keep':
        this.#asked++;
        void this.#prepared?.close();
        this.#prepared = undefined;
        break;
      case 'renew':
        this.#listeners.renew(message.tls);
        break;
      case 'refusal': {
        const { log, audit } = message;
        this.#log.noteRefusal(log && this.#errors.received(log));
        const error = audit && this.#errors.received(audit);
        this.#records.noteRefusal(error instanceof AuditError ? error : undefined);
      }
    }
  }

  asked(message: MainAsk): unknown {
    switch (message.type) {
      case 'open':
        return this.#open();
      case 'prepare':
        return this.#prepare(message.config);
      case 'switch':
        this.#switch();
        return undefined;
      case 'ping':
        return undefined;
      case 'end':
        return this.#end(message.delayMs);
    }
  }

  async #open(): Promise<PublicListening> {
    const { chainPem, config, takesGrpc, addresses, place, sharers, maxInFlight } = this.#start;
    const channel = this.#channel;
    const authority = await loadAuthority({ chainPem, signer: this.#signer(), clock });
    const policy = new LivePolicy(await this.#compiler.compile(config));
    this.#policy = policy;
    // What goes wrong is said where the main thread does the same.
    void policy.current.fetchKeys();
    const clientAddress = createClientAddress(addresses.trustedProxies);
    const { accepted } = this.#listeners;
    const signing = createSigning({
      policy,
      authority,
      clock,
      accepted,
      clientAddress,
      sharers,
      log: this.#log,
      audit: this.#records,
      records: this.#records,
      inFlight: new InFlightLimit(new SharedCount(this.#start.inFlight, place, maxInFlight), sharers),
    });
    this.#listeners.serve({
      public: this.#handler(signing),
      grpc: takesGrpc ? this.#grpc(signing, authority, policy) : undefined,
      onUntrustedProxy: (client) => {
        channel.report({ type: 'untrusted-proxy', client });
      },
    });
    return this.#listeners.listen(true);
  }

  #handler({ endpoint }: Signing): RequestListener {
    const context: ExchangeContext = {
      answered: (status, method, seconds) => {
        this.#channel.report({ type: 'answered', status, method, seconds });
      },
      isClosing: () => this.#isClosing,
    };
    return (request, response) => {
      // Cut off for what it sent: nobody reads an answer.
      if (request.socket.destroyed) return;
      const { url = '/' } = request;
      const version = request.method === 'POST' ? endpoint.versionAt(readTarget(request)) : undefined;
      if (version === undefined) this.#forwarding.forward(request, response, url);
      else endpoint.answer(new Exchange(request, response, context), version);
    };
  }

  #grpc({ queue }: Signing, authority: Authority, policy: LivePolicy): GrpcEndpoint {
    const { otherChains, offersReflection, addresses } = this.#start;
    const readiness = mainReadiness(this.#channel);
    const isClosing = (): boolean => this.#isClosing;
    return new GrpcEndpoint({
      methods: [
        ...unaryMethods({ authority, otherChains, policy, queue, readiness, isClosing }),
        ...(offersReflection ? reflectionMethods() : []),
      ],
      metrics: mainGrpcMetrics(this.#channel),
      clientAddress: createClientAddress(addresses.trustedProxies),
      serviceLog: mainServiceLog(this.#channel),
      refusalLog: this.#refusalLog,
    });
  }

  /** A key that cannot be here signs where it is. */
  #signer(): Signer {
    const { key, publicKey, algorithm } = this.#start;
    if (key !== undefined) return localSigner(key);
    return { publicKey, algorithm, sign: (data) => this.#channel.ask({ type: 'sign', data }) };
  }

  async #prepare(config: WorkerStart['config']): Promise<void> {
    const number = ++this.#asked;
    const prepared = await this.#compiler.compile(config, this.#policy?.current);
    // Dropped meanwhile, where another thread said no or this one took too long: it must not be put in force later.
    if (number === this.#asked) this.#prepared = prepared;
    else await prepared.close();
  }

  /** From its answer on, nothing that this thread sends was allowed by an older configuration alone. */
  #switch(): void {
    const prepared = this.#prepared;
    // Then the main thread ends this one, and starts another.
    if (prepared === undefined) throw new TypeError('no configuration was prepared');
    this.#prepared = undefined;
    this.#policy?.replace(prepared);
  }

  async #end(delayMs: number): Promise<void> {
    this.#isClosing = true;
    await this.#listeners.end(delayMs);
    this.#refusalLog.close();
    await this.#policy?.close();
  }
}

if (parentPort !== null) new HttpWorker(workerData as WorkerStart, parentPort);
