/** Joins identity, CA and log into the handlers of the two listeners, by passing values. Nothing here decides
 * anything. */
import type { RequestListener } from 'node:http';
import { createIssuance } from '../ca/issuance.ts';
import { Admission } from './admission.ts';
import { createApi, type ApiParts } from './api.ts';
import { createClientAddress, type ClientAddress } from './client-address.ts';
import type { ConnectionGuard } from './connection-guard.ts';
import { createDecisionRecords } from './decision-records.ts';
import type { Exchange, ExchangeContext } from './exchange.ts';
import { fixedCalls } from './fixed-calls.ts';
import { createAccessCheck } from './log-access.ts';
import { createLogList, createLogRoutes, type LogRouteParts } from './log-routes.ts';
import { createMetrics, type Metrics } from './metrics.ts';
import { createMetricsHandler } from './metrics-listener.ts';
import { ReadBudget } from './read-budget.ts';
import { createReadiness } from './readiness.ts';
import { causeText } from './request-log.ts';
import type { ServiceState, ServiceValues } from './service-values.ts';
import { createAnswerV1, createAnswerV2 } from './signing-answers.ts';
import { UnsentAnswers } from './unsent-answers.ts';
import { createSigningEndpoint, type SigningParts } from './signing-endpoint.ts';
import { decodeSigningRequestV1, decodeSigningRequestV2 } from './signing-request-json.ts';

/** Bytes of request bodies that may be on their way at once. */
const BODY_MEMORY = 64 * 1024 * 1024;

/** Bytes of answers of the log that may wait for readers at once. */
const ANSWER_MEMORY = 64 * 1024 * 1024;

/** What the two listeners run. */
export interface Handlers {
  /** The public listener; the guard is the one of its sockets. */
  readonly createPublic: (guard: ConnectionGuard) => RequestListener;
  readonly operator: RequestListener;
  /** Signing requests under way. */
  readonly signing: () => number;
}

/** The handlers of one service. */
export function createHandlers(values: ServiceValues, state: ServiceState): Handlers {
  const { log, clock, authority, limits, policy, configuration, replayGuard, audit } = values;
  const signing = new Admission(limits.maxInFlight);
  const reading = new ReadBudget(limits.readConcurrency);
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
    entries: () => policy.current.entries,
    configuration,
    replayGuard,
    audit,
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
  });
  const routes = signingRoutes(values, metrics, signing, clientAddress);
  const logRead = logMount(values, state, metrics, reading, clientAddress);
  return {
    signing: () => signing.used,
    operator: createMetricsHandler(metrics, readiness, values.acceptHost),
    createPublic: (guard) =>
      createApi({
        context: contextOf(metrics, guard, state),
        signing: routes,
        calls: fixedCalls(authority, policy, readiness),
        log: logRead,
        requestLog: values.requestLog,
        acceptHost: values.acceptHost,
      }),
  };
}

const contextOf = (metrics: Metrics, guard: ConnectionGuard, state: ServiceState): ExchangeContext => ({
  answered: (status, method, seconds) => {
    metrics.answered(status, method, seconds);
  },
  working: guard.working,
  waiting: guard.waiting,
  get isClosing() {
    return state.isClosing;
  },
});

function signingRoutes(
  values: ServiceValues,
  metrics: Metrics,
  signing: Admission,
  clientAddress: ClientAddress,
): ReadonlyMap<string, (exchange: Exchange) => void> {
  const { authority, policy, log, clock, requestLog, audit } = values;
  const trouble = (): Error | undefined => log.refusal() ?? audit?.refusal();
  const issue = createIssuance({ policy: () => policy.current, authority, log, clock, trouble });
  const memory = new Admission(BODY_MEMORY);
  const records = createDecisionRecords({ metrics, requestLog, audit, clientAddress });
  const parts: SigningParts = { issue, signing, memory, records };
  const [v1, v2] = [createAnswerV1(authority), createAnswerV2(authority)];
  return new Map([
    ['/api/v2/signingCert', createSigningEndpoint(parts, { decode: decodeSigningRequestV2, reply: v2 })],
    ['/api/v1/signingCert', createSigningEndpoint(parts, { decode: decodeSigningRequestV1, reply: v1 })],
  ]);
}

function logMount(
  values: ServiceValues,
  state: ServiceState,
  metrics: Metrics,
  budget: ReadBudget,
  clientAddress: ClientAddress,
): ApiParts['log'] {
  const { log, logAccess, requestLog } = values;
  const parts: LogRouteParts = {
    reader: log.reader,
    access: createAccessCheck(logAccess, clientAddress),
    isPublic: logAccess.kind === 'public',
    budget,
    unsent: new UnsentAnswers(new Admission(ANSWER_MEMORY)),
    metrics,
    describe: () => ({
      url: logUrlOf(values, state),
      intendedUse: values.isForTrying ? 'test' : 'production',
      software: { name: 'mayfly', version: values.version },
    }),
    list: () => [{ origin: log.identity.origin, name: log.identity.name, url: logUrlOf(values, state) }],
    onFault: (endpoint, error) => {
      requestLog.note('error', 'log read failed', { endpoint, cause: causeText(error) });
    },
  };
  return { path: logPath(values), handler: createLogRoutes(parts), list: createLogList(parts) };
}

const logPath = ({ log }: ServiceValues): string => `/log/${log.identity.name}`;

/** Where the log can be read from outside, no slash at the end. */
export const logUrlOf = (values: ServiceValues, state: ServiceState): string =>
  `${values.publicUrl ?? state.url}${logPath(values)}`;
