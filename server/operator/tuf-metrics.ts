/** The metrics of the TUF repository. */
import { Counter, Gauge, type Registry } from 'prom-client';
import type { ServiceSources } from './service-sources.ts';

/** Registers gauges and counters that have values while there is a repository. */
export function registerTufMetrics(registers: Registry[], tuf: NonNullable<ServiceSources['tuf']>): void {
  new Gauge({
    name: 'mayfly_tuf_expiry_timestamp_seconds',
    help: 'End of the TUF metadata of each role, Unix time. Beyond it clients refuse the repository.',
    labelNames: ['role'] as const,
    registers,
    collect() {
      this.reset();
      for (const [role, end] of Object.entries(tuf.status()?.ends ?? {})) this.set({ role }, end / 1000);
    },
  });
  new Gauge({
    name: 'mayfly_tuf_trouble',
    help: '1 while the TUF repository cannot be read or signed (signing), or its targets are not what is exported, or what is exported cannot be read (targets).',
    labelNames: ['part'] as const,
    registers,
    collect() {
      this.reset();
      const status = tuf.status();
      if (status === undefined) return;
      this.set({ part: 'signing' }, status.failure === undefined ? 0 : 1);
      const isCurrent = status.differences.length === 0 && status.comparisonFailure === undefined;
      this.set({ part: 'targets' }, isCurrent ? 0 : 1);
    },
  });
  new Counter({
    name: 'mayfly_tuf_signings_total',
    help: 'How often timestamp, and perhaps snapshot, were signed (success), or should have been and were not (failure).',
    labelNames: ['outcome'] as const,
    registers,
    collect() {
      this.reset();
      const status = tuf.status();
      if (status === undefined) return;
      this.inc({ outcome: 'success' }, status.signatures);
      this.inc({ outcome: 'failure' }, status.failures);
    },
  });
}
