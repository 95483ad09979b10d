/**
 * What the service counts, for Prometheus. The first names are Fulcio's, so that its dashboards and alerts keep
 * working; everything of ours begins with `mayfly_`. Every label has a closed set of values: nothing that a caller
 * sends can make a new time series.
 */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { VERSION } from '../../core/version.ts';
import { registerAuditMetrics } from './audit-metrics.ts';
import type { CertainFacts, ReleasedDecision } from '../../ca/decision.ts';
import { DecisionMetrics } from './decision-metrics.ts';
import { registerTlsMetrics } from './tls-metrics.ts';
import { EntryMetrics } from './entry-metrics.ts';
import { SubmissionMetrics } from './submission-metrics.ts';
import { TimestampMetrics } from './timestamp-metrics.ts';
import { registerTrustMetrics } from './trust-metrics.ts';
import { registerTufMetrics } from './tuf-metrics.ts';
import { registerEventLoopLag } from './event-loop-lag.ts';
import { registerConfigurationMetrics } from './configuration-metrics.ts';
import { isDegraded, registerLogMetrics, registerWitnessMetrics } from './log-metrics.ts';
import { registerOutsideLogMetrics } from './outside-log-metrics.ts';
import { registerOtherLogMetrics } from './other-log-metrics.ts';
import { registerScrubMetrics } from './scrub-metrics.ts';
import { GrpcMetrics } from './grpc-metrics.ts';
import { registerGauge } from './read-gauge.ts';
import type { ServiceSources } from './service-sources.ts';
import { registerSignerMetrics } from './signer-metrics.ts';
import { registerWorkerMetrics } from './worker-metrics.ts';

/** What the service works on now. */
interface WorkInProgress {
  readonly inFlight: { readonly signing: number };
  readonly reads: { readonly running: number };
}

/** The counters of one service. */
export interface Metrics {
  /** A request to the Fulcio API was answered. */
  readonly answered: (status: number, method: string, seconds: number) => void;
  /** A certificate was released. */
  readonly issued: (decision: ReleasedDecision) => void;
  /** A signing request was refused for a reason of the closed tables in `server/reasons/`. */
  readonly refused: (decision: CertainFacts, reason: string) => void;
  /** A log read was answered; `endpoint` is one of the route names. */
  readonly logRead: (endpoint: string, status: number) => void;
  /** A read of a log beside the one in use was answered. */
  readonly otherLogRead: (log: string, status: number) => void;
  /** Counts calls over gRPC; undefined where none is taken. */
  readonly grpc: GrpcMetrics | undefined;
  /** Counts timestamps; undefined where none are granted. */
  readonly timestamps: TimestampMetrics | undefined;
  /** Counts submissions to the log; undefined where none are taken. */
  readonly submissions: SubmissionMetrics | undefined;
  /** Counts entries of logs of artifacts; undefined where none is served. */
  readonly entries: EntryMetrics | undefined;
  /** Everything in Prometheus' text format, and its content type. */
  text(): Promise<string>;
  readonly contentType: string;
}

const METHODS = new Map(
  ['GET', 'POST', 'HEAD', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH', 'NOTIFY'].map((method) => [
    method,
    method.toLowerCase(),
  ]),
);

/** Go's `prometheus.DefBuckets`, as Fulcio's histogram has them. */
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Counters in a registry of their own, so that two services in one process do not mix. */
export function createMetrics(sources: ServiceSources, work: WorkInProgress): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  registerEventLoopLag(registry);
  const fulcio = fulcioMetrics(registers);
  const decisions = new DecisionMetrics(registers);
  if (sources.audit !== undefined) registerAuditMetrics(registers, sources.audit);
  if (sources.keys !== undefined && sources.keys.remote.length > 0)
    registerSignerMetrics(registers, sources.keys);
  if (sources.tls !== undefined) registerTlsMetrics(registers, sources.tls);
  if (sources.tuf !== undefined) registerTufMetrics(registers, sources.tuf);
  if (sources.trusted !== undefined) registerTrustMetrics(registers, sources.trusted);
  if (sources.workers !== undefined) registerWorkerMetrics(registers, sources.workers);
  const reads = new Counter({
    name: 'mayfly_log_reads_total',
    help: 'Answers of the log read side, by endpoint and status.',
    labelNames: ['endpoint', 'code'] as const,
    registers,
  });
  const heads = new Counter({
    name: 'mayfly_log_heads_total',
    help: 'Tree heads that covered a released certificate; fulcio_new_certs over this is the size of a batch.',
    registers,
  });
  registerGauges(registers, sources, work);
  registerLogMetrics(registers, sources.log, sources.artifacts);
  if (sources.isUnlogged === true)
    registerGauge(
      registers,
      'mayfly_unlogged',
      'Always 1: certificates are in no log and carry no SCT, by the choice of the operator.',
      () => 1,
    );
  if (sources.outsideLog !== undefined) registerOutsideLogMetrics(registers, sources.outsideLog);
  registerWitnessMetrics(registers, sources.log);
  registerScrubMetrics(registers, sources.scrubbing);
  const otherLogRead = registerOtherLogMetrics(registers, sources);
  registerConfigurationMetrics(registers, sources);
  const { timestamps, artifacts, submission, clock } = sources;
  let lastTreeSize = 0;
  return {
    grpc: sources.takesGrpc === true ? new GrpcMetrics(registers) : undefined,
    timestamps: timestamps && new TimestampMetrics(registers, timestamps, clock),
    submissions: submission && new SubmissionMetrics(registers, submission.submissions),
    entries: artifacts && new EntryMetrics(registers, artifacts.logs),
    answered: fulcio.answered,
    issued: (decision) => {
      fulcio.newCerts.inc();
      decisions.issued(decision);
      if (decision.treeSize === undefined || decision.treeSize <= lastTreeSize) return;
      lastTreeSize = decision.treeSize;
      heads.inc();
    },
    refused: (decision, reason) => {
      decisions.refused(decision, reason);
    },
    logRead: (endpoint, status) => {
      reads.inc({ endpoint, code: status });
    },
    otherLogRead,
    text: () => registry.metrics(),
    contentType: registry.contentType,
  };
}

function fulcioMetrics(registers: Registry[]): { newCerts: Counter; answered: Metrics['answered'] } {
  const labelNames = ['code', 'method'] as const;
  const latency = new Histogram({
    name: 'fulcio_api_latency',
    help: 'Seconds from the head of a request to its answer, by status and method.',
    labelNames,
    buckets: BUCKETS,
    registers,
  });
  const requests = new Counter({
    name: 'http_requests_total',
    help: 'Requests to the API, by status and method.',
    labelNames,
    registers,
  });
  const newCerts = new Counter({ name: 'fulcio_new_certs', help: 'Certificates released.', registers });
  new Gauge({
    name: 'fulcio_build_info',
    help: 'Always 1; the build is in the labels.',
    labelNames: ['version', 'revision', 'build_date', 'goversion'] as const,
    registers,
  }).set(
    {
      version: VERSION,
      revision: 'unknown',
      build_date: 'unknown',
      goversion: `node${process.versions.node}`,
    },
    1,
  );
  return {
    newCerts,
    answered: (status, method, seconds) => {
      const labels = { code: status, method: METHODS.get(method) ?? 'unknown' };
      latency.observe(labels, seconds);
      requests.inc(labels);
    },
  };
}

function registerGauges(registers: Registry[], sources: ServiceSources, work: WorkInProgress): void {
  const { log, clock, authority } = sources;
  const rows: readonly (readonly [name: string, help: string, read: () => number])[] = [
    ['mayfly_log_size', 'Entries that the signed head covers.', () => log.status().size],
    [
      'mayfly_log_head_age_seconds',
      'Age of the signed head.',
      () => (clock() - log.status().timestamp) / 1000,
    ],
    ['mayfly_log_queue', 'Entries that wait for the next commit.', () => log.status().queued],
    [
      'mayfly_log_failed',
      '1 when the log takes no entries: it has stopped, or cannot sign what it committed.',
      () => (log.status().failed === undefined && log.status().signingFailure === undefined ? 0 : 1),
    ],
    [
      'mayfly_log_frozen',
      '1 when the operator has ended the log: it is read only.',
      () => (log.status().frozenAt === undefined ? 0 : 1),
    ],
    ['mayfly_log_tile_backlog', 'Full tiles that are no durable files yet.', () => log.status().tileBacklog],
    [
      'mayfly_log_degraded',
      '1 when files of the log cannot be written or read, leaf hashes not looked up, or the commit store grows.',
      () => (isDegraded(log.status()) ? 1 : 0),
    ],
    [
      'mayfly_log_unreadable_files',
      'Tiles and issuers that a read needed and that are missing or damaged.',
      () => log.status().unreadable?.count ?? 0,
    ],
    ['mayfly_signing_requests', 'Signing requests under way.', () => work.inFlight.signing],
    ['mayfly_log_reads_in_progress', 'Log reads under way.', () => work.reads.running],
    [
      'mayfly_authority_not_after_seconds',
      'End of the issuing CA, Unix time.',
      () => authority.validity.notAfter / 1000,
    ],
  ];
  for (const [name, help, read] of rows) registerGauge(registers, name, help, read);
}
