import type { LoadedConfig } from '../config/load/load.ts';
import type { Clock } from '../core/clock.ts';
import { compilePolicy, type PolicyContext, type PolicySnapshot } from '../policy/snapshot.ts';
import type { ServiceLog } from '../server/operator/service-log.ts';
import type { LazyReplayGuard } from './lazy-replay-guard.ts';

/** What every configuration of a service is compiled with. */
interface PolicyCompilerOptions {
  readonly clock: Clock;
  /** Gets warnings about issuers. */
  readonly serviceLog: ServiceLog;
  /** Without it no configuration can have a replay guard. */
  readonly replayGuard?: LazyReplayGuard | undefined;
  /** How keys are fetched; default: from the network. */
  readonly createFetcher?: PolicyContext['createFetcher'];
}

/** Compiles each configuration of a service: the one that it starts with, and those that are loaded later. */
export class PolicyCompiler {
  readonly #options: PolicyCompilerOptions;

  constructor(options: PolicyCompilerOptions) {
    this.#options = options;
  }

  /** Compiles `config`; the result takes over from `previous` what both have in common. Rejects as `compilePolicy` does. */
  compile({ issuers, mayfly }: LoadedConfig, previous?: PolicySnapshot): Promise<PolicySnapshot> {
    const { clock, serviceLog, replayGuard, createFetcher } = this.#options;
    return compilePolicy(issuers, {
      clock,
      createFetcher,
      permittedAlgorithms: mayfly.clientSigningAlgorithms,
      previous,
      openReplayGuard: replayGuard === undefined ? undefined : () => replayGuard.open(),
      warn: (warning) => {
        serviceLog.note('warn', 'issuer warning', { ...warning });
      },
    });
  }
}
