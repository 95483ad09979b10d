/** The metrics of keys outside the process. */
import { Counter, Gauge, type Metric, type Registry } from 'prom-client';
import { SIGNER_BUCKETS } from '../../signers/signer.ts';
import type { RemoteKeysSource } from './service-sources.ts';

/** Registers them, of a service that has such keys. The label is the setting below `mayfly.keys`. */
export function registerSignerMetrics(registers: Registry[], keys: RemoteKeysSource): void {
  for (const registry of registers) registry.registerMetric(secondsOf(keys));
  new Counter({
    name: 'mayfly_signer_total',
    help: 'Calls for signatures to keys outside the process, by what became of them: signed, or the reason.',
    labelNames: ['key', 'outcome'] as const,
    registers,
    collect() {
      this.reset();
      for (const { name, remote } of keys.remote)
        for (const [outcome, count] of remote.counts().outcomes) this.inc({ key: name, outcome }, count);
    },
  });
  new Gauge({
    name: 'mayfly_signer_in_flight',
    help: 'Calls for signatures to such a key that are under way.',
    labelNames: ['key'] as const,
    registers,
    collect() {
      for (const { name, remote } of keys.remote) this.set({ key: name }, remote.counts().inFlight);
    },
  });
  new Gauge({
    name: 'mayfly_signer_breaker_open',
    help: '1 while such a key is in trouble: what needs it is refused at once, and it is tried again and again; the detail is in /readyz.',
    labelNames: ['key'] as const,
    registers,
    collect() {
      for (const { name, remote } of keys.remote)
        this.set({ key: name }, remote.refusal() === undefined ? 0 : 1);
    },
  });
}

/** A histogram of what the signers have counted themselves: the library observes, and cannot be handed counts. */
function secondsOf(keys: RemoteKeysSource): Metric {
  const name = 'mayfly_signer_seconds';
  const values = (): object[] =>
    keys.remote.flatMap(({ name: key, remote }) => {
      const { buckets, count, sum } = remote.counts();
      const bucket = (le: number | string, value: number): object => ({
        metricName: `${name}_bucket`,
        labels: { le, key },
        value,
      });
      return [
        ...SIGNER_BUCKETS.map((bound, i) => bucket(bound, buckets[i] ?? 0)),
        bucket('+Inf', count),
        { metricName: `${name}_sum`, labels: { key }, value: sum },
        { metricName: `${name}_count`, labels: { key }, value: count },
      ];
    });
  const help = 'Seconds of calls for signatures to keys outside the process.';
  const metric = {
    name,
    get: () => Promise.resolve({ name, help, type: 'histogram', aggregator: 'sum', values: values() }),
    reset: () => undefined,
  };
  return metric as unknown as Metric;
}
