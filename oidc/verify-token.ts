/** From a stranger's text to claims that its issuer stands for. */
import type { Clock } from '../core/clock.ts';
import type { Algorithm } from './algorithms.ts';
import { claim, optionalText } from './claims.ts';
import type { Claims } from './claims.ts';
import { ago } from './duration.ts';
import { IssuerFault } from './issuer-fault.ts';
import { RETRY_INTERVAL } from './issuer-keys.ts';
import type { IssuerKeys, IssuerSnapshot } from './issuer-keys.ts';
import { isSignedBy } from './signature-check.ts';
import type { UnverifiedToken } from './token.ts';
import { TokenError } from './token-error.ts';
import type { VerificationKey } from './verification-key.ts';

/** What a verified token says. */
interface VerifiedClaims {
  /** `iss`: equal to the issuer's definition. */
  readonly issuer: string;
  /** `sub`; empty when the token has none. */
  readonly subject: string;
  readonly claims: Claims;
}

// Nominal by its private field: only this file can make one.
class VerifiedTokenValue implements VerifiedClaims {
  readonly issuer: string;
  readonly subject: string;
  readonly claims: Claims;
  readonly #vouched = true;

  constructor(issuer: string, subject: string, claims: Claims) {
    this.issuer = issuer;
    this.subject = subject;
    this.claims = claims;
  }

  static isOne(value: object): value is VerifiedTokenValue {
    return #vouched in value && value.#vouched;
  }
}

/** Claims whose signature, issuer, audience and times were checked: only {@link verifyToken} makes one. */
export type VerifiedToken = VerifiedTokenValue;

/** Whether {@link verifyToken} really made this value, whatever the types were told. */
export const isVerifiedToken = (value: object): value is VerifiedToken => VerifiedTokenValue.isOne(value);

/** How far `nbf` may lie ahead, as in Fulcio. */
const NOT_BEFORE_LEEWAY = 5 * 60_000;

/** What a token of one issuer is measured against. */
export interface TokenPolicy {
  readonly issuer: string;
  readonly audience: string;
  readonly keys: IssuerKeys;
  readonly clock: Clock;
}

/** Checks signature, issuer, audience and times. Throws {@link TokenError}. */
export async function verifyToken(token: UnverifiedToken, policy: TokenPolicy): Promise<VerifiedToken> {
  await verifySignature(token, policy.keys);
  checkClaims(token.claims, policy);
  return new VerifiedTokenValue(policy.issuer, optionalText(token.claims, 'sub'), token.claims);
}

async function verifySignature(token: UnverifiedToken, keys: IssuerKeys): Promise<void> {
  const known = await keys.current().catch(unavailable);
  if (await verifiesWith(token, known)) return;
  const newer = await keys.newerThan(known).catch(unavailable);
  if (newer !== undefined && (await verifiesWith(token, newer))) return;
  throw refusal(token, newer ?? known);
}

async function verifiesWith(token: UnverifiedToken, { metadata, keys }: IssuerSnapshot): Promise<boolean> {
  if (!metadata.algorithms.has(token.algorithm)) throw algorithmRefused(metadata.algorithms);
  for (const key of keys.candidates(token.algorithm, token.keyId)) {
    if (await verifiesWithKey(token, key)) return true;
  }
  return false;
}

async function verifiesWithKey(token: UnverifiedToken, key: VerificationKey): Promise<boolean> {
  const imported = await key.import(token.algorithm);
  if (imported === undefined) return false;
  try {
    return await isSignedBy(token.compact, imported, token.algorithm);
  } catch (error) {
    throw new TokenError('TOKEN_MALFORMED', 'the token is not a signed token in compact form', {
      cause: error,
    });
  }
}

function algorithmRefused(announced: ReadonlySet<Algorithm>): TokenError {
  const list = [...announced].join(', ');
  return new TokenError('ALGORITHM_REFUSED', "the token's algorithm is not one that its issuer announces", {
    hint: list === '' ? 'The issuer announces none that is accepted here.' : `The issuer announces ${list}.`,
  });
}

function unavailable(error: unknown): never {
  if (!(error instanceof IssuerFault)) throw error;
  if (error.code === 'UNREACHABLE') {
    throw new TokenError('ISSUER_UNREACHABLE', "the issuer's keys cannot be fetched just now", {
      hint: `Try again in ${RETRY_INTERVAL / 1000} s; the server's log says what failed.`,
      cause: error,
    });
  }
  throw new TokenError('ISSUER_METADATA_INVALID', "the issuer's own documents cannot be used", {
    hint: 'This is for whoever runs this service or the issuer; the log says what is wrong.',
    cause: error,
  });
}

function refusal(token: UnverifiedToken, { keys }: IssuerSnapshot): TokenError {
  if (keys.candidates(token.algorithm, token.keyId).length === 0) {
    return new TokenError('KEY_UNKNOWN', 'the token is signed with a key that its issuer does not publish', {
      hint: `Get a new token. A key that is brand new is found within ${RETRY_INTERVAL / 1000} s.`,
    });
  }
  return new TokenError('TOKEN_SIGNATURE_INVALID', "the token's signature is wrong", {
    hint: 'Send the token exactly as the issuer gave it, or get a new one.',
  });
}

function checkClaims(claims: Claims, policy: TokenPolicy): void {
  // The issuer was looked up by this very claim; checked again so that this function stands alone.
  if (claim(claims, 'iss') !== policy.issuer) {
    throw new TokenError('ISSUER_UNKNOWN', 'the token comes from another issuer than its keys');
  }
  checkAudience(claim(claims, 'aud'), policy.audience);
  checkExpiry(claim(claims, 'exp'), policy.clock());
  checkNotBefore(claim(claims, 'nbf'), policy.clock());
}

const MAX_SHOWN = 200;
const shown = (text: string): string => (text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text);

function checkAudience(value: unknown, wanted: string): void {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (list.includes(wanted)) return;
  const named = list.filter((entry) => typeof entry === 'string').map((entry) => JSON.stringify(entry));
  if (named.length === 0) {
    throw new TokenError('AUDIENCE_MISMATCH', `the token is for nobody, this issuer wants "${wanted}"`, {
      hint: `Ask the issuer for a token with the audience "${wanted}".`,
      metadata: { wanted },
    });
  }
  throw new TokenError(
    'AUDIENCE_MISMATCH',
    `the token is for ${shown(named.join(', '))}, this issuer wants "${wanted}"`,
    {
      hint: `Ask the issuer for a token with the audience "${wanted}".`,
      metadata: { wanted },
    },
  );
}

function seconds(value: unknown, name: string): number {
  if (typeof value === 'number') return value;
  throw new TokenError('CLAIM_INVALID', `the token's "${name}" is not a time in seconds`, {
    metadata: { claim: name },
  });
}

function checkExpiry(value: unknown, now: number): void {
  if (value === undefined) {
    throw new TokenError('CLAIM_MISSING', 'the token does not say when it expires', {
      hint: 'Only tokens with "exp" are accepted.',
      metadata: { claim: 'exp' },
    });
  }
  const expiry = seconds(value, 'exp') * 1000;
  if (expiry > now) return;
  throw new TokenError('TOKEN_EXPIRED', `the token expired ${ago(now - expiry)} ago by the server's clock`, {
    hint: 'Get a new token and ask at once. If it is new, compare the clocks.',
  });
}

function checkNotBefore(value: unknown, now: number): void {
  if (value === undefined) return;
  const start = seconds(value, 'nbf') * 1000;
  if (start <= now + NOT_BEFORE_LEEWAY) return;
  throw new TokenError(
    'TOKEN_NOT_YET_VALID',
    `the token is valid only in ${ago(start - now)} by the server's clock`,
    {
      hint: 'Compare the clocks of the issuer and of this server.',
    },
  );
}
