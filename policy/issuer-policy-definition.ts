import type { IssuerDefinition } from '../oidc/core/issuer-definition.ts';
import type { RuleDefinition } from './rules/rule-definition.ts';

/** A bucket that holds `burst` requests and is filled again at `perMinute`. */
export interface RateLimit {
  readonly perMinute: number;
  readonly burst: number;
}

/** What the security team decided for one issuer block, beyond whom it authenticates. */
export interface IssuerPolicyDefinition {
  readonly rules: readonly RuleDefinition[];
  /** Whether an issuer block without any allow rule refuses everybody. */
  readonly requireRules: boolean;
  /** Of its certificates, in seconds; 60 to 3600. */
  readonly lifetimeSeconds: number;
  /** Names of the registry in `ca/signing-algorithms.ts`; undefined: what the service permits. */
  readonly keyAlgorithms?: readonly string[] | undefined;
  /** Whether a certificate signing request is taken in place of a proof over the challenge. */
  readonly csr: boolean;
  /** For all tokens of the issuer block together, and for each principal; undefined: no limit. */
  readonly issuerRateLimit?: RateLimit | undefined;
  readonly principalRateLimit?: RateLimit | undefined;
  /** What is remembered of a token until it expires, so that it works once: nothing, its `jti` (its hash when it has
   * none), or its hash. */
  readonly replayGuard: 'off' | 'jti' | 'token';
}

/** One issuer block of the configuration: whom it authenticates, and what they may. */
export interface ConfiguredIssuer {
  readonly definition: IssuerDefinition;
  readonly policy: IssuerPolicyDefinition;
}

/** Whether everybody gets a certificate the issuer vouches for and no deny rule names. */
export const isOpen = ({ policy }: ConfiguredIssuer): boolean =>
  !policy.requireRules && !policy.rules.some(({ effect }) => effect === 'allow');
