/**
 * The signing call without a transport: a request and who sent it in, a certificate or a refusal out. Each protocol that it
 * is served by reads requests and writes answers, and decides nothing.
 */
import {
  refusedDecision,
  type Caller,
  type IssuedDecision,
  type RefusedDecision,
} from '../../ca/decision.ts';
import type { Issuance, PendingCertificate } from '../../ca/issuance.ts';
import type { SigningRequest } from '../../ca/signing-request.ts';
import { problemOf, type Problem } from '../reasons/problem.ts';
import type { Records } from './decision-records.ts';
import type { InFlightLimit } from './in-flight-limit.ts';

/** What a caller is answered: the certificate of the decision, or the problem that it was refused for. */
export type SigningAnswer =
  { readonly decision: IssuedDecision; readonly problem?: undefined } | SigningRefusal;

interface SigningRefusal {
  readonly decision: RefusedDecision;
  readonly problem: Problem;
}

/**
 * Answers signing requests in two steps: {@link sign} takes the time that it takes, and {@link release} has to be called in
 * the very turn in which the answer is sent.
 */
export class SigningCalls {
  readonly #issuance: Issuance;
  readonly #records: Records;
  readonly #limit: InFlightLimit;

  constructor(issuance: Issuance, records: Records, limit: InFlightLimit) {
    this.#issuance = issuance;
    this.#records = records;
    this.#limit = limit;
  }

  /** The first step. Issues a certificate and has the audit record it, or says why not. Never rejects. */
  async sign(request: SigningRequest, caller: Caller): Promise<PendingCertificate | RefusedDecision> {
    const slot = this.#limit.slot();
    try {
      const pending = await this.#issuance.issue(request, caller, slot);
      if (pending.outcome === 'refused') return pending;
      // Before the audit records that it was issued.
      const refused = this.#issuance.refusalMeanwhile(pending);
      if (refused !== undefined) return refused;
      try {
        const recorded = this.#records.audit(pending.decision);
        if (recorded !== undefined) await recorded;
        return pending;
      } catch (error) {
        return refusedDecision(caller, error, pending.decision);
      }
    } finally {
      slot.leave();
    }
  }

  /** The second step. Returns the answer, which is then recorded, and has to leave at once. Never throws. */
  release(outcome: PendingCertificate | RefusedDecision): SigningAnswer {
    if (outcome.outcome === 'refused') return this.#refused(outcome);
    const refused = this.#issuance.refusalMeanwhile(outcome);
    if (refused !== undefined) return this.#refused(refused);
    this.#records.issued(outcome.decision);
    return { decision: outcome.decision };
  }

  /** The answer to a request that its protocol refuses before it is one; it is recorded like any refusal. */
  refuse(caller: Caller, error: unknown): SigningRefusal {
    return this.#refused(refusedDecision(caller, error, {}));
  }

  #refused(decision: RefusedDecision): SigningRefusal {
    const problem = problemOf(decision.error, decision.caller.requestId);
    this.#records.refused(decision, problem);
    return { decision, problem };
  }
}
