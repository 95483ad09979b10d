/** The metrics of the log's components that can fail. */
import { Counter, Gauge, type Registry } from 'prom-client';
import type { LogStatus } from '../../tlog/log-status.ts';
import { LOG_COMPONENTS } from './log-components.ts';
import { registerGauge } from './read-gauge.ts';
import type { LogStatusSource } from './service-sources.ts';

/** Registers a gauge for each component that can fail, how often the log stopped, and the size of its write-ahead file. */
export function registerLogMetrics(registers: Registry[], log: LogStatusSource): void {
  new Gauge({
    name: 'mayfly_log_trouble',
    help: '1 while a part of the log fails; the detail is in /readyz and in the service log.',
    labelNames: ['part'] as const,
    registers,
    collect() {
      const status = log.status();
      for (const { name, failure } of LOG_COMPONENTS)
        this.set({ part: name }, failure(status) === undefined ? 0 : 1);
    },
  });
  new Counter({
    name: 'mayfly_log_stops_total',
    help: 'How often the log has stopped; it opens its files again by itself.',
    registers,
    collect() {
      this.reset();
      this.inc(log.status().stops);
    },
  });
  registerGauge(
    registers,
    'mayfly_log_wal_bytes',
    'Bytes of commit.db-wal: some 8 MB, unless something keeps it from being emptied.',
    () => log.status().walBytes,
  );
}

/** Whether something that is derived from the log, or its size on disk, is not as it should be. */
export const isDegraded = (status: LogStatus): boolean =>
  LOG_COMPONENTS.some(({ isDerived, failure }) => isDerived && failure(status) !== undefined);
