/** Joins identity, CA and log into the handlers of the two listeners, by passing values. Nothing here decides
 * anything. */
import type { RequestListener } from 'node:http';
import { createIssuance } from '../ca/issuance.ts';
import { ConcurrencyLimit } from './http/concurrency-limit.ts';
import { createApi, type ApiParts } from './api.ts';
import { clientNetwork, createClientAddress, type ClientAddress } from './http/client-address.ts';
import { BodyMemory } from './http/body-memory.ts';
import { RefusalLog } from './operator/refusal-log.ts';
import type { ConnectionGuard } from './http/connection-guard.ts';
import { ConnectionTurns } from './http/connection-turns.ts';
import { createDecisionRecords } from './fulcio/decision-records.ts';
import type { Exchange, ExchangeContext } from './http/exchange.ts';
import { fixedCalls } from './fulcio/fixed-calls.ts';
import { createAccessCheck } from './log/log-access.ts';
import { createLogList, createLogRoutes, type LogRouteOptions } from './log/log-routes.ts';
import { createMetrics, type Metrics } from './operator/metrics.ts';
import { createMetricsHandler } from './operator/metrics-listener.ts';
import { LargeBodyQueue } from './http/large-body-queue.ts';
import { ReadLimiter } from './log/read-limiter.ts';
import { createReadFaults } from './operator/read-faults.ts';
import { createReadiness } from './operator/readiness.ts';
import type { ServiceState, ServiceValues } from '../service/service-values.ts';
import { createAnswerV1, createAnswerV2 } from './fulcio/signing-answers.ts';
import { Batcher } from './http/batcher.ts';
import { UnsentResponseLimit } from './http/unsent-response-limit.ts';
import { createSigningEndpoint, type SigningParts } from './fulcio/signing-endpoint.ts';
import { decodeSigningRequestV1, decodeSigningRequestV2 } from './fulcio/signing-request-json.ts';

/** Bytes of request bodies that may be held at once. */
const BODY_MEMORY = 32 * 1024 * 1024;

/** Requests whose RSA key waits to be looked at, one after the other: some 20 ms each with 4096 bits. */
const KEY_CHECKS = 128;

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
  const signing = new ConcurrencyLimit(limits.maxInFlight);
  const reading = new ReadLimiter({ concurrency: limits.readConcurrency });
  const clientAddress = createClientAddress(values.trustedProxies);
  const { notBefore, notAfter } = authority.validity;
  const status = () => log.status();
  const metrics = createMetrics({
    version: values.version,
    log: status,
    clock,
    authorityNotAfter: notAfter,
    signing: () => signing.used,
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
    signing: () => signing.used,
    close: () => {
      refusalLog.close();
    },
    createOperator: () => createMetricsHandler({ metrics, readiness, acceptHost: values.acceptHost }),
    createPublic: (guard) =>
      createApi({
        context: contextOf(metrics, state),
        signing: signingRoutes(values, { metrics, signing, clientAddress, refusalLog }, guard),
        calls: fixedCalls(authority, values.formerChains ?? [], policy, readiness),
        log: logRead,
        reserve: (response, bytes) => {
          const client = clientNetwork(clientAddress(response.req));
          if (!unsent.hasRoom(client, bytes)) return false;
          unsent.hold(response, client, bytes);
          return true;
        },
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
  readonly signing: ConcurrencyLimit;
  readonly metrics: Metrics;
  readonly clientAddress: ClientAddress;
  readonly refusalLog: RefusalLog;
}

function signingRoutes(
  values: ServiceValues,
  { signing, metrics, clientAddress, refusalLog }: SigningShared,
  { accepted }: ConnectionGuard,
): ReadonlyMap<string, (exchange: Exchange) => void> {
  const { authority, policy, log, clock, requestLog, audit } = values;
  const trouble = (): Error | undefined => log.refusal() ?? audit?.refusal();
  const issue = createIssuance({ policy: () => policy.current, authority, log, clock, trouble });
  const records = createDecisionRecords({ metrics, requestLog, refusalLog, audit, clientAddress });
  const parts: SigningParts = {
    ...{ issue, signing, records },
    keyChecks: new ConcurrencyLimit(KEY_CHECKS),
    bodies: { memory: new BodyMemory(BODY_MEMORY), queue: new LargeBodyQueue(accepted) },
    wave: new Batcher(accepted),
    turns: new ConnectionTurns(),
    distrusted: new WeakSet(),
  };
  const [v1, v2] = [createAnswerV1(authority), createAnswerV2(authority)];
  return new Map([
    ['/api/v2/signingCert', createSigningEndpoint(parts, { decode: decodeSigningRequestV2, reply: v2 })],
    ['/api/v1/signingCert', createSigningEndpoint(parts, { decode: decodeSigningRequestV1, reply: v1 })],
  ]);
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
