/** Puts what a service has opened on the network. */
import type { Server } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import type { Clock } from '../core/clock.ts';
import { guardConnections } from '../server/http/connection-guard.ts';
import { watchConnections } from '../server/http/drain.ts';
import { createHttpServer, listen } from '../server/http/http-listener.ts';
import { lameDuck } from '../server/http/lame-duck.ts';
import type { ListenAddress } from '../server/http/listen-address.ts';
import { requireIdentifiableReaders } from '../server/log/log-access.ts';
import { LogWatch } from '../server/operator/log-watch.ts';
import type { RequestLog } from '../server/operator/request-log.ts';
import {
  createHandlers,
  logPath,
  type HandlerOptions,
  type RequestLimits,
  type ServiceBackend,
} from './handlers.ts';
import type { ShutdownOrder } from './shutdown-order.ts';
import {
  followTlsPair,
  loadTlsPair,
  type TlsFiles,
  type TlsFollower,
  type TlsPair,
} from '../server/http/tls-certificate.ts';

/** Where and how a service listens. */
export interface ListenerOptions extends HandlerOptions {
  readonly listen: ListenAddress;
  readonly metricsListen: ListenAddress;
  /** Without it the public listener speaks plain HTTP. */
  readonly tls?: TlsFiles | undefined;
  /** Where clients reach the service, no slash at the end; default: the address of the listener. */
  readonly publicUrl?: string | undefined;
  /** Whether the operator says that a proxy in front speaks TLS; default: no. */
  readonly behindTlsProxy?: boolean | undefined;
  readonly limits: ListenerLimits;
  /** Milliseconds for which the service goes on, not ready, once it is to end; default 0. */
  readonly shutdownDelayMs?: number | undefined;
}

/** What the service takes on at once. */
interface ListenerLimits extends RequestLimits {
  /** Milliseconds an idle connection is kept, on either listener; default 620 s. */
  readonly idleTimeoutMs?: number | undefined;
  /** Connections to the public listener; default 4096. */
  readonly connections?: number | undefined;
}

/** Listeners that answer. */
export interface Listeners {
  /** Base URLs of the listeners for clients on this machine, no slash at the end. */
  readonly url: string;
  readonly metricsUrl: string;
  /** HOST:PORT of the listeners as they really listen. */
  readonly listen: string;
  readonly metricsListen: string;
  /** Where the log can be read from outside, no slash at the end. */
  readonly logUrl: string;
  /** Looks at once whether the TLS files were renewed; happens by itself every ten seconds. */
  checkTls(): Promise<void>;
}

const CONNECTIONS = 4096;
const OPERATOR_CONNECTIONS = 64;
const TLS_INTERVAL = 10_000;

/** Milliseconds for which requests that are under way may go on at the end. */
const GRACE = 25_000;

/** Listens, and registers in `shutdown` how that ends; also what a start that fails has opened. Rejects with ListenError,
 * TlsError or LogAccessError. */
export async function startListeners(
  backend: ServiceBackend,
  options: ListenerOptions,
  shutdown: ShutdownOrder,
): Promise<Listeners> {
  const { log, requestLog, clock } = backend;
  const { tls: files, trustedProxies, limits } = options;
  const behindTlsProxy = options.behindTlsProxy === true;
  requireIdentifiableReaders(options.logAccess, { behindTlsProxy, trustedProxies });
  const pair = files === undefined ? undefined : await loadTlsPair(files, clock());
  const server = createHttpServer(pair, limits.idleTimeoutMs);
  const drain = watchConnections(server);
  const connections = guardConnections(server, limits.connections ?? CONNECTIONS);
  const operator = createHttpServer(undefined, limits.idleTimeoutMs);
  const drainOperator = watchConnections(operator);
  guardConnections(operator, OPERATOR_CONNECTIONS);
  const renewal =
    files === undefined || pair === undefined ? undefined : followTls(files, pair, server, clock, requestLog);
  shutdown.clients.add(() => renewal?.stop());
  const closing = new AbortController();
  let url = '';
  const baseUrl = (): string => options.publicUrl ?? url;
  const state = {
    isClosing: () => closing.signal.aborted,
    url: baseUrl,
    tls: renewal === undefined ? undefined : () => renewal.status(),
  };
  const handlers = createHandlers(backend, options, state, connections);
  shutdown.records.add(handlers.close);
  server.on('request', handlers.public);
  operator.on('request', handlers.operator);
  // The operator's listener first: when the public one answers, everything is up.
  const metrics = await listen(operator, options.metricsListen, '--metrics-listen');
  shutdown.stores.add(() => drainOperator(0));
  const listening = await listen(server, options.listen, '--listen');
  url = listening.url;
  const { url: metricsUrl, address: metricsListen } = metrics;
  const addresses = { listen: listening.address, metricsListen };
  const logUrl = `${baseUrl()}${logPath(log)}`;
  const logSize = log.status().size;
  requestLog.note('info', 'started', { url, metricsUrl, logUrl, logSize, ...addresses });
  shutdown.closedLine.add(() => {
    requestLog.note('info', 'closed', {});
    requestLog.flush();
  });
  const watch = new LogWatch(
    () => log.status(),
    (level, event, facts) => {
      requestLog.note(level, event, facts);
    },
  );
  shutdown.clients.add(() => {
    watch.stop();
  });
  shutdown.clients.add(async () => {
    closing.abort();
    renewal?.stop();
    requestLog.note('info', 'closing', { signing: handlers.signing() });
    await lameDuck(server, options.shutdownDelayMs ?? 0);
    await drain(GRACE);
  });
  return { ...addresses, url, metricsUrl, logUrl, checkTls: async () => renewal?.check() };
}

/** Puts each renewed pair into the running server; a bad one is logged and not used. */
function followTls(
  files: TlsFiles,
  first: TlsPair,
  server: Server | TlsServer,
  clock: Clock,
  requestLog: RequestLog,
): TlsFollower {
  if (!('setSecureContext' in server)) throw new TypeError('this service does not speak TLS');
  return followTlsPair({
    files,
    first,
    clock,
    intervalMs: TLS_INTERVAL,
    onRenewed: ({ cert, key, notAfter }) => {
      server.setSecureContext({ cert, key, minVersion: 'TLSv1.2' });
      requestLog.note('info', 'TLS certificate renewed', { notAfter: new Date(notAfter).toISOString() });
    },
    onRefused: (error) => {
      const sentence = error instanceof Error ? error.message : String(error);
      requestLog.note('error', 'TLS certificate not renewed; the old one stays in use', { sentence });
    },
  });
}
