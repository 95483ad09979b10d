/** From an identity to a certificate: the checks of key, rules and limits, and what the certificate would say. */
import type { KeyDemands } from '../ca/issuance-policy.ts';
import type { ProvenKey } from '../ca/possession.ts';
import { prepareProfile } from '../ca/profile.ts';
import { newSerial } from '../ca/serial.ts';
import type { ClientKeyType } from '../ca/signing-algorithms.ts';
import { leafValidity, type Validity } from '../ca/validity.ts';
import { rfc3339 } from '../core/clock.ts';
import { sequence } from '../core/der-writer.ts';
import { FULCIO_EXTENSIONS } from '../core/fulcio-extensions.ts';
import type { Identity } from '../oidc/identity.ts';
import type { Principal } from '../oidc/core/principal.ts';
import { IssuerPolicy } from '../policy/issuer-policy.ts';
import type {
  ConfiguredIssuer,
  IssuerPolicyDefinition,
  RateLimit,
} from '../policy/issuer-policy-definition.ts';
import type { RuleOutcome } from '../policy/rules/rules.ts';
import type { CheckRecorder } from './check-recorder.ts';
import type { CertificatePreview, RuleVerdict } from './explanation.ts';
import { TrialKeys } from './trial-key.ts';

/** What is decided of an identity. */
export interface Decided {
  readonly rules: readonly RuleVerdict[];
  readonly rule?: string | undefined;
  readonly certificate?: CertificatePreview | undefined;
}

/** What a decision depends on beside the identity. */
export interface DecisionOptions {
  /** Those of the configuration. */
  readonly issuers: readonly ConfiguredIssuer[];
  /** For issuer blocks that name none; names of `ca/signing-algorithms.ts`. */
  readonly permittedAlgorithms: readonly string[];
  /** Of the CA's certificates, where they are known. */
  readonly authority?: Validity | undefined;
}

/** The key that the certificate would be for, and as of which time, in milliseconds since the epoch. */
export interface Circumstances {
  readonly keyType: ClientKeyType;
  readonly at: number;
}

/** Decides over identities of one configuration. */
export class DecisionExplainer {
  readonly #options: DecisionOptions;
  readonly #keys = new TrialKeys();

  constructor(options: DecisionOptions) {
    this.#options = options;
  }

  /** Records each check, also beyond the first that fails. Throws `RuleError` for rules that cannot work. */
  decide(identity: Identity, { keyType, at }: Circumstances, recorder: CheckRecorder): Decided {
    const { permittedAlgorithms, issuers, authority = EVER } = this.#options;
    const issuer = issuers.find(({ definition }) => definition === identity.definition) ?? missing();
    const { policy } = issuer;
    const context = { permittedAlgorithms, clock: () => at, replayGuard: undefined };
    const decision = new IssuerPolicy(issuer, context);
    const key = this.#proveKey(identity, decision.demands, keyType, recorder);
    const decided = decideByRules(identity, decision, key, recorder);
    recorder.note('rate-limit', 'not checked', limitWords(policy));
    recorder.note('replay', 'not checked', GUARDS[policy.replayGuard]);
    const validity = recorder.run(
      'lifetime',
      () => leafValidity(at, policy.lifetimeSeconds, authority),
      ({ notBefore, notAfter }) => `${rfc3339(notBefore)} to ${rfc3339(notAfter)}`,
    );
    if (validity === undefined) return decided;
    recorder.run(
      'encoding',
      () => {
        requireEncodable(identity.principal, key, validity);
      },
      () => 'name and extensions can stand in a certificate',
    );
    return { ...decided, certificate: previewOf(identity.principal, validity) };
  }

  /** A key of the type, proven; also when it is not permitted, so that the rules can be asked. */
  #proveKey(
    { principal }: Identity,
    demands: KeyDemands,
    keyType: ClientKeyType,
    recorder: CheckRecorder,
  ): ProvenKey {
    const requests = demands.csr ? 'certificate requests are taken too' : 'no certificate requests';
    recorder.run(
      'key',
      () => this.#keys.prove(keyType, principal, demands),
      () => `${keyType} is permitted; ${requests}`,
    );
    return this.#keys.prove(keyType, principal, { permit: () => undefined, csr: true });
  }
}

/** Where no CA is known. */
const EVER: Validity = { notBefore: 0, notAfter: Date.UTC(9999, 11, 31) };

const missing = (): never => {
  throw new TypeError('an identity belongs to no issuer block');
};

function decideByRules(
  identity: Identity,
  decision: IssuerPolicy,
  key: ProvenKey,
  recorder: CheckRecorder,
): Decided {
  const {
    outcomes,
    decision: { rule },
  } = decision.trace(identity, key);
  recorder.run(
    'rules',
    () => {
      decision.requireAllowed(identity, key);
    },
    () => allowedWords(rule, outcomes.length),
  );
  return { rules: outcomes.map(verdictOf), rule };
}

const verdictOf = ({ rule, effect, outcome, failure }: RuleOutcome): RuleVerdict => ({
  rule,
  effect,
  outcome,
  ...(failure === undefined ? {} : { detail: failure.reason }),
});

function allowedWords(rule: string | undefined, count: number): string {
  if (rule !== undefined) return `"${rule}" allows`;
  return count === 0 ? 'there are none: everybody whom the issuer authenticates may sign' : 'none denies';
}

/** What limits an issuer block has; an explanation does not count against them. */
function limitWords({ issuerRateLimit, principalRateLimit }: IssuerPolicyDefinition): string {
  const limits = [
    ...(issuerRateLimit === undefined ? [] : [`${rate(issuerRateLimit)} for the whole issuer block`]),
    ...(principalRateLimit === undefined ? [] : [`${rate(principalRateLimit)} for each principal`]),
  ];
  return limits.length === 0 ? 'there is none' : limits.join(', ');
}

const rate = ({ perMinute, burst }: RateLimit): string => `${perMinute} a minute (at once ${burst})`;

/** Whether tokens of an issuer block work more than once. */
const GUARDS: Readonly<Record<IssuerPolicyDefinition['replayGuard'], string>> = {
  off: 'a token may be used again while it lasts',
  jti: 'a token works once, recognized by its "jti"',
  token: 'a token works once',
};

/** What a certificate would say of `principal`. */
const previewOf = (principal: Principal, validity: Validity): CertificatePreview => ({
  san: principal.san,
  extensions: FULCIO_EXTENSIONS.flatMap(({ number, name }) => {
    const value = principal.extensions.get(number) ?? '';
    return value === '' ? [] : [{ number, name, value }];
  }),
  ...validity,
});

// Names and keys of a CA take a few hundred bytes: the limits leave far more room.
const profile = prepareProfile({ name: sequence(), keyId: undefined, algorithm: sequence() });

/** Encodes what the certificate would hold and throws it away. Throws `RequestError` when that cannot be. */
function requireEncodable(principal: Principal, key: ProvenKey, validity: Validity): void {
  profile({ key, principal, validity, serial: newSerial() });
}
