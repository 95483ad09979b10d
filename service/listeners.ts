/** Puts what a service has opened on the network. */
import type { Clock } from '../core/clock.ts';
import type { CountedLimit } from '../server/fulcio/in-flight-limit.ts';
import { guardConnections } from '../server/http/connection-guard.ts';
import { watchConnections } from '../server/http/drain.ts';
import { createHttpServer, listen } from '../server/http/http-listener.ts';
import type { ListenAddress } from '../server/http/listen-address.ts';
import { LogWatch } from '../server/operator/log-watch.ts';
import type { ServiceLog } from '../server/operator/service-log.ts';
import type { WorkersStatus } from '../server/operator/service-sources.ts';
import { TimestampWatch } from '../server/operator/timestamp-watch.ts';
import { TrustWatch } from '../server/operator/trust-watch.ts';
import { logPath } from '../server/log/log-routes.ts';
import {
  followTlsPair,
  loadTlsPair,
  type TlsFiles,
  type TlsFollower,
  type TlsPair,
} from '../server/http/tls-certificate.ts';
import { createHandlers, type Handlers, type OpenedService } from './handlers.ts';
import {
  PublicListeners,
  type PublicAddresses,
  type PublicHandlers,
  type PublicListening,
} from './public-listeners.ts';
import type { ShutdownOrder } from './shutdown-order.ts';

/** Where and how a service listens. */
export interface NetworkOptions {
  readonly listen: ListenAddress;
  readonly metricsListen: ListenAddress;
  /** Where gRPC is taken without TLS; default: where the configuration says. */
  readonly grpcListen?: ListenAddress | undefined;
  /** Where it is taken where neither says. */
  readonly defaultGrpcListen?: ListenAddress | undefined;
  /** Without it the public listener speaks plain HTTP. */
  readonly tls?: TlsFiles | undefined;
  /** Connections to the public listener; default 4096. */
  readonly maxConnections?: number | undefined;
}

/** Listeners that answer. */
export interface Listeners {
  /** Base URLs of the listeners for clients on this machine, no slash at the end. */
  readonly url: string;
  readonly metricsUrl: string;
  /** HOST:PORT of the listeners as they really listen. */
  readonly listen: string;
  readonly metricsListen: string;
  /** The same of the listener for gRPC without TLS; undefined without one. */
  readonly grpcListen: string | undefined;
  /** Whether the public listener takes gRPC too. */
  readonly grpcWithTls: boolean;
  /** Where the log can be read from outside, no slash at the end. */
  readonly logUrl: string;
  /** Milliseconds for which they go on, not ready, once the service is to end. */
  readonly shutdownDelayMs: number;
  /** Looks at once whether the TLS files were renewed; happens by itself every ten seconds. */
  checkTls(): Promise<void>;
}

const OPERATOR_CONNECTIONS = 64;
const TLS_INTERVAL = 10_000;

/** What takes the connections of clients: the listeners of this thread, or those of several. */
export interface ClientSide extends Pick<PublicListeners, 'accepted' | 'renew' | 'end' | 'abandon'> {
  /** Has `handlers` answer. To be called once, before it listens. */
  serve(handlers: ServingHandlers): void;
  /** Listens. Rejects with ListenError. */
  listen(): Promise<PublicListening>;
  /** The threads, where there are several, and the count of signing requests that they share. */
  readonly workers?: { status(): WorkersStatus } | undefined;
  readonly inFlight?: CountedLimit | undefined;
}

/** What a {@link ClientSide} has answer. */
export type ServingHandlers = Handlers & Pick<PublicHandlers, 'onUntrustedProxy'>;

/** Makes what takes the connections of clients. */
type OpenClientSide = (addresses: PublicAddresses, pair: TlsPair | undefined) => ClientSide;

const inThisThread: OpenClientSide = (addresses, pair) => new PublicListeners(addresses, pair);

/** Listens, and registers in `shutdown` how that ends; also what a start that fails has opened. Rejects with ListenError or
 * TlsError. */
export async function startListeners(
  service: OpenedService,
  options: NetworkOptions,
  shutdown: ShutdownOrder,
  openClientSide = inThisThread,
): Promise<Listeners> {
  const { log, serviceLog, clock, settings } = service;
  const { idleTimeoutMs } = settings.limits;
  const shutdownDelayMs = settings.shutdownDelay * 1000;
  const pair = options.tls === undefined ? undefined : await loadTlsPair(options.tls, clock());
  const grpcWithTls = pair !== undefined && settings.grpc.withTls;
  const grpcListen = options.grpcListen ?? settings.grpc.listen ?? options.defaultGrpcListen;
  const { trustedProxies } = settings;
  const { listen: publicListen, maxConnections } = options;
  const clients = openClientSide(
    { listen: publicListen, grpcListen, grpcWithTls, idleTimeoutMs, maxConnections, trustedProxies },
    pair,
  );
  const operator = createHttpServer(undefined, idleTimeoutMs);
  const drainOperator = watchConnections(operator);
  guardConnections(operator, OPERATOR_CONNECTIONS);
  const tls =
    options.tls === undefined || pair === undefined
      ? undefined
      : followTls(options.tls, pair, clients, clock, serviceLog);
  shutdown.clients.add(() => tls?.stop());
  const closing = new AbortController();
  const isClosing = (): boolean => closing.signal.aborted;
  // Kept, because a server that is draining has no address any more.
  let listeningUrl = '';
  const baseUrl = (): string => settings.publicUrl ?? listeningUrl;
  const takesGrpc = grpcWithTls || grpcListen !== undefined;
  const { accepted, workers, inFlight } = clients;
  const handlers = createHandlers(service, {
    isClosing,
    tls,
    takesGrpc,
    baseUrl,
    workers,
    inFlight,
    connections: { accepted },
  });
  clients.serve({ ...handlers, onUntrustedProxy: untrustedProxyNote(serviceLog) });
  shutdown.records.add(() => {
    handlers.refusalLog.close();
  });
  operator.on('request', handlers.operator);
  // The operator's listener first: when the public one answers, everything is up.
  const metrics = await listen(operator, options.metricsListen, '--metrics-listen');
  shutdown.stores.add(() => drainOperator(0));
  // Also where the start fails from here on; by then there is nothing to drain in order.
  shutdown.stores.add(() => clients.abandon());
  const { url, address, grpcAddress } = await clients.listen();
  listeningUrl = url;
  const listening = {
    url,
    metricsUrl: metrics.url,
    logUrl: `${baseUrl()}${logPath(log)}`,
    listen: address,
    metricsListen: metrics.address,
    grpcListen: grpcAddress,
    grpcWithTls,
  };
  const threads = workers === undefined ? {} : { workers: workers.status().running };
  serviceLog.note('info', 'started', { ...listening, ...threads, logSize: log.status().size });
  shutdown.closedLine.add(() => {
    serviceLog.note('info', 'closed', {});
    serviceLog.flush();
  });
  if (service.timestamps !== undefined) {
    const timestampWatch = new TimestampWatch(service.timestamps, clock, serviceLog.note);
    shutdown.clients.add(() => {
      timestampWatch.stop();
    });
  }
  if (service.trusted !== undefined) {
    const trustWatch = new TrustWatch(service.trusted, clock, serviceLog.note);
    shutdown.clients.add(() => {
      trustWatch.stop();
    });
  }
  const watches = [
    new LogWatch(log, serviceLog.note),
    ...(service.artifacts?.logs ?? []).map((one, i) => {
      const name = `artifacts/${service.artifacts?.names[i] ?? ''}`;
      return new LogWatch(one, (level, event, fields) => {
        serviceLog.note(level, event, { log: name, ...fields });
      });
    }),
  ];
  shutdown.clients.add(() => {
    for (const watch of watches) watch.stop();
  });
  shutdown.clients.add(async () => {
    closing.abort();
    tls?.stop();
    serviceLog.note('info', 'closing', { signing: handlers.inFlight.signing });
    await clients.end(shutdownDelayMs);
  });
  return { ...listening, shutdownDelayMs, checkTls: async () => tls?.check() };
}

/** Logs the first peer that passes calls on without being trusted to say whose they are. Any client can send the header, so that there is one line in all. */
function untrustedProxyNote(serviceLog: ServiceLog): (address: string) => void {
  let isNoted = false;
  return (client) => {
    if (isNoted) return;
    isNoted = true;
    const sentence =
      'calls over gRPC came with X-Forwarded-For from an address that is not in mayfly.trusted-proxies. If it is a proxy, all its clients count as one: they share turns, limits and the end of the connection';
    serviceLog.note('warn', 'untrusted proxy', { client, sentence });
  };
}

/** Puts each renewed pair into the running server; a bad one is logged and not used. */
function followTls(
  files: TlsFiles,
  first: TlsPair,
  server: Pick<ClientSide, 'renew'>,
  clock: Clock,
  serviceLog: ServiceLog,
): TlsFollower {
  return followTlsPair({
    files,
    first,
    clock,
    intervalMs: TLS_INTERVAL,
    onRenewed: (pair) => {
      server.renew(pair);
      serviceLog.note('info', 'TLS certificate renewed', { notAfter: new Date(pair.notAfter).toISOString() });
    },
    onRefused: (error) => {
      const sentence = error instanceof Error ? error.message : String(error);
      serviceLog.note('error', 'TLS certificate not renewed; the old one stays in use', { sentence });
    },
  });
}
