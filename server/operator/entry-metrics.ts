/** The metrics of entries of artifact logs. The first names are Rekor's, so that its dashboards keep working; ours begin with `mayfly_`. Every label has a closed set of values. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { VERSION } from '../../core/version.ts';
import type { LogStatus } from '../../tlog/log-status.ts';

/** Seconds. An entry waits for its batch to be durable, a few milliseconds. */
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5];

/** Rekor v1 measures in nanoseconds: ten steps from a millisecond to a minute. */
const NANOSECONDS = Array.from({ length: 10 }, (_, i) => 1e6 * 60_000 ** (i / 9));

/** Bytes. */
const SIZES = [256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576];

/** As Rekor v1 writes them; Rekor v2 writes them small. */
const METHODS: ReadonlySet<string> = new Set(['GET', 'POST', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']);
const methodOf = (method: string): string => (METHODS.has(method) ? method : 'other');

/** A log of artifacts, as far as metrics ask it. */
interface EntryLogSource {
  readonly api: 1 | 2;
  status(): Pick<LogStatus, 'size'>;
  /** Why it takes no entries; undefined while it does. */
  refusal(): unknown;
}

/** Counts entries, and the answers of both APIs. */
export class EntryMetrics {
  readonly #newOfFirst: Counter;
  readonly #newOfSecond: Counter;
  readonly #answersOfFirst: Counter<'path' | 'method' | 'code'>;
  readonly #latencyOfFirst: Histogram<'path' | 'code'>;
  readonly #latencyByApi: Histogram<'path' | 'method'>;
  readonly #answersOfSecond: Counter<'code' | 'method'>;
  readonly #latencyOfSecond: Histogram<'code' | 'method'>;
  readonly #sizeOfSecond: Histogram<'code' | 'method'>;
  readonly #outcomes: Counter<'api' | 'outcome'>;
  readonly #kinds: Counter<'api' | 'kind'>;
  readonly #latency: Histogram<'api'>;

  /** Registers the metrics. */
  constructor(registers: Registry[], logs: readonly EntryLogSource[]) {
    this.#newOfFirst = new Counter({
      name: 'rekor_new_entries',
      help: 'Entries that were added through the API of Rekor v1.',
      registers,
    });
    this.#newOfSecond = new Counter({
      name: 'rekor_v2_new_hashedrekord_entries',
      help: 'Entries that were added through the API of Rekor v2.',
      registers,
    });
    this.#answersOfFirst = new Counter({
      name: 'rekor_qps_by_api',
      help: 'Answers of the API of Rekor v1, by path, method and status.',
      labelNames: ['path', 'method', 'code'] as const,
      registers,
    });
    this.#latencyOfFirst = new Histogram({
      name: 'rekor_api_latency',
      help: 'Nanoseconds from the head of a request to its answer in the API of Rekor v1, by path and status.',
      labelNames: ['path', 'code'] as const,
      buckets: NANOSECONDS,
      registers,
    });
    this.#latencyByApi = new Histogram({
      name: 'rekor_latency_by_api',
      help: 'The same by path and method.',
      labelNames: ['path', 'method'] as const,
      buckets: NANOSECONDS,
      registers,
    });
    this.#answersOfSecond = new Counter({
      name: 'rekor_v2_http_requests_total',
      help: 'Answers of the API of Rekor v2, by status and method.',
      labelNames: ['code', 'method'] as const,
      registers,
    });
    this.#latencyOfSecond = new Histogram({
      name: 'rekor_v2_http_api_latency',
      help: 'Seconds from the head of a request to its answer in the API of Rekor v2, by status and method.',
      labelNames: ['code', 'method'] as const,
      buckets: BUCKETS,
      registers,
    });
    this.#sizeOfSecond = new Histogram({
      name: 'rekor_v2_http_api_request_size',
      help: 'Bytes of the bodies of requests to the API of Rekor v2, by status and method.',
      labelNames: ['code', 'method'] as const,
      buckets: SIZES,
      registers,
    });
    for (const { api } of logs) registerBuild(registers, api);
    this.#outcomes = new Counter({
      name: 'mayfly_artifact_entries_total',
      help: 'Requests to log an entry, by API: added, repeated (it was there), or the reason of the refusal.',
      labelNames: ['api', 'outcome'] as const,
      registers,
    });
    this.#kinds = new Counter({
      name: 'mayfly_artifact_entry_kinds_total',
      help: 'Entries that were added, by API and kind.',
      labelNames: ['api', 'kind'] as const,
      registers,
    });
    this.#latency = new Histogram({
      name: 'mayfly_artifact_entry_latency_seconds',
      help: 'From the head of a request to its entry; refusals are not in it.',
      labelNames: ['api'] as const,
      buckets: BUCKETS,
      registers,
    });
    registerByApi(
      registers,
      logs,
      'mayfly_artifact_log_size',
      'Entries under the newest signed head, by API.',
      (log) => log.status().size,
    );
    registerByApi(
      registers,
      logs,
      'mayfly_artifact_log_refusing',
      '1 while the log takes no entries, also because it has ended, by API.',
      (log) => (log.refusal() === undefined ? 0 : 1),
    );
  }

  /** An entry was added, or was there, after so many seconds. */
  logged(api: 1 | 2, kind: string, isNew: boolean, seconds: number): void {
    const label = `v${api}`;
    this.#outcomes.inc({ api: label, outcome: isNew ? 'added' : 'repeated' });
    this.#latency.observe({ api: label }, seconds);
    if (!isNew) return;
    (api === 1 ? this.#newOfFirst : this.#newOfSecond).inc();
    this.#kinds.inc({ api: label, kind });
  }

  /** A request was refused; `reason` is one of the closed tables in `server/reasons/`. */
  refused(api: 1 | 2, reason: string): void {
    this.#outcomes.inc({ api: `v${api}`, outcome: reason });
  }

  /** A request of the first API was answered; `path` is one of the templates of its paths. */
  readonly answeredFirst = (path: string, method: string, status: number, seconds: number): void => {
    this.#answersOfFirst.inc({ path, method: methodOf(method), code: status });
    this.#latencyOfFirst.observe({ path, code: status }, seconds * 1e9);
    this.#latencyByApi.observe({ path, method: methodOf(method) }, seconds * 1e9);
  };

  /** A request of the second API was answered; `size` is that of its body, as far as its head says. */
  readonly answeredSecond = (method: string, status: number, seconds: number, size: number): void => {
    const labels = { code: status, method: methodOf(method).toLowerCase() };
    this.#answersOfSecond.inc(labels);
    this.#latencyOfSecond.observe(labels, seconds);
    this.#sizeOfSecond.observe(labels, size);
  };
}

const BUILD_NAMES = { 1: 'rekor_build_info', 2: 'rekor_v2_build_info' } as const;

function registerBuild(registers: Registry[], api: 1 | 2): void {
  new Gauge({
    name: BUILD_NAMES[api],
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
}

function registerByApi(
  registers: Registry[],
  logs: readonly EntryLogSource[],
  name: string,
  help: string,
  read: (log: EntryLogSource) => number,
): void {
  new Gauge({
    name,
    help,
    labelNames: ['api'] as const,
    registers,
    collect() {
      for (const log of logs) this.set({ api: `v${log.api}` }, read(log));
    },
  });
}
