/**
 * What a configuration would do with a token, or with claims that nobody signed: every check in the order of the
 * service and by the code of the service, each with its outcome, also beyond the first that fails. Nothing is issued,
 * counted, logged or remembered, and no text here holds the token.
 */
import { IssuerPool, type IssuerPoolOptions } from '../oidc/issuer-pool.ts';
import { CheckRecorder } from './check-recorder.ts';
import { readEvidence, type Evidence, type Reading } from './explain-claims.ts';
import {
  DecisionExplainer,
  type Circumstances,
  type Decided,
  type DecisionOptions,
} from './explain-decision.ts';
import type { Explanation, IssuerVerdict } from './explanation.ts';
import { issuerVerdicts } from './issuer-verdicts.ts';

/** What is to be explained. */
interface Question extends Circumstances {
  readonly evidence: Evidence;
}

/** What an {@link Explainer} is made of. */
interface ExplainerOptions extends DecisionOptions, Omit<IssuerPoolOptions, 'clock'> {}

const NOTHING: Decided = { rules: [] };

/** Explains what one configuration would do. */
export class Explainer {
  readonly #options: ExplainerOptions;
  readonly #pool: IssuerPool;
  readonly #decisions: DecisionExplainer;

  /** Throws `DefinitionError` for definitions that cannot work. */
  constructor(options: ExplainerOptions) {
    this.#options = options;
    const definitions = options.issuers.map(({ definition }) => definition);
    // Keys age by the real clock, whatever time the question is about.
    this.#pool = IssuerPool.of(definitions, { ...options, clock: Date.now });
    this.#decisions = new DecisionExplainer(options);
  }

  /** Answers. An issuer is asked for its keys when there is a token. Rejects with `RuleError` for rules that cannot work,
   * and with none of our other errors: those are answers. */
  async explain(question: Question): Promise<Explanation> {
    const recorder = new CheckRecorder();
    const reading = await readEvidence(question.evidence, question.at, this.#pool, recorder);
    const decided = reading.identity ? this.#decisions.decide(reading.identity, question, recorder) : NOTHING;
    const { refusal } = recorder;
    return {
      issued: refusal === undefined,
      refusal,
      checks: recorder.all(),
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
}
