/** The metrics of submissions to the certificate log. */
import { Counter, Histogram, type Registry } from 'prom-client';
import { registerGauge } from './read-gauge.ts';
import type { SubmissionSource } from './service-sources.ts';

/** Seconds. An entry waits for its batch to be durable, a few milliseconds. */
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5];

/** Counts submissions. Every label has a closed set of values. */
export class SubmissionMetrics {
  readonly #outcomes: Counter<'outcome'>;
  readonly #latency: Histogram;

  /** Registers the metrics. */
  constructor(registers: Registry[], source: SubmissionSource) {
    this.#outcomes = new Counter({
      name: 'mayfly_submissions_total',
      help: 'Certificates that other CAs handed in to the log: added, repeated (it was there), or the reason of the refusal.',
      labelNames: ['outcome'] as const,
      registers,
    });
    this.#latency = new Histogram({
      name: 'mayfly_submission_latency_seconds',
      help: 'From the head of a submission to its SCT; refusals are not in it.',
      buckets: BUCKETS,
      registers,
    });
    registerGauge(
      registers,
      'mayfly_submission_index_failed',
      '1 while what was handed in before cannot be found, because its index fails: submissions are refused.',
      () => (source.failure === undefined ? 0 : 1),
    );
  }

  /** An entry was added, or was there, after so many seconds. */
  logged(isNew: boolean, seconds: number): void {
    this.#outcomes.inc({ outcome: isNew ? 'added' : 'repeated' });
    this.#latency.observe(seconds);
  }

  /** A submission was refused; `reason` is one of the closed tables in `server/reasons/`. */
  refused(reason: string): void {
    this.#outcomes.inc({ outcome: reason });
  }
}
