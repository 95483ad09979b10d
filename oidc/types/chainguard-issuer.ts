import { certificateUri } from './certificate-uri.ts';
import { claim, optionalText, requiredText } from '../core/claims.ts';
import type { Claims } from '../core/claims.ts';
import { emailVerified } from './email-claims.ts';
import { commonExtensions } from './extension-values.ts';
import type { PrincipalReader } from './issuer-types.ts';
import { joinedBehind } from './joined-uri.ts';
import { TokenError } from '../core/token-error.ts';

/** Type chainguard-identity: an identity of Chainguard, named by its issuer's URL with its subject behind. The proof
 * signs the e-mail address of a token that carries one, which then has to be verified. */
export const chainguardIssuer =
  (): PrincipalReader =>
  ({ issuer, claims }) => {
    const subject = requiredText(claims, 'sub');
    checkForm(claims);
    return {
      issuer,
      subject,
      challenge: provenName(claims, subject),
      san: certificateUri(`${issuer.replace(/\/$/, '')}/${subject}`, joinedBehind(issuer)),
      extensions: commonExtensions(issuer, subject),
    };
  };

function provenName(claims: Claims, subject: string): string {
  const email = optionalText(claims, 'email');
  const isVerified = emailVerified(claims);
  if (email === '') return subject;
  if (isVerified) return email;
  throw new TokenError('EMAIL_NOT_VERIFIED', "the issuer does not vouch for the token's e-mail address", {
    hint: 'Confirm the address with the issuer, or get a token without it.',
  });
}

// Nothing is made of these; a token in which they mean something else is not one of Chainguard's.
function checkForm(claims: Claims): void {
  const actor = optionalObject(claims, 'act');
  for (const name of Object.keys(actor)) optionalText(actor, name);
  optionalText(optionalObject(claims, 'internal'), 'service-principal');
}

function optionalObject(claims: Claims, name: string): Claims {
  const value = claim(claims, name) ?? {};
  if (typeof value === 'object' && !Array.isArray(value)) return value as Claims;
  throw new TokenError('CLAIM_INVALID', `the token's "${name}" is not an object`, {
    hint: `This is for the operator of the issuer: "${name}" has to be an object of texts.`,
    metadata: { claim: name },
  });
}
