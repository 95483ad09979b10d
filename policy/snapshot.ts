/**
 * One configuration as decisions. A snapshot never changes; a configuration that is loaded later becomes another one,
 * which takes over from `previous` what both have in common: keys and connections of issuers, and the counts of rate
 * limits, so that loading is no fresh allowance for anybody.
 */
import type { IssuancePolicy } from '../ca/issuance-policy.ts';
import { prepareAuthenticator, type Authenticator, type AuthenticatorOptions } from '../oidc/authenticate.ts';
import type { IssuerWarning } from '../oidc/core/issuer-warning.ts';
import type { IssuerDefinition } from '../oidc/core/issuer-definition.ts';
import { DefinitionError } from '../oidc/core/definition-error.ts';
import { issuerBlock } from '../oidc/issuer-block.ts';
import { IssuerPolicy, type ReplayCheck, type UseCounter } from './issuer-policy.ts';
import type { SharedBuckets } from './rate-limit.ts';
import type { ConfiguredIssuer } from './issuer-policy-definition.ts';
import { inSlices, stepsInSlices } from './in-slices.ts';
import { countUsers } from './users.ts';

/** What a policy is compiled with. */
export interface PolicyContext extends Omit<AuthenticatorOptions, 'issuers' | 'previous'> {
  /** Names of `ca/signing-algorithms.ts`, for issuer blocks that name none. */
  readonly permittedAlgorithms: readonly string[];
  /** Called when an issuer block wants a replay guard; returns the same one each time. */
  readonly openReplayGuard?: (() => Promise<ReplayCheck>) | undefined;
  /** Counts instead of this policy, which then opens no replay guard. */
  readonly counter?: UseCounter | undefined;
  /** Whether the log uses up tokens, with the entries of their certificates. */
  readonly claimsTokens?: boolean | undefined;
  /** Where limits are counted; undefined: here. */
  readonly buckets?: SharedBuckets | undefined;
  /** The policy that this one will replace. */
  readonly previous?: PolicySnapshot | undefined;
}

/** The decisions of one configuration. */
export interface PolicySnapshot extends IssuancePolicy {
  /** What it was made of, in the order of the file. */
  readonly issuers: readonly ConfiguredIssuer[];
  /** Hands over keys and connections to the next one. */
  readonly authenticator: Authenticator;
  /** By the name of the issuer block; hands over counts and compiled rules to the next one. */
  readonly issuerPolicies: ReadonlyMap<string, IssuerPolicy>;
  /** Fetches every issuer's keys ahead of the first token. What fails is a warning. Never throws. */
  fetchKeys(): Promise<IssuerWarning[]>;
  /** Says that another policy is in force. Closes, once the last token is read, what that one did not take over. */
  retire(): void;
  /** Closes all connections. */
  close(): Promise<void>;
}

/** Compiles `issuers`, in slices: others get their turn in between. Rejects with `DefinitionError`, `RuleError` or
 * `SigningAlgorithmError` for what cannot work, and with `ReplayFault`. */
export async function compilePolicy(
  issuers: readonly ConfiguredIssuer[],
  context: PolicyContext,
): Promise<PolicySnapshot> {
  const { clock, permittedAlgorithms, previous, counter, claimsTokens, buckets } = context;
  const isGuarded = issuers.some(({ policy }) => policy.replayGuard !== 'off');
  const replayGuard = isGuarded ? await context.openReplayGuard?.() : undefined;
  const issuerPolicies = new Map<string, IssuerPolicy>();
  await inSlices(issuers, (issuer) => {
    const { name } = issuer.definition;
    // Prepared here one by one: they are taken by issuer below, and an issuer may have a thousand.
    issuerBlock(issuer.definition);
    const before = previous?.issuerPolicies.get(name);
    if (issuerPolicies.has(name)) throw sharedName(issuer);
    issuerPolicies.set(
      name,
      new IssuerPolicy(
        issuer,
        { clock, permittedAlgorithms, replayGuard, counter, claimsTokens, buckets },
        before,
      ),
    );
  });
  const authenticator = await stepsInSlices(
    prepareAuthenticator({
      ...context,
      issuers: issuers.map(({ definition }) => definition),
      previous: previous?.authenticator,
    }),
  );
  return snapshotOf(issuers, issuerPolicies, authenticator);
}

/** Policies are found by the name of their issuer block: with two of one name, one would decide by the rules of the other. */
const sharedName = ({ definition: { name, url } }: ConfiguredIssuer): DefinitionError =>
  new DefinitionError('ISSUER_DUPLICATE', `two issuer blocks have the name "${name}"`, {
    metadata: { issuer: url, field: 'name', entry: name },
  });

function snapshotOf(
  issuers: readonly ConfiguredIssuer[],
  issuerPolicies: ReadonlyMap<string, IssuerPolicy>,
  authenticator: Authenticator,
): PolicySnapshot {
  const users = countUsers();
  const policyOf = ({ name }: IssuerDefinition): IssuerPolicy => {
    const policy = issuerPolicies.get(name);
    if (policy === undefined) throw new TypeError(`the issuer block ${name} belongs to another policy`);
    return policy;
  };
  return {
    issuers,
    authenticator,
    issuerPolicies,
    identify: (token) => users.during(authenticator.identify(token)),
    keyDemands: ({ definition }) => policyOf(definition).demands,
    authorize: (identity, key, token) => policyOf(identity.definition).authorize(identity, key, token),
    requireStillAllowed: (identity, key) => {
      // The block is found by the token: in another configuration the name of the old block may belong to another one.
      const definition = authenticator.definitionOf(identity.token);
      policyOf(definition).requireStillAllowed(
        identity,
        issuerBlock(definition).principalOf(identity.token),
        key,
      );
    },
    fetchKeys: () => authenticator.start(),
    retire: () => {
      void users.none().then(() => authenticator.close());
    },
    close: () => authenticator.close(),
  };
}
