/** The metric of the trust in what signs. */
import { Gauge, type Registry } from 'prom-client';
import type { ServiceSources } from './service-sources.ts';

/** Registers a gauge that has a series for each part that signs. */
export function registerTrustMetrics(
  registers: Registry[],
  trusted: NonNullable<ServiceSources['trusted']>,
): void {
  new Gauge({
    name: 'mayfly_trust_not_after_seconds',
    help: 'End of the trust in the CA (authority) and the log in use (log) and the logs of artifacts (artifacts-v1, artifacts-v2) that is recorded, Unix time; +Inf where none is.',
    labelNames: ['part'] as const,
    registers,
    collect() {
      this.reset();
      for (const { name, window } of trusted.status().parts)
        this.set({ part: name }, (window?.end ?? Infinity) / 1000);
    },
  });
}
