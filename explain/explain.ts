/**
 * What a configuration would do with a token, or with claims that nobody signed: every check in the order of the
 * service and by the code of the service, each with its outcome, also beyond the first that fails. Nothing is issued,
 * counted, logged or remembered, and no text here holds the token.
 */
import type { KeyDemands } from '../ca/issuance-policy.ts';
import type { ProvenKey } from '../ca/possession.ts';
import type { ClientKeyType } from '../ca/signing-algorithms.ts';
import { leafValidity, type Validity } from '../ca/validity.ts';
import { rfc3339 } from '../core/clock.ts';
import type { Identity } from '../oidc/identity.ts';
import { IssuerPool, type IssuerPoolOptions } from '../oidc/issuer-pool.ts';
import { previewOf, requireEncodable } from './certificate-preview.ts';
import { CheckRecorder } from './check-recorder.ts';
import { IssuerPolicy } from '../policy/issuer-policy.ts';
import type { ConfiguredIssuer } from '../policy/issuer-policy-definition.ts';
import { issuerVerdicts } from './issuer-verdicts.ts';
import { readEvidence, type Evidence, type Reading } from './explain-claims.ts';
import type { CertificatePreview, IssuerVerdict, Explanation, RuleVerdict } from './explanation.ts';
import { limitWords, replayWords } from './limit-words.ts';
import type { RuleOutcome } from '../policy/rules/rules.ts';
import { TrialKeys } from './trial-key.ts';

/** What is to be explained. */
export interface Question {
  readonly evidence: Evidence;
  /** The key that the certificate would be for. */
  readonly keyType: ClientKeyType;
  /** As of which time, in milliseconds since the epoch. */
  readonly at: number;
}

/** What an {@link Explainer} is made of. */
export interface ExplainerOptions extends Omit<IssuerPoolOptions, 'clock'> {
  readonly issuers: readonly ConfiguredIssuer[];
  /** For issuer blocks that name none; names of `ca/signing-algorithms.ts`. */
  readonly permittedAlgorithms: readonly string[];
  /** Of the CA's certificates, where they are known. */
  readonly authority?: Validity | undefined;
}

/** What is decided of an identity. */
interface Decided {
  readonly rules: readonly RuleVerdict[];
  readonly rule?: string | undefined;
  readonly certificate?: CertificatePreview | undefined;
}

const NOTHING: Decided = { rules: [] };

/** Explains what one configuration would do. */
export class Explainer {
  readonly #options: ExplainerOptions;
  readonly #pool: IssuerPool;
  readonly #keys = new TrialKeys();

  /** Throws `DefinitionError` for definitions that cannot work. */
  constructor(options: ExplainerOptions) {
    this.#options = options;
    const definitions = options.issuers.map(({ definition }) => definition);
    // Keys age by the real clock, whatever time the question is about.
    this.#pool = IssuerPool.of(definitions, { ...options, clock: Date.now });
  }

  /** Answers. An issuer is asked for its keys when there is a token. Rejects with `RuleError` for rules that cannot work,
   * and with none of our other errors: those are answers. */
  async explain(question: Question): Promise<Explanation> {
    const course = new CheckRecorder();
    const reading = await readEvidence(question.evidence, question.at, this.#pool, course);
    const decided = reading.identity ? this.#decide(reading.identity, question, course) : NOTHING;
    const { refusal } = course;
    return {
      issued: refusal === undefined,
      refusal,
      checks: course.all(),
      issuers: this.#verdicts(reading),
      ...decided,
    };
  }

  /** Closes the connections to issuers. */
  close(): Promise<void> {
    return this.#pool.close();
  }

  #verdicts({ token, issuer, block }: Reading): IssuerVerdict[] {
    return issuerVerdicts(this.#options.issuers, {
      issuer: token?.issuer,
      candidates: issuer?.definitions ?? [],
      chosen: block?.definition,
    });
  }

  #decide(identity: Identity, { keyType, at }: Question, course: CheckRecorder): Decided {
    const { permittedAlgorithms, issuers, authority = EVER } = this.#options;
    const issuer = issuers.find(({ definition }) => definition === identity.definition) ?? missing();
    const { policy } = issuer;
    const context = { permittedAlgorithms, clock: () => at, replayGuard: undefined };
    const decision = new IssuerPolicy(issuer, context);
    const key = this.#proveKey(identity, decision.demands, keyType, course);
    const decided = decideByRules(identity, decision, key, course);
    course.note('rate-limit', 'not checked', limitWords(policy));
    course.note('replay', 'not checked', replayWords(policy));
    const validity = course.run(
      'lifetime',
      () => leafValidity(at, policy.lifetimeSeconds, authority),
      ({ notBefore, notAfter }) => `${rfc3339(notBefore)} to ${rfc3339(notAfter)}`,
    );
    if (validity === undefined) return decided;
    course.run(
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
    course: CheckRecorder,
  ): ProvenKey {
    const requests = demands.csr ? 'certificate requests are taken too' : 'no certificate requests';
    course.run(
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
  course: CheckRecorder,
): Decided {
  const {
    outcomes,
    decision: { rule },
  } = decision.trace(identity, key);
  course.run(
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
