/** The metrics of the threads that take connections. */
import { Counter, type Registry } from 'prom-client';
import { registerGauge } from './read-gauge.ts';
import type { ServiceSources } from './service-sources.ts';

/** Registers them, of a service that has such threads. */
export function registerWorkerMetrics(
  registers: Registry[],
  workers: NonNullable<ServiceSources['workers']>,
): void {
  registerGauge(
    registers,
    'mayfly_workers',
    'Threads that take connections now.',
    () => workers.status().running,
  );
  new Counter({
    name: 'mayfly_workers_ended_total',
    help: 'Threads that took connections and ended; each is replaced.',
    registers,
    collect() {
      this.reset();
      this.inc(workers.status().ended);
    },
  });
}
