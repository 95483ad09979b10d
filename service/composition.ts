/** Starts one whole service from its values, and ends it in order. */
import type { Server } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import { guardConnections } from '../server/http/connection-guard.ts';
import { watchConnections } from '../server/http/drain.ts';
import { createHandlers, logUrlOf } from '../server/handlers.ts';
import { createHttpServer, listen, type Listening } from '../server/http/http-listener.ts';
import { lameDuck } from '../server/http/lame-duck.ts';
import { requireIdentifiableReaders } from '../server/log/log-access.ts';
import { LogWatch } from '../server/operator/log-watch.ts';
import type { ServiceState, ServiceValues } from './service-values.ts';
import {
  followTlsPair,
  loadTlsPair,
  type TlsFollower,
  type TlsPair,
} from '../server/http/tls-certificate.ts';

/** A service that answers. */
export interface RunningService {
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
  /** Is not ready any more; goes on for as long as it was told to; stops accepting, finishes what is under way (at most
   * 25 s), then closes log, policy and audit. */
  close(): Promise<void>;
}

const CONNECTIONS = 4096;
const OPERATOR_CONNECTIONS = 64;
const TLS_INTERVAL = 10_000;
const GRACE = 25_000;

/** Starts the service. Rejects with ListenError, TlsError or LogAccessError, and has then closed what it was given. */
export async function startService(values: ServiceValues): Promise<RunningService> {
  try {
    return await start(values);
  } catch (error) {
    await Promise.allSettled([values.log.close(), values.policy.close(), values.audit?.close()]);
    throw error;
  }
}

async function start(values: ServiceValues): Promise<RunningService> {
  const state: ServiceState = { isClosing: false, url: '' };
  const { tls, requestLog, log, trustedProxies } = values;
  const behindTlsProxy = values.behindTlsProxy === true;
  requireIdentifiableReaders(values.logAccess, { behindTlsProxy, trustedProxies });
  const pair = tls === undefined ? undefined : await loadTlsPair(tls, values.clock());
  const handlers = createHandlers(values, state);
  const server = createHttpServer(pair, values.limits.idleTimeoutMs);
  const drain = watchConnections(server);
  server.on(
    'request',
    handlers.createPublic(guardConnections(server, values.limits.connections ?? CONNECTIONS)),
  );
  const operator = createHttpServer(undefined, values.limits.idleTimeoutMs);
  const drainOperator = watchConnections(operator);
  guardConnections(operator, OPERATOR_CONNECTIONS);
  operator.on('request', handlers.createOperator());
  // The operator's listener first: when the public one answers, everything is up.
  let metrics: Listening;
  let listening: Listening;
  try {
    metrics = await listen(operator, values.metricsListen, '--metrics-listen');
    listening = await listen(server, values.listen, '--listen');
  } catch (error) {
    handlers.close();
    await drainOperator(0);
    throw error;
  }
  const { url: metricsUrl, address: metricsListen } = metrics;
  state.url = listening.url;
  const places = { listen: listening.address, metricsListen };
  const renewal = pair === undefined ? undefined : follow(values, server, pair);
  if (renewal !== undefined) state.tls = () => renewal.status();
  const logUrl = logUrlOf(values, state);
  const logSize = log.status().size;
  requestLog.note('info', 'started', { url: state.url, metricsUrl, logUrl, logSize, ...places });
  let closed: Promise<void> | undefined;
  const watch = new LogWatch(
    () => log.status(),
    (level, event, facts) => {
      requestLog.note(level, event, facts);
    },
  );
  const close = async (): Promise<void> => {
    state.isClosing = true;
    renewal?.stop();
    requestLog.note('info', 'closing', { signing: handlers.signing() });
    await lameDuck(server, values.shutdownDelayMs ?? 0);
    await drain(GRACE);
    watch.stop();
    // Only now is nobody left who could wait for the log.
    await Promise.allSettled([log.close(), values.policy.close(), drainOperator(0)]);
    handlers.close();
    // And only now has everybody been answered of whom it has to tell.
    await values.audit?.close();
    requestLog.note('info', 'closed', {});
    requestLog.flush();
  };
  return {
    ...places,
    url: state.url,
    metricsUrl,
    logUrl,
    checkTls: async () => renewal?.check(),
    close: () => (closed ??= close()),
  };
}

/** Puts each renewed pair into the running server; a bad one is told and not used. */
function follow(values: ServiceValues, server: Server | TlsServer, first: TlsPair): TlsFollower {
  const { tls: files, clock, requestLog } = values;
  if (files === undefined || !('setSecureContext' in server))
    throw new TypeError('this service does not speak TLS');
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
