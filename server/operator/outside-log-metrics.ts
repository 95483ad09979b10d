/** The metrics of a log of somebody else that certificates go to. */
import { Counter, type Registry } from 'prom-client';
import { registerGauge } from './read-gauge.ts';
import type { OutsideLogSource } from './service-sources.ts';

/** Registers them. They are there only where there is such a log. */
export function registerOutsideLogMetrics(registers: Registry[], log: OutsideLogSource): void {
  registerGauge(
    registers,
    'mayfly_outside_log_failing',
    '1 while the last certificate could not be logged at the log of somebody else that is configured.',
    () => (log.status().failure === undefined ? 0 : 1),
  );
  new Counter({
    name: 'mayfly_outside_log_entries_total',
    help: 'Certificates that the log of somebody else promised to log, and those that failed.',
    labelNames: ['outcome'] as const,
    registers,
    collect() {
      const { logged, failed } = log.status();
      this.reset();
      this.inc({ outcome: 'logged' }, logged);
      this.inc({ outcome: 'failed' }, failed);
    },
  });
}
