import { Counter, type Registry } from 'prom-client';
import { isOpen } from '../../policy/issuer-policy-definition.ts';
import { registerGauge } from './read-gauge.ts';
import type { ServiceSources } from './service-sources.ts';

/** Registers the metrics of the configuration. */
export function registerConfigurationMetrics(
  registers: Registry[],
  { policy, configuration, replayGuard }: ServiceSources,
): void {
  registerGauge(
    registers,
    'mayfly_entries',
    'Entries of issuers in the configuration.',
    () => policy.current.issuers.length,
  );
  registerGauge(
    registers,
    'mayfly_entries_without_rules',
    'Entries without any allow rule: they give a certificate to everybody whom their issuer vouches for and no deny rule names.',
    () => policy.current.issuers.filter(isOpen).length,
  );
  if (replayGuard !== undefined) {
    registerGauge(
      registers,
      'mayfly_replay_guard_tokens',
      'Used tokens that are remembered; 0 where the logs are in a database, which has them.',
      () => replayGuard.guard?.held ?? 0,
    );
    registerGauge(
      registers,
      'mayfly_replay_guard_failed',
      '1 when used tokens cannot be remembered; entries with a replay guard then give no certificates.',
      () => (replayGuard.guard?.fault === undefined ? 0 : 1),
    );
  }
  if (configuration === undefined) return;
  registerGauge(
    registers,
    'mayfly_config_last_reload_success',
    '0 when the last try to load the configuration failed and an older one is in force.',
    () => (configuration.state.failure === undefined ? 1 : 0),
  );
  registerGauge(
    registers,
    'mayfly_config_loaded_timestamp_seconds',
    'When the configuration in force was loaded, Unix time.',
    () => configuration.state.loadedAt / 1000,
  );
  registerReloads(registers, configuration);
}

function registerReloads(
  registers: Registry[],
  configuration: NonNullable<ServiceSources['configuration']>,
): void {
  new Counter({
    name: 'mayfly_config_reload_total',
    help: 'Tries to load the configuration again, by outcome.',
    labelNames: ['outcome'] as const,
    registers,
    collect() {
      const { success, failure } = configuration.state.reloads;
      this.reset();
      this.inc({ outcome: 'success' }, success);
      this.inc({ outcome: 'failure' }, failure);
    },
  });
}
