/** The times of a token against the server's clock. */
import { ago } from './core/duration.ts';
import { TokenError } from './core/token-error.ts';

/** How far `nbf` may lie ahead, as in Fulcio. */
const NOT_BEFORE_LEEWAY = 5 * 60_000;

/** The last second of a JavaScript time (ECMA-262 §21.4.1.1), in the year 275760. Fulcio takes later times for times of the
 * distant past. */
const LAST_SECOND = 8.64e12;

function seconds(value: unknown, name: string): number {
  if (typeof value === 'number' && Math.abs(value) <= LAST_SECOND) return value;
  throw new TokenError('CLAIM_INVALID', `the token's "${name}" is not a time in seconds`, {
    metadata: { claim: name },
  });
}

/** Checks `exp`; times in milliseconds. Throws {@link TokenError}. */
export function checkExpiry(value: unknown, now: number, leeway: number): void {
  if (value === undefined) {
    throw new TokenError('CLAIM_MISSING', 'the token does not say when it expires', {
      hint: 'Only tokens with "exp" are accepted.',
      metadata: { claim: 'exp' },
    });
  }
  const expiry = seconds(value, 'exp') * 1000;
  if (expiry + leeway > now) return;
  throw new TokenError('TOKEN_EXPIRED', `the token expired ${ago(now - expiry)} ago by the server's clock`, {
    hint: 'Get a new token and ask at once. If it is new, compare the clocks.',
  });
}

/** Checks `nbf`; times in milliseconds. Throws {@link TokenError}. */
export function checkNotBefore(value: unknown, now: number, leeway: number): void {
  if (value === undefined) return;
  const start = seconds(value, 'nbf') * 1000;
  if (start <= now + NOT_BEFORE_LEEWAY + leeway) return;
  throw new TokenError(
    'TOKEN_NOT_YET_VALID',
    `the token is valid only in ${ago(start - now)} by the server's clock`,
    {
      hint: 'Compare the clocks of the issuer and of this server.',
    },
  );
}
