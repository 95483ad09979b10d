import { Counter, type Registry } from 'prom-client';
import { isOpen, type ConfiguredIssuer } from '../../policy/issuer-policy-definition.ts';
import type { ConfigurationState } from './configuration-state.ts';
import type { ReplayGuardStatus } from '../../policy/replay/replay-guard.ts';
import { registerGauge } from './read-gauge.ts';

/** Where the numbers come from. */
export interface ConfigurationSources {
  /** Of the configuration in force. */
  readonly issuerBlocks: () => readonly ConfiguredIssuer[];
  /** Of a configuration that is followed. */
  readonly configuration?: (() => ConfigurationState) | undefined;
  /** Of used tokens; undefined when no issuer block wants one. */
  readonly replayGuard?: (() => ReplayGuardStatus | undefined) | undefined;
}

/** Registers the metrics of the configuration. */
export function registerConfigurationMetrics(registers: Registry[], sources: ConfigurationSources): void {
  const { issuerBlocks, configuration, replayGuard } = sources;
  registerGauge(
    registers,
    'mayfly_entries',
    'Entries of issuers in the configuration.',
    () => issuerBlocks().length,
  );
  registerGauge(
    registers,
    'mayfly_entries_without_rules',
    'Entries without any allow rule: they give a certificate to everybody whom their issuer vouches for and no deny rule names.',
    () => issuerBlocks().filter(isOpen).length,
  );
  if (replayGuard !== undefined) {
    registerGauge(
      registers,
      'mayfly_replay_guard_tokens',
      'Used tokens that are remembered.',
      () => replayGuard()?.held ?? 0,
    );
    registerGauge(
      registers,
      'mayfly_replay_guard_failed',
      '1 when used tokens cannot be remembered; entries with a replay guard then give no certificates.',
      () => (replayGuard()?.fault === undefined ? 0 : 1),
    );
  }
  if (configuration === undefined) return;
  registerGauge(
    registers,
    'mayfly_config_last_reload_success',
    '0 when the last try to load the configuration failed and an older one is in force.',
    () => (configuration().failure === undefined ? 1 : 0),
  );
  registerGauge(
    registers,
    'mayfly_config_loaded_timestamp_seconds',
    'When the configuration in force was loaded, Unix time.',
    () => configuration().loadedAt / 1000,
  );
  registerReloads(registers, configuration);
}

function registerReloads(registers: Registry[], configuration: () => ConfigurationState): void {
  new Counter({
    name: 'mayfly_config_reload_total',
    help: 'Tries to load the configuration again, by outcome.',
    labelNames: ['outcome'] as const,
    registers,
    collect() {
      const { success, failure } = configuration().reloads;
      this.reset();
      this.inc({ outcome: 'success' }, success);
      this.inc({ outcome: 'failure' }, failure);
    },
  });
}
