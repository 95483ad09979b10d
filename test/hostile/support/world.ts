/** A whole service whose issuer blocks a test chooses, with one real issuer behind them. */
import { DEFAULT_SIGNING_ALGORITHMS } from '../../../ca/signing-algorithms.ts';
import type { IssuerDefinition } from '../../../oidc/core/issuer-definition.ts';
import type { ConfiguredIssuer, IssuerPolicyDefinition } from '../../../policy/issuer-policy-definition.ts';
import { LivePolicy } from '../../../policy/live-policy.ts';
import { compilePolicy, type PolicyContext } from '../../../policy/snapshot.ts';
import { emailDefinition } from '../../support/issuer-definitions.ts';
import { startIssuer, type IssuerOptions, type TestIssuer } from '../../support/oidc-issuer.ts';
import { OPEN_POLICY, startTestService, type TestService } from '../../support/test-service.ts';
import { costOf, outcomeOf } from './attack.ts';

/** A running service with its issuer. */
export interface World {
  readonly service: TestService;
  readonly issuer: TestIssuer;
  /** A good token of Alice, with `claims` laid over. */
  honest(claims?: Readonly<Record<string, unknown>>): Promise<string>;
  /** Microseconds of the processor that an honest request takes; measured once. */
  honestCost(): Promise<number>;
  close(): Promise<void>;
}

/** What may differ from one issuer of type email without rules. */
export interface WorldOptions {
  readonly issuers?: ((issuer: string) => readonly ConfiguredIssuer[]) | undefined;
  readonly issuer?: IssuerOptions | undefined;
  readonly context?: Partial<PolicyContext> | undefined;
}

/** An issuer block with the open policy, or with `policy` laid over it. */
export const issuerBlock = (
  definition: IssuerDefinition,
  policy: Partial<IssuerPolicyDefinition> = {},
): ConfiguredIssuer => ({ definition, policy: { ...OPEN_POLICY, ...policy } });

/** Starts issuer and service. */
export async function startWorld(options: WorldOptions = {}): Promise<World> {
  const issuer = await startIssuer(options.issuer);
  const issuers = options.issuers?.(issuer.url) ?? [
    issuerBlock(emailDefinition(issuer.url, { name: 'people' })),
  ];
  let skew = (): number => 0;
  const policy = new LivePolicy(
    await compilePolicy(issuers, {
      clock: () => Date.now() + skew(),
      permittedAlgorithms: DEFAULT_SIGNING_ALGORITHMS,
      ...options.context,
    }).catch(async (error: unknown) => {
      await issuer.close();
      throw error;
    }),
  );
  const service = await startTestService((values) => {
    void values.policy.close();
    return { policy, limits: { maxInFlight: 512, readConcurrency: 8 } };
  });
  skew = () => service.skew;
  let cost: Promise<number> | undefined;
  const world: World = {
    service,
    issuer,
    honest: (claims = {}) =>
      issuer.sign(
        { email: 'alice@example.com', email_verified: true, ...claims },
        { now: Date.now() + service.skew },
      ),
    honestCost: () => (cost ??= measure(world)),
    close: async () => {
      await service.close();
      await issuer.close();
    },
  };
  return world;
}

const WARM_UP = 5;
const MEASURED = 9;

async function measure(world: World): Promise<number> {
  const costs: number[] = [];
  for (let i = 0; i < WARM_UP + MEASURED; i++) {
    const token = await world.honest();
    costs.push(await costOf(() => outcomeOf(world, token)));
  }
  return costs.slice(WARM_UP).sort((a, b) => a - b)[MEASURED >> 1] ?? 0;
}
