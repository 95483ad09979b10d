/** Joins identity, CA and log into the handlers of the two listeners, by passing values. Nothing here decides
 * anything. */
import type { RequestListener } from 'node:http';
import { Issuance } from '../ca/issuance.ts';
import { createApi, type ApiParts } from './api.ts';
import { clientNetwork, createClientAddress, type ClientAddress } from './http/client-address.ts';
import { RefusalLog } from './operator/refusal-log.ts';
import type { ConnectionGuard } from './http/connection-guard.ts';
import { DecisionRecords } from './fulcio/decision-records.ts';
import type { ExchangeContext } from './http/exchange.ts';
import { fixedCalls } from './fulcio/fixed-calls.ts';
import { createAccessCheck } from './log/log-access.ts';
import { createLogList, createLogRoutes, type LogRouteOptions } from './log/log-routes.ts';
import { createMetrics, type Metrics } from './operator/metrics.ts';
import { createMetricsHandler } from './operator/metrics-listener.ts';
import { ReadLimiter } from './log/read-limiter.ts';
import { createReadFaults } from './operator/read-faults.ts';
import { createReadiness } from './operator/readiness.ts';
import type { ServiceState, ServiceValues } from '../service/service-values.ts';
import { UnsentResponseLimit } from './http/unsent-response-limit.ts';
import { InFlightLimit } from './fulcio/in-flight-limit.ts';
import { SigningCalls } from './fulcio/signing-calls.ts';
import { SigningEndpoint } from './fulcio/signing-endpoint.ts';
import { SigningV1, SigningV2 } from './fulcio/signing-versions.ts';

const MIB = 1024 * 1024;

/** What answers of the log that wait for their readers may hold. */
const UNSENT_LIMITS = { total: 64 * MIB, perClient: 16 * MIB, stallMs: 1_000 };

/** What the two listeners run. */
export interface Handlers {
  /** Of each listener; the guard is the one of its sockets. */
  readonly createPublic: (guard: ConnectionGuard) => RequestListener;
  readonly createOperator: () => RequestListener;
  /** Signing requests under way. */
  readonly signing: () => number;
  /** Writes what the service log owes: the last summary of refusals. */
  readonly close: () => void;
}

/** The handlers of one service. */
export function createHandlers(values: ServiceValues, state: ServiceState): Handlers {
  const { log, clock, authority, limits, policy, configuration, replayGuard, audit, tls } = values;
  const inFlight = new InFlightLimit(limits.maxInFlight);
  const reading = new ReadLimiter({ concurrency: limits.readConcurrency });
  const clientAddress = createClientAddress(values.trustedProxies);
  const { notBefore, notAfter } = authority.validity;
  const status = () => log.status();
  const metrics = createMetrics({
    version: values.version,
    log: status,
    clock,
    authorityNotAfter: notAfter,
    signing: () => inFlight.signing,
    reading: () => reading.running,
    entries: () => policy.current.issuers,
    configuration,
    replayGuard,
    audit,
    tls: tls === undefined ? undefined : () => state.tls?.(),
  });
  const readiness = createReadiness({
    signer: authority.signer,
    authorityNotBefore: notBefore,
    authorityNotAfter: notAfter,
    log: status,
    clock,
    isClosing: () => state.isClosing,
    configuration,
    replayGuard,
    audit,
    tls: () => state.tls?.(),
  });
  const refusalLog = new RefusalLog(values.requestLog, clock);
  const unsent = new UnsentResponseLimit(UNSENT_LIMITS);
  const onRead = (endpoint: string, code: number): void => {
    metrics.logRead(endpoint, code);
  };
  const logRead = logMount(values, state, { onRead, limiter: reading, unsent, clientAddress });
  return {
    signing: () => inFlight.signing,
    close: () => {
      refusalLog.close();
    },
    createOperator: () => createMetricsHandler({ metrics, readiness, acceptHost: values.acceptHost }),
    createPublic: (guard) =>
      createApi({
        context: contextOf(metrics, state),
        signing: signingEndpoint(values, { metrics, inFlight, clientAddress, refusalLog }, guard),
        calls: fixedCalls(authority, values.formerChains ?? [], policy, readiness),
        log: logRead,
        reserve: (response, bytes) => {
          const client = clientNetwork(clientAddress(response.req));
          if (!unsent.hasRoom(client, bytes)) return false;
          unsent.hold(response, client, bytes);
          return true;
        },
        requestLog: values.requestLog,
        refusalLog,
        acceptHost: values.acceptHost,
      }),
  };
}

const contextOf = (metrics: Metrics, state: ServiceState): ExchangeContext => ({
  answered: (status, method, seconds) => {
    metrics.answered(status, method, seconds);
  },
  get isClosing() {
    return state.isClosing;
  },
});

interface SigningShared {
  readonly inFlight: InFlightLimit;
  readonly metrics: Metrics;
  readonly clientAddress: ClientAddress;
  readonly refusalLog: RefusalLog;
}

function signingEndpoint(
  values: ServiceValues,
  { inFlight, metrics, clientAddress, refusalLog }: SigningShared,
  { accepted }: ConnectionGuard,
): SigningEndpoint {
  const { authority, policy, log, clock, requestLog, audit } = values;
  const issuance = new Issuance({ policy, authority, log, clock, audit });
  const records = new DecisionRecords({ metrics, requestLog, refusalLog, audit });
  const calls = new SigningCalls(issuance, records, inFlight);
  const versions = [new SigningV2(authority), new SigningV1(authority)];
  return new SigningEndpoint({ calls, versions, clientAddress, accepted });
}

function logMount(
  values: ServiceValues,
  state: ServiceState,
  shared: Pick<LogRouteOptions, 'onRead' | 'limiter' | 'unsent' | 'clientAddress'>,
): ApiParts['log'] {
  const { log, logAccess, requestLog, clock } = values;
  const parts: LogRouteOptions = {
    reader: log.reader,
    ...shared,
    access: createAccessCheck(logAccess, shared.clientAddress),
    isPublic: logAccess.kind === 'public',
    describe: () => ({
      url: logUrlOf(values, state),
      intendedUse: values.isDevelopment ? 'test' : 'production',
      software: { name: 'mayfly', version: values.version },
    }),
    list: () => [{ origin: log.identity.origin, name: log.identity.name, url: logUrlOf(values, state) }],
    onFault: createReadFaults(requestLog, clock),
  };
  return { path: logPath(values), handler: createLogRoutes(parts), list: createLogList(parts) };
}

const logPath = ({ log }: ServiceValues): string => `/log/${log.identity.name}`;

/** Where the log can be read from outside, no slash at the end. */
export const logUrlOf = (values: ServiceValues, state: ServiceState): string =>
  `${values.publicUrl ?? state.url}${logPath(values)}`;
