/** Both ends of issuance, for tests that expect one of them. */
import type { Caller, IssuedDecision, RefusedDecision } from '../../../ca/decision.ts';
import type { ConcurrencySlot, Issuance } from '../../../ca/issuance.ts';
import type { SigningRequest } from '../../../ca/signing-request.ts';

/** Somebody who asks. */
export const CALLER: Caller = { requestId: 'r1', address: '192.0.2.1', ms: 1 };

/** The decision of a certificate; rejects with what the request is refused for. */
export async function issued(
  issuance: Issuance,
  request: SigningRequest,
  slot?: ConcurrencySlot,
): Promise<IssuedDecision> {
  const outcome = await issuance.issue(request, CALLER, slot);
  if (outcome.outcome === 'refused') throw outcome.error;
  return outcome.decision;
}

/** The refusal of a request; throws when it is not refused. */
export async function refused(
  issuance: Issuance,
  request: SigningRequest,
  slot?: ConcurrencySlot,
): Promise<RefusedDecision> {
  const outcome = await issuance.issue(request, CALLER, slot);
  if (outcome.outcome === 'pending') throw new Error('the request got a certificate');
  return outcome;
}
