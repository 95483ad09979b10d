/** Joins identity, CA and log into the handlers of the two listeners, by passing values. Nothing here decides
 * anything. */
import type { RequestListener } from 'node:http';
import type { Audit } from '../audit/audit.ts';
import type { Authority } from '../ca/authority.ts';
import { Issuance } from '../ca/issuance.ts';
import type { Clock } from '../core/clock.ts';
import type { PolicySnapshot } from '../policy/snapshot.ts';
import { createApi, type ApiOptions } from '../server/api.ts';
import { DecisionRecords } from '../server/fulcio/decision-records.ts';
import { fixedCalls } from '../server/fulcio/fixed-calls.ts';
import { InFlightLimit } from '../server/fulcio/in-flight-limit.ts';
import { SigningCalls } from '../server/fulcio/signing-calls.ts';
import { SigningEndpoint } from '../server/fulcio/signing-endpoint.ts';
import { SigningV1, SigningV2 } from '../server/fulcio/signing-versions.ts';
import { clientNetwork, createClientAddress } from '../server/http/client-address.ts';
import type { ConnectionGuard } from '../server/http/connection-guard.ts';
import type { AcceptHost } from '../server/http/http-listener.ts';
import type { TlsStatus } from '../server/http/tls-certificate.ts';
import { UnsentResponseLimit } from '../server/http/unsent-response-limit.ts';
import { createAccessCheck, type LogAccessRule } from '../server/log/log-access.ts';
import { createLogList, createLogRoutes, type LogRouteOptions } from '../server/log/log-routes.ts';
import { ReadLimiter } from '../server/log/read-limiter.ts';
import type { ReplayGuardStatus } from '../policy/replay/replay-guard.ts';
import type { ConfigurationState } from '../server/operator/configuration-state.ts';
import { createMetrics, type Metrics } from '../server/operator/metrics.ts';
import { createMetricsHandler } from '../server/operator/metrics-listener.ts';
import { createReadiness, type Readiness } from '../server/operator/readiness.ts';
import { createReadFaults, RefusalLog } from '../server/operator/refusal-log.ts';
import type { RequestLog } from '../server/operator/request-log.ts';
import type { CtLog } from '../ct-log/ct-log.ts';

const MIB = 1024 * 1024;

/** What answers of the log that wait for their readers may hold. */
const UNSENT_LIMITS = { total: 64 * MIB, perClient: 16 * MIB, stallMs: 1_000 };

/** What the listeners stand in front of, opened. */
export interface ServiceBackend {
  readonly clock: Clock;
  readonly requestLog: RequestLog;
  readonly authority: Authority;
  /** Chains that issued before, PEM, issuing CA first: verifiers go on trusting them. */
  readonly formerChains: readonly (readonly string[])[];
  readonly log: CtLog;
  /** What decides. `current` is another one once another configuration was loaded. */
  readonly policy: { readonly current: PolicySnapshot };
  /** Of the configuration that is followed while the service runs; without it none is. */
  readonly configuration?: (() => ConfigurationState) | undefined;
  /** Of used tokens; undefined when no issuer block wants it. */
  readonly replayGuard?: (() => ReplayGuardStatus | undefined) | undefined;
  /** Without it decisions stand in the request log only. */
  readonly audit?: Audit | undefined;
}

/** What requests meet. */
export interface HandlerOptions {
  readonly version: string;
  /** Whether certificates of this service mean nothing to anybody else; said in `log.v3.json`. */
  readonly isDevelopment: boolean;
  readonly logAccess: LogAccessRule;
  /** Addresses and CIDR blocks. */
  readonly trustedProxies: readonly string[];
  readonly limits: RequestLimits;
  /** Whom both listeners answer to; default: everybody. */
  readonly acceptHost?: AcceptHost | undefined;
}

/** What the service works on at once. */
export interface RequestLimits {
  /** Signing requests worked on. */
  readonly maxInFlight: number;
  /** Reads of the log. */
  readonly readConcurrency: number;
}

/** What changes while the listeners run. */
interface ListenerState {
  readonly isClosing: () => boolean;
  /** Where clients reach the service, no slash at the end. */
  readonly url: () => string;
  /** Of the certificate that is served; undefined where the listener speaks plain HTTP. */
  readonly tls: (() => TlsStatus) | undefined;
}

/** What the two listeners run. */
interface Handlers {
  readonly public: RequestListener;
  readonly operator: RequestListener;
  /** Signing requests under way. */
  readonly signing: () => number;
  /** Logs the last summary of refusals. */
  readonly close: () => void;
}

/** The handlers of one service; `connections` are those of the public listener. */
export function createHandlers(
  backend: ServiceBackend,
  options: HandlerOptions,
  state: ListenerState,
  connections: ConnectionGuard,
): Handlers {
  const { authority, log, policy, clock, requestLog, audit } = backend;
  const inFlight = new InFlightLimit(options.limits.maxInFlight);
  const reads = new ReadLimiter({ concurrency: options.limits.readConcurrency });
  const metrics = metricsOf(backend, options.version, state, {
    signing: () => inFlight.signing,
    reading: () => reads.running,
  });
  const readiness = readinessOf(backend, state);
  const clientAddress = createClientAddress(options.trustedProxies);
  const refusalLog = new RefusalLog(requestLog, clock);
  const issuance = new Issuance({ policy, authority, log, clock, audit });
  const records = new DecisionRecords({ metrics, requestLog, refusalLog, audit });
  const onRead = (endpoint: string, code: number): void => {
    metrics.logRead(endpoint, code);
  };
  const unsent = new UnsentResponseLimit(UNSENT_LIMITS);
  return {
    signing: () => inFlight.signing,
    close: () => {
      refusalLog.close();
    },
    operator: createMetricsHandler({ metrics, readiness, acceptHost: options.acceptHost }),
    public: createApi({
      context: {
        answered: (status, method, seconds) => {
          metrics.answered(status, method, seconds);
        },
        get isClosing() {
          return state.isClosing();
        },
      },
      signing: new SigningEndpoint({
        calls: new SigningCalls(issuance, records, inFlight),
        versions: [new SigningV2(authority), new SigningV1(authority)],
        clientAddress,
        accepted: connections.accepted,
      }),
      calls: fixedCalls(authority, backend.formerChains, policy, readiness),
      log: logReads(backend, options, state, { onRead, limiter: reads, unsent, clientAddress }),
      reserve: (response, bytes) => {
        const client = clientNetwork(clientAddress(response.req));
        if (!unsent.ensureFree(client, bytes)) return false;
        unsent.hold(response, client, bytes);
        return true;
      },
      requestLog,
      refusalLog,
      acceptHost: options.acceptHost,
    }),
  };
}

const metricsOf = (
  { log, clock, authority, policy, configuration, replayGuard, audit }: ServiceBackend,
  version: string,
  { tls }: ListenerState,
  underWay: { readonly signing: () => number; readonly reading: () => number },
): Metrics =>
  createMetrics({
    version,
    log: () => log.status(),
    clock,
    authorityNotAfter: authority.validity.notAfter,
    signing: underWay.signing,
    reading: underWay.reading,
    issuerBlocks: () => policy.current.issuers,
    configuration,
    replayGuard,
    audit,
    tls,
  });

const readinessOf = (
  { authority, log, clock, configuration, replayGuard, audit }: ServiceBackend,
  { isClosing, tls }: ListenerState,
): (() => Promise<Readiness>) =>
  createReadiness({
    signer: authority.signer,
    authorityNotBefore: authority.validity.notBefore,
    authorityNotAfter: authority.validity.notAfter,
    log: () => log.status(),
    clock,
    isClosing,
    configuration,
    replayGuard,
    audit,
    tls,
  });

function logReads(
  { log, requestLog, clock }: ServiceBackend,
  { logAccess, isDevelopment, version }: HandlerOptions,
  state: ListenerState,
  shared: Pick<LogRouteOptions, 'onRead' | 'limiter' | 'unsent' | 'clientAddress'>,
): ApiOptions['log'] {
  const { origin, name } = log.identity;
  const path = logPath(log);
  const url = (): string => `${state.url()}${path}`;
  const routes: LogRouteOptions = {
    ...shared,
    reader: log.reader,
    access: createAccessCheck(logAccess, shared.clientAddress),
    isPublic: logAccess.kind === 'public',
    describe: () => ({
      url: url(),
      intendedUse: isDevelopment ? 'test' : 'production',
      software: { name: 'mayfly', version },
    }),
    list: () => [{ origin, name, url: url() }],
    onFault: createReadFaults(requestLog, clock),
  };
  return { path, handler: createLogRoutes(routes), list: createLogList(routes) };
}

/** Where the public listener serves the log. */
export const logPath = ({ identity }: Pick<CtLog, 'identity'>): string => `/log/${identity.name}`;
