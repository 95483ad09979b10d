/** Puts what a service has opened on the network. */
import type { Server as HttpServer } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import type { Server } from 'node:net';
import type { Clock } from '../core/clock.ts';
import { createClientAddress, createProxyCheck } from '../server/http/client-address.ts';
import { guardConnections, type ConnectionGuard } from '../server/http/connection-guard.ts';
import { watchConnections, type Drain } from '../server/http/drain.ts';
import { createHttpServer, createPlainHttp2Server, listen, onHttp2 } from '../server/http/http-listener.ts';
import { Http2Connections } from '../server/http2/http2-connections.ts';
import { lameDuck } from '../server/http/lame-duck.ts';
import type { ListenAddress } from '../server/http/listen-address.ts';
import { LogWatch } from '../server/operator/log-watch.ts';
import type { ServiceLog } from '../server/operator/service-log.ts';
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
import { createHandlers, type OpenedService } from './handlers.ts';
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

const CONNECTIONS = 4096;
const OPERATOR_CONNECTIONS = 64;
const GRPC_CONNECTIONS = 1024;
const TLS_INTERVAL = 10_000;

/** Milliseconds for which requests that are under way may go on at the end. */
const GRACE = 25_000;

/** Listens, and registers in `shutdown` how that ends; also what a start that fails has opened. Rejects with ListenError or
 * TlsError. */
export async function startListeners(
  service: OpenedService,
  options: NetworkOptions,
  shutdown: ShutdownOrder,
): Promise<Listeners> {
  const { log, serviceLog, clock, settings } = service;
  const { idleTimeoutMs } = settings.limits;
  const shutdownDelayMs = settings.shutdownDelay * 1000;
  const pair = options.tls === undefined ? undefined : await loadTlsPair(options.tls, clock());
  const grpcWithTls = pair !== undefined && settings.grpc.withTls;
  const server = createHttpServer(pair, idleTimeoutMs, grpcWithTls);
  const drain = watchConnections(server);
  const connections = guardConnections(server, options.maxConnections ?? CONNECTIONS);
  const grpcAddress = options.grpcListen ?? settings.grpc.listen ?? options.defaultGrpcListen;
  const plainGrpc = grpcAddress && openPlainGrpc(grpcAddress);
  const operator = createHttpServer(undefined, idleTimeoutMs);
  const drainOperator = watchConnections(operator);
  guardConnections(operator, OPERATOR_CONNECTIONS);
  const tls =
    options.tls === undefined || pair === undefined
      ? undefined
      : followTls(options.tls, pair, server, clock, serviceLog);
  shutdown.clients.add(() => tls?.stop());
  const closing = new AbortController();
  const isClosing = (): boolean => closing.signal.aborted;
  // Kept, because a server that is draining has no address any more.
  let listeningUrl = '';
  const baseUrl = (): string => settings.publicUrl ?? listeningUrl;
  const accepted = (): number => connections.accepted() + (plainGrpc?.connections.accepted() ?? 0);
  const takesGrpc = grpcWithTls || plainGrpc !== undefined;
  const handlers = createHandlers(service, { isClosing, tls, takesGrpc, baseUrl, connections: { accepted } });
  const http2 =
    handlers.grpc &&
    new Http2Connections(idleTimeoutMs, handlers.grpc.answer, undefined, handlers.grpc.report, {
      isProxy: createProxyCheck(settings.trustedProxies),
      clientAddress: createClientAddress(settings.trustedProxies),
      onUntrustedProxy: untrustedProxyNote(serviceLog),
    });
  if (http2 !== undefined && grpcWithTls) onHttp2(server, http2.serve);
  if (http2 !== undefined && plainGrpc !== undefined) onHttp2(plainGrpc.server, http2.serve);
  shutdown.records.add(() => {
    handlers.refusalLog.close();
  });
  server.on('request', handlers.public);
  operator.on('request', handlers.operator);
  // The operator's listener first: when the public one answers, everything is up.
  const metrics = await listen(operator, options.metricsListen, '--metrics-listen');
  shutdown.stores.add(() => drainOperator(0));
  const grpc = plainGrpc && (await listen(plainGrpc.server, plainGrpc.address, '--grpc-listen'));
  // Also where the start fails from here on; by then there is nothing to drain in order.
  shutdown.stores.add(() => plainGrpc?.drain(0));
  const { url, address } = await listen(server, options.listen, '--listen');
  listeningUrl = url;
  const listening = {
    url,
    metricsUrl: metrics.url,
    logUrl: `${baseUrl()}${logPath(log)}`,
    listen: address,
    metricsListen: metrics.address,
    grpcListen: grpc?.address,
    grpcWithTls,
  };
  serviceLog.note('info', 'started', { ...listening, logSize: log.status().size });
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
    const end = async (one: Server, drainOne: Drain): Promise<void> => {
      await lameDuck(one, shutdownDelayMs);
      http2?.end();
      await drainOne(GRACE);
    };
    await Promise.all([
      end(server, drain),
      plainGrpc === undefined ? undefined : end(plainGrpc.server, plainGrpc.drain),
    ]);
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

/** A listener that is not on the network yet. */
interface PlainGrpc {
  readonly address: ListenAddress;
  readonly server: Server;
  readonly drain: Drain;
  readonly connections: ConnectionGuard;
}

function openPlainGrpc(address: ListenAddress): PlainGrpc {
  const server = createPlainHttp2Server();
  const drain = watchConnections(server);
  return { address, server, drain, connections: guardConnections(server, GRPC_CONNECTIONS) };
}

/** Puts each renewed pair into the running server; a bad one is logged and not used. */
function followTls(
  files: TlsFiles,
  first: TlsPair,
  server: HttpServer | TlsServer,
  clock: Clock,
  serviceLog: ServiceLog,
): TlsFollower {
  if (!('setSecureContext' in server)) throw new TypeError('this service does not speak TLS');
  return followTlsPair({
    files,
    first,
    clock,
    intervalMs: TLS_INTERVAL,
    onRenewed: ({ cert, key, notAfter }) => {
      server.setSecureContext({ cert, key, minVersion: 'TLSv1.2' });
      serviceLog.note('info', 'TLS certificate renewed', { notAfter: new Date(notAfter).toISOString() });
    },
    onRefused: (error) => {
      const sentence = error instanceof Error ? error.message : String(error);
      serviceLog.note('error', 'TLS certificate not renewed; the old one stays in use', { sentence });
    },
  });
}
