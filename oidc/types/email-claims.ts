import { claim } from '../core/claims.ts';
import type { Claims } from '../core/claims.ts';
import { TokenError } from '../core/token-error.ts';

/** The spellings of true and false that Fulcio takes in `email_verified`. */
const SPELLINGS: ReadonlyMap<unknown, boolean> = new Map<unknown, boolean>([
  [true, true],
  ['true', true],
  ['True', true],
  [false, false],
  ['false', false],
  ['False', false],
  [undefined, false],
]);

/** Whether the issuer says that the address is its holder's; an absent claim is a no. Throws {@link TokenError} on any
 * other spelling, `null` and 1 included. */
export function emailVerified(claims: Claims): boolean {
  const verified = SPELLINGS.get(claim(claims, 'email_verified'));
  if (verified !== undefined) return verified;
  throw new TokenError('CLAIM_INVALID', 'the token\'s "email_verified" is neither true nor false', {
    hint: 'This is for the operator of the issuer: the claim has to be true or false.',
    metadata: { claim: 'email_verified' },
  });
}

/** The verified address that a token carries beside its subject; undefined when it has none. Common clients sign it
 * instead of the subject wherever they see it. */
export function verifiedEmail(claims: Claims): string | undefined {
  const email = claim(claims, 'email');
  if (typeof email !== 'string' || email === '') return undefined;
  return SPELLINGS.get(claim(claims, 'email_verified')) === true ? email : undefined;
}
