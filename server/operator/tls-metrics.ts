/** The metrics of the server's TLS certificate. */
import { Counter, type Registry } from 'prom-client';
import { registerGauge } from './read-gauge.ts';
import type { ServiceSources } from './service-sources.ts';

/** Registers counters and gauges that read the status of the certificate that is served when they are asked. */
export function registerTlsMetrics(registers: Registry[], tls: NonNullable<ServiceSources['tls']>): void {
  new Counter({
    name: 'mayfly_tls_renewals_total',
    help: 'Changed certificate files by what became of them: in use (success), or not usable (failure).',
    labelNames: ['outcome'] as const,
    registers,
    collect() {
      this.reset();
      this.inc({ outcome: 'success' }, tls.status().renewals);
      this.inc({ outcome: 'failure' }, tls.status().failures);
    },
  });
  registerGauge(
    registers,
    'mayfly_tls_last_renewal_success',
    '0 while the certificate files cannot be used and an older certificate is served.',
    () => (tls.status().failure === undefined ? 1 : 0),
  );
  registerGauge(
    registers,
    'mayfly_tls_not_after_seconds',
    'End of the TLS certificate that is served, Unix time.',
    () => tls.status().notAfter / 1000,
  );
}
