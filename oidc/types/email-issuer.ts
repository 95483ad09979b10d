import type { Claims } from '../core/claims.ts';
import { requiredText } from '../core/claims.ts';
import { isEmailAddress } from './email-address.ts';
import { emailVerified } from './email-claims.ts';
import { commonExtensions } from './extension-values.ts';
import { printValue } from '../../core/go/value.ts';
import type { IssuerDefinition } from '../core/issuer-definition.ts';
import type { PrincipalReader } from './issuer-types.ts';
import { compileJsonPath } from './json-path.ts';
import { TokenError } from '../core/token-error.ts';
import type { VerifiedToken } from '../verify-token.ts';

/** Type email: a person, named by a verified address. */
export function emailIssuer(definition: IssuerDefinition): PrincipalReader {
  const issuerOf = compileIssuerClaim(definition);
  return (token) => {
    const email = readAddress(token.claims, definition.skipEmailVerification);
    const issuer = issuerOf(token);
    return {
      issuer,
      subject: token.subject,
      challenge: email,
      san: { type: 'email', value: email },
      extensions: commonExtensions(issuer, token.subject),
    };
  };
}

function readAddress(claims: Claims, skipVerification: boolean): string {
  const email = requiredText(claims, 'email');
  if (!emailVerified(claims) && !skipVerification) {
    throw new TokenError('EMAIL_NOT_VERIFIED', "the issuer does not vouch for the token's e-mail address", {
      hint: 'Confirm the address with the issuer. For an issuer that never says so there is skip-email-verification.',
    });
  }
  if (isEmailAddress(email)) return email;
  throw new TokenError('IDENTITY_REFUSED', `the token's "email" is not an e-mail address`, {
    hint: 'The address goes into the certificate and has to look like name@host.tld.',
  });
}

function compileIssuerClaim(definition: IssuerDefinition): (token: VerifiedToken) => string {
  const { issuerClaim: path, issuerClaimValues } = definition;
  if (path === undefined || path === '') return (token) => token.issuer;
  const read = compileJsonPath(path);
  const allowed = issuerClaimValues === undefined ? undefined : new Set(issuerClaimValues);
  return (token) => {
    const value = read(token.claims);
    const isScalar = value !== undefined && value !== null && typeof value !== 'object' && value !== '';
    if (!isScalar) throw withoutIssuer(path, value);
    const issuer = printValue(value);
    if (allowed === undefined || allowed.has(issuer)) return issuer;
    throw refusedIssuer(path, issuer);
  };
}

function withoutIssuer(path: string, value: unknown): TokenError {
  return new TokenError(
    'CLAIM_MISSING',
    `the token has no "${path}", which names the issuer in the certificate`,
    {
      hint: 'Ask the issuer for a token with this claim, or correct issuer-claim.',
      metadata: { claim: path },
      fulcioMessage: value === '' ? 'extensions must have a non-empty issuer url' : undefined,
    },
  );
}

const MAX_SHOWN = 200;

function refusedIssuer(path: string, issuer: string): TokenError {
  const shown = JSON.stringify(issuer.length > MAX_SHOWN ? `${issuer.slice(0, MAX_SHOWN)}…` : issuer);
  return new TokenError(
    'ISSUER_CLAIM_REFUSED',
    `the token's "${path}" is ${shown}, which may not be named as the issuer here`,
    {
      hint: 'Sign in another way, or have that value put into issuer-claim-values.',
      metadata: { claim: path },
    },
  );
}
