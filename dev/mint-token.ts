/** Tokens of the development issuer without a login: what `mayfly token` prints. */
import { SignJWT } from 'jose';
import type { Clock } from '../core/clock.ts';
import { DevError } from './dev-error.ts';
import { importIssuerKey, type IssuerJwk } from './issuer-key.ts';

/** Claims of a token as JSON has them. */
export type MintedClaims = Readonly<Record<string, unknown>>;

/** What fills a claim that the caller left out. */
interface MintDefaults {
  /** `iss`: the issuer's URL. */
  readonly issuer: string;
  /** `aud`. */
  readonly audience: string;
  /** Seconds from now to `exp`. Negative makes a token that has expired already. */
  readonly ttlSeconds: number;
}

/** The claims of a person who logged in with `email`: the same that the login page leads to. */
export const emailClaims = (email: string): MintedClaims => ({ sub: email, email, email_verified: true });

/**
 * A compact JWS (RS256) with `claims`. `iss`, `aud`, `iat` and `exp` are filled in where they are absent and kept where
 * they are given, right or wrong: refusing them is for the verifier. `iat` never lies after `exp`.
 * Throws {@link DevError} `CLAIMS_INVALID` when a time claim is not a number.
 */
export async function mintToken(
  jwk: IssuerJwk,
  claims: MintedClaims,
  defaults: MintDefaults,
  clock: Clock,
): Promise<string> {
  const now = Math.floor(clock() / 1000);
  const exp = timeClaim(claims, 'exp') ?? now + defaults.ttlSeconds;
  const iat = timeClaim(claims, 'iat') ?? Math.min(now, exp);
  const filled = { iss: defaults.issuer, aud: defaults.audience, iat, exp, ...claims };
  const key = await importIssuerKey(jwk);
  return await new SignJWT(filled).setProtectedHeader({ alg: 'RS256', typ: 'JWT', kid: jwk.kid }).sign(key);
}

function timeClaim(claims: MintedClaims, claim: 'exp' | 'iat'): number | undefined {
  const value = claims[claim];
  if (value === undefined || typeof value === 'number') return value;
  throw new DevError('CLAIMS_INVALID', `the claim ${claim} must be a number of seconds since 1970`);
}
