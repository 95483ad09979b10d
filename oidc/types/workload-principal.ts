import type { SubjectAltName } from '../../core/subject-alt-name.ts';
import { requiredText } from '../core/claims.ts';
import { verifiedEmail } from './email-claims.ts';
import type { Principal } from '../core/principal.ts';
import type { VerifiedToken } from '../verify-token.ts';

/** A principal whose proof signs its subject, as all do but people. `job` holds further extensions of the certificate:
 * number (2–6, 9–23) and value, of which empty ones are left out. Throws {@link TokenError} when the token has no subject:
 * the proof would sign nothing. */
export function workloadPrincipal(
  token: VerifiedToken,
  san: SubjectAltName,
  job: readonly (readonly [number, string])[] = [],
): Principal {
  const { issuer, claims } = token;
  const subject = requiredText(claims, 'sub');
  const values: (readonly [number, string])[] = [[1, issuer], [8, issuer], ...job, [24, subject]];
  return {
    issuer,
    subject,
    challenge: subject,
    alternativeChallenge: verifiedEmail(claims),
    san,
    extensions: new Map(values.filter(([, value]) => value !== '')),
  };
}
