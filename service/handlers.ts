/** Makes the handlers of the two listeners from what a service has opened. It joins the parts and hands them what they need;
 * what is decided, and what is limited, stands in them. */
import type { RequestListener } from 'node:http';
import type { Audit } from '../audit/audit.ts';
import type { Authority } from '../ca/authority.ts';
import { NoLog } from '../ca/no-log.ts';
import type { ArtifactLogConfig } from '../config/settings/artifact-log-config.ts';
import type { MayflyConfig } from '../config/settings/mayfly-config.ts';
import { VERSION } from '../core/version.ts';
import type { CtLog } from '../ct-log/ct-log.ts';
import type { OutsideLog } from '../ct-log/outside/outside-log.ts';
import type { PolicySnapshot } from '../policy/snapshot.ts';
import { rateLimiter, type SharedBuckets } from '../policy/rate-limit.ts';
import { createApi } from '../server/api.ts';
import { DecisionRecords } from '../server/fulcio/decision-records.ts';
import { fixedCalls, type FixedCall } from '../server/fulcio/fixed-calls.ts';
import { InFlightLimit, type CountedLimit } from '../server/fulcio/in-flight-limit.ts';
import { GrpcEndpoint } from '../server/grpc/grpc-endpoint.ts';
import { reflectionMethods } from '../server/grpc/reflection.ts';
import { unaryMethods } from '../server/grpc/unary-methods.ts';
import { createClientAddress, type ClientAddress } from '../server/http/client-address.ts';
import type { ConnectionGuard } from '../server/http/connection-guard.ts';
import type { AcceptHost } from '../server/http/http-listener.ts';
import { UnsentResponseLimit } from '../server/http/unsent-response-limit.ts';
import { createAccessCheck, type LogAccessRule } from '../server/log/log-access.ts';
import { createLogRoutes } from '../server/log/log-routes.ts';
import { SubmissionEndpoint } from '../server/log/submission-endpoint.ts';
import { SubmissionRecords } from '../server/log/submission-records.ts';
import type { OtherLogReads } from '../server/log/other-logs.ts';
import { ReadLimiter } from '../server/log/read-limiter.ts';
import { createMetrics, type Metrics } from '../server/operator/metrics.ts';
import { createMetricsHandler } from '../server/operator/metrics-listener.ts';
import { createReadiness, type Readiness } from '../server/operator/readiness.ts';
import { createReadFaults, RefusalLog } from '../server/operator/refusal-log.ts';
import type { ServiceLog } from '../server/operator/service-log.ts';
import type { ServiceSources } from '../server/operator/service-sources.ts';
import { SearchEndpoint } from '../server/search/search-endpoint.ts';
import { timestampChainCall } from '../server/timestamp/chain-call.ts';
import type { AuditedEntries } from '../server/rekor/audited-entries.ts';
import { TimestampEndpoint } from '../server/timestamp/timestamp-endpoint.ts';
import { TimestampRecords } from '../server/timestamp/timestamp-records.ts';
import { createArtifactEndpoints } from './artifact-endpoints.ts';
import type { FormerCertificates } from './former-certificates.ts';
import type { OpenedArtifactLogs } from './open-artifact-logs.ts';
import { searchesOf, type CertificateSearch } from './open-searches.ts';
import type { OpenedSubmission } from './open-submission.ts';
import type { OpenedTimestamps } from './open-timestamps.ts';
import type { TrustPlaces } from '../trust/ledger.ts';
import { providerForPeople } from '../trust/signing-services.ts';
import { PublishedTrust } from './published-trust.ts';
import { loggingLimiter } from './request-state.ts';
import { createSigning } from './signing.ts';
import type { TufFiles } from '../server/trust/tuf-files.ts';

/** A service that is opened and does not listen yet. */
export interface OpenedService extends Pick<
  ServiceSources,
  'clock' | 'configuration' | 'replayGuard' | 'trusted' | 'shards'
> {
  readonly serviceLog: ServiceLog;
  /** Where requests that are logged are counted; undefined: here. */
  readonly buckets?: SharedBuckets | undefined;
  readonly authority: Authority;
  /** Chains that issued before, and the one that is staged, PEM, issuing CA first: verifiers trust them too. */
  readonly otherChains: readonly (readonly string[])[];
  readonly log: CtLog;
  /** What its entries are found by; without it nothing is searched over all logs. */
  readonly search?: CertificateSearch | undefined;
  /** Undefined where none is searched. */
  readonly formerCertificates?: Pick<FormerCertificates, 'logs'> | undefined;
  readonly otherLogs: OtherLogReads & ServiceSources['otherLogs'];
  /** What decides. `current` is another one once another configuration was loaded. */
  readonly policy: { readonly current: PolicySnapshot };
  /** Whether certificates are in no log, and carry no SCT. */
  readonly isUnlogged?: boolean | undefined;
  /** Where certificates are logged; undefined where that is {@link log}. */
  readonly outsideLog?: OutsideLog | undefined;
  /** Where other CAs hand in certificates; undefined where they cannot. */
  readonly submission?: OpenedSubmission | undefined;
  /** Undefined where none is served. */
  readonly artifacts?: OpenedArtifactLogs | undefined;
  /** Which of their entries have a line in the audit, by the names of the logs. */
  readonly entryLines?: ReadonlyMap<string, AuditedEntries> | undefined;
  /** Without it no timestamps are granted. */
  readonly timestamps?: OpenedTimestamps | undefined;
  /** Without it decisions stand in the service log only. */
  readonly audit?: Audit | undefined;
  /** Of the configuration that it was opened with. */
  readonly settings: Pick<
    MayflyConfig,
    'publicUrl' | 'trustedProxies' | 'limits' | 'shutdownDelay' | 'grpc'
  > & {
    readonly artifactLog: Pick<ArtifactLogConfig, 'readRateLimit'>;
  };
  /** Where what verifiers are to trust lies. */
  readonly trustPlaces: TrustPlaces;
  /** Who may read the log. */
  readonly logAccess: LogAccessRule;
  /** The TUF repository, which need not be there. */
  readonly tuf?: (NonNullable<ServiceSources['tuf']> & TufFiles) | undefined;
  /** Whether certificates of this service mean nothing to anybody else. */
  readonly isDevelopment: boolean;
  /** Whom both listeners answer to; default: everybody. */
  readonly acceptHost?: AcceptHost | undefined;
}

/** The public listener, as its requests see it. */
export interface PublicListener extends Pick<ServiceSources, 'isClosing' | 'tls' | 'takesGrpc' | 'workers'> {
  /** Where clients reach the service, no slash at the end. */
  readonly baseUrl: () => string;
  readonly connections: Pick<ConnectionGuard, 'accepted'>;
  /** Counts the signing requests of all threads, where there are several. */
  readonly inFlight?: CountedLimit | undefined;
}

/** What the two listeners run. */
export interface Handlers {
  readonly public: RequestListener;
  readonly operator: RequestListener;
  /** What comes over HTTP/2; undefined where nothing does. */
  readonly grpc: GrpcEndpoint | undefined;
  readonly inFlight: Pick<InFlightLimit, 'signing'>;
  /** Keep what another thread decided and counted. */
  readonly records: DecisionRecords;
  readonly metrics: Pick<Metrics, 'answered' | 'grpc'>;
  readonly readiness: () => Promise<Readiness>;
  /** Its last summary of refusals is still to be logged when the service ends. */
  readonly refusalLog: RefusalLog;
}

/** The handlers of one service. */
export function createHandlers(service: OpenedService, listener: PublicListener): Handlers {
  const { authority, log, policy, clock, serviceLog, audit, settings, acceptHost } = service;
  const { isClosing, tls, takesGrpc, baseUrl, connections, workers } = listener;
  const inFlight = new InFlightLimit(listener.inFlight ?? settings.limits.maxInFlight);
  const reads = new ReadLimiter({ concurrency: settings.limits.readConcurrency });
  const { readRateLimit } = settings.artifactLog;
  const readLimit = readRateLimit && rateLimiter(readRateLimit, clock);
  const sources: ServiceSources = { ...service, isClosing, tls, takesGrpc, workers };
  const metrics = createMetrics(sources, { inFlight, reads });
  const readiness = createReadiness(sources);
  const refusalLog = new RefusalLog(serviceLog, clock);
  const clientAddress = createClientAddress(settings.trustedProxies);
  const unsent = new UnsentResponseLimit();
  const records = new DecisionRecords({ metrics, serviceLog, refusalLog, audit });
  const { accepted } = connections;
  const { queue, endpoint: signing } = createSigning({
    policy,
    authority,
    log: service.isUnlogged === true ? new NoLog() : (service.outsideLog ?? log),
    isUnlogged: service.isUnlogged,
    clock,
    audit,
    records,
    inFlight,
    accepted,
    clientAddress,
  });
  const timestamps = createTimestamps(service, listener, { metrics, refusalLog, clientAddress });
  const onFault = createReadFaults(serviceLog, clock);
  const logRoutes = createLogRoutes({
    log,
    otherLogs: service.otherLogs,
    baseUrl,
    isDevelopment: service.isDevelopment,
    access: service.logAccess,
    clientAddress,
    limiter: reads,
    unsent,
    onRead: metrics.logRead,
    onOtherRead: metrics.otherLogRead,
    onFault,
  });
  const publicHandler = createApi({
    context: { answered: metrics.answered, isClosing },
    signing,
    timestamps: timestamps?.endpoint,
    endpoints: [
      ...createSubmissionEndpoint(service, listener, {
        logPath: logRoutes.path,
        metrics,
        refusalLog,
        clientAddress,
      }),
      ...createSearchEndpoint(service, {
        clientAddress,
        readLimit,
        unsent,
        // The metrics of Fulcio's API count certificates and what belongs to them.
        context: { answered: () => undefined, isClosing },
        onAnswer: (status) => {
          metrics.logRead('search', status);
        },
        onFault,
      }),
      ...(metrics.entries === undefined
        ? []
        : createArtifactEndpoints(service, {
            metrics: metrics.entries,
            refusalLog,
            clientAddress,
            limiter: reads,
            readLimit,
            unsent,
            accepted: connections.accepted,
            isClosing,
            onFault,
          })),
    ],
    calls: [
      ...fixedCalls(authority, service.otherChains, policy, readiness),
      ...(timestamps === undefined ? [] : [timestamps.chain]),
    ],
    log: logRoutes,
    trust: publishedTrust(service, baseUrl),
    tuf: service.tuf,
    unsent,
    clientAddress,
    serviceLog,
    refusalLog,
    acceptHost,
  });
  const operator = createMetricsHandler({ metrics, readiness, acceptHost });
  const grpc =
    metrics.grpc &&
    new GrpcEndpoint({
      methods: [
        ...unaryMethods({ ...service, queue, readiness, isClosing }),
        ...(settings.grpc.reflection ? reflectionMethods() : []),
      ],
      metrics: metrics.grpc,
      clientAddress,
      serviceLog,
      refusalLog,
      acceptHost,
    });
  return { public: publicHandler, operator, grpc, inFlight, refusalLog, records, metrics, readiness };
}

/** None where nothing is indexed. */
function createSearchEndpoint(
  { log, search, artifacts, formerCertificates, logAccess }: OpenedService,
  options: Omit<ConstructorParameters<typeof SearchEndpoint>[0], 'search' | 'access'>,
): readonly SearchEndpoint[] {
  if (search === undefined) return [];
  const access = createAccessCheck(logAccess, options.clientAddress);
  return [
    new SearchEndpoint({
      ...options,
      access,
      search: searchesOf({ log, search, artifacts, formerCertificates }),
    }),
  ];
}

/** None where nobody else hands in certificates. */
function createSubmissionEndpoint(
  { submission, log, logAccess, serviceLog, audit, clock, buckets }: OpenedService,
  { connections, isClosing }: PublicListener,
  {
    logPath,
    metrics,
    refusalLog,
    clientAddress,
  }: {
    readonly logPath: string;
    readonly metrics: Metrics;
    readonly refusalLog: RefusalLog;
    readonly clientAddress: ClientAddress;
  },
): readonly SubmissionEndpoint[] {
  if (submission === undefined || metrics.submissions === undefined) return [];
  const { config, chains, submissions } = submission;
  const destinations = { metrics: metrics.submissions, serviceLog, refusalLog, audit };
  return [
    new SubmissionEndpoint({
      logPath,
      chains,
      submissions,
      access: createAccessCheck(logAccess, clientAddress),
      clientAddress,
      limiter: config.rateLimit && loggingLimiter(config.rateLimit, 'submission', { clock, buckets }),
      maxInFlight: config.maxInFlight,
      records: new SubmissionRecords(log.identity.name, destinations),
      accepted: connections.accepted,
      isClosing,
    }),
  ];
}

/** Undefined where the service grants no timestamps. */
function createTimestamps(
  { timestamps, serviceLog, clock }: OpenedService,
  { connections, isClosing }: PublicListener,
  {
    metrics,
    refusalLog,
    clientAddress,
  }: { metrics: Metrics; refusalLog: RefusalLog; clientAddress: ClientAddress },
): { readonly endpoint: TimestampEndpoint; readonly chain: FixedCall } | undefined {
  if (timestamps === undefined || metrics.timestamps === undefined) return undefined;
  const { authority, rateLimit, logsGrants } = timestamps;
  const endpoint = new TimestampEndpoint({
    authority,
    clientAddress,
    limiter: rateLimit && rateLimiter(rateLimit, clock),
    records: new TimestampRecords({ metrics: metrics.timestamps, serviceLog, refusalLog, logsGrants }),
    accepted: connections.accepted,
    isClosing,
  });
  return { endpoint, chain: timestampChainCall(authority) };
}

const publishedTrust = (
  { trustPlaces, policy, timestamps, artifacts, clock, serviceLog, isDevelopment }: OpenedService,
  baseUrl: () => string,
): PublishedTrust =>
  new PublishedTrust({
    places: trustPlaces,
    notes: () => ({
      publicUrl: baseUrl(),
      openidProvider: providerForPeople(policy.current.issuers.map(({ definition }) => definition)),
      grantsTimestamps: timestamps !== undefined,
      artifactLogs: artifacts?.config,
      isDevelopment,
      version: VERSION,
    }),
    clock,
    log: serviceLog,
  });
