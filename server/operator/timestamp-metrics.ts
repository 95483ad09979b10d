/** The metrics of timestamps. */
import { Counter, Histogram, type Registry } from 'prom-client';
import { registerGauge } from './read-gauge.ts';
import type { TimestampSource } from './service-sources.ts';

/** Seconds. A timestamp takes far less than a millisecond where nobody else waits. */
const BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1];

/** Counts timestamps. Every label has a closed set of values. */
export class TimestampMetrics {
  readonly #outcomes: Counter<'outcome'>;
  /** Finding a series by its labels costs more than adding to it. */
  readonly #grants: Counter.Internal;
  readonly #latency: Histogram;

  /** Registers the metrics. `now` is milliseconds since the epoch. */
  constructor(registers: Registry[], source: TimestampSource, now: () => number) {
    this.#outcomes = new Counter({
      name: 'mayfly_timestamps_total',
      help: 'Requests for timestamps: granted, or the reason of the refusal.',
      labelNames: ['outcome'] as const,
      registers,
    });
    this.#grants = this.#outcomes.labels('granted');
    this.#latency = new Histogram({
      name: 'mayfly_timestamp_latency_seconds',
      help: 'From the head of a request to its timestamp; refusals are not in it.',
      buckets: BUCKETS,
      registers,
    });
    registerGauge(
      registers,
      'mayfly_timestamps_stopped',
      '1 while no timestamp is granted: the clock is not trusted, or the certificate is not valid or not trusted any more.',
      () => (source.faultAt(now()) === undefined ? 0 : 1),
    );
    registerGauge(
      registers,
      'mayfly_timestamp_not_after_seconds',
      'End of the certificates for timestamps, or of the trust in them where that is recorded and comes first, Unix time.',
      () => source.validity.notAfter / 1000,
    );
    registerGauge(
      registers,
      'mayfly_timestamp_clock_offset_seconds',
      'By how much the clock is behind the time servers; NaN where none was asked or has answered.',
      () => (source.clockOffset() ?? NaN) / 1000,
    );
  }

  /** A timestamp was granted after so many seconds. */
  granted(seconds: number): void {
    this.#grants.inc();
    this.#latency.observe(seconds);
  }

  /** A request was refused; `reason` is one of the closed tables in `server/reasons/`. */
  refused(reason: string): void {
    this.#outcomes.inc({ outcome: reason });
  }
}
