import type { LoadedConfig } from '../config/load/load.ts';
import type { Clock } from '../core/clock.ts';
import { compilePolicy, type PolicyContext, type PolicySnapshot } from '../policy/snapshot.ts';
import type { ServiceLog } from '../server/operator/service-log.ts';
import type { RequestState } from './request-state.ts';

/** What every configuration of a service is compiled with. */
interface PolicyCompilerOptions extends Partial<Pick<RequestState, 'buckets' | 'claimsTokens'>> {
  readonly clock: Clock;
  /** Gets warnings about issuers. */
  readonly serviceLog: Pick<ServiceLog, 'note'>;
  /** Without it no configuration can have a replay guard. */
  readonly replayGuard?: Pick<RequestState['replayGuard'], 'open'> | undefined;
  /** Counts instead of the policy. */
  readonly counter?: PolicyContext['counter'];
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
    const { clock, serviceLog, replayGuard, counter, createFetcher, buckets, claimsTokens } = this.#options;
    return compilePolicy(issuers, {
      clock,
      createFetcher,
      counter,
      buckets,
      claimsTokens,
      permittedAlgorithms: mayfly.clientSigningAlgorithms,
      previous,
      openReplayGuard: replayGuard === undefined ? undefined : () => replayGuard.open(),
      warn: (warning) => {
        serviceLog.note('warn', 'issuer warning', { ...warning });
      },
    });
  }
}
