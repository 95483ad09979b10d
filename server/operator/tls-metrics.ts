/** The metrics of the server's TLS certificate. */
import { Counter, type Registry } from 'prom-client';
import type { TlsStatus } from '../http/tls-certificate.ts';
import { registerGauge } from './read-gauge.ts';

/** Registers counters and gauges that read the status when they are asked; `status` is undefined until TLS is served. */
export function registerTlsMetrics(registers: Registry[], status: () => TlsStatus | undefined): void {
  new Counter({
    name: 'mayfly_tls_renewals_total',
    help: 'Changed certificate files by what became of them: in use (success), or not usable (failure).',
    labelNames: ['outcome'] as const,
    registers,
    collect() {
      this.reset();
      this.inc({ outcome: 'success' }, status()?.renewals ?? 0);
      this.inc({ outcome: 'failure' }, status()?.failures ?? 0);
    },
  });
  registerGauge(
    registers,
    'mayfly_tls_last_renewal_success',
    '0 while the certificate files cannot be used and an older certificate is served.',
    () => (status()?.failure === undefined ? 1 : 0),
  );
  registerGauge(
    registers,
    'mayfly_tls_not_after_seconds',
    'End of the TLS certificate that is served, Unix time.',
    () => (status()?.notAfter ?? 0) / 1000,
  );
}
