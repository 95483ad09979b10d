/** From a stranger's text to claims that its issuer stands for. */
import type { Clock } from '../core/clock.ts';
import type { Algorithm } from './algorithms.ts';
import type { Addressee, AudienceChoice } from './audience-choice.ts';
import { claim, optionalText } from './claims.ts';
import type { Claims } from './claims.ts';
import { IssuerFault } from './keys/issuer-fault.ts';
import { RETRY_INTERVAL } from './keys/issuer-keys.ts';
import type { KeyProvider, KeySnapshot } from './keys/issuer-keys.ts';
import { isSignedBy } from './keys/signature-check.ts';
import type { UnverifiedToken } from './token.ts';
import { TokenError } from './token-error.ts';
import { checkExpiry, checkNotBefore } from './token-times.ts';
import type { VerificationKey } from './keys/verification-key.ts';

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
  readonly #vouched: boolean;

  constructor(issuer: string, subject: string, claims: Claims, vouched: boolean) {
    this.issuer = issuer;
    this.subject = subject;
    this.claims = claims;
    this.#vouched = vouched;
  }

  static isOne(value: object): value is VerifiedTokenValue {
    return #vouched in value && value.#vouched;
  }
}

/** Claims whose signature, issuer, audience and times were checked: only {@link verifyToken} makes one, and
 * {@link assumeVerified} one that leads to no certificate. */
export type VerifiedToken = VerifiedTokenValue;

/** Whether {@link verifyToken} really made this value, whatever the types were told. */
export const isVerifiedToken = (value: object): value is VerifiedToken => VerifiedTokenValue.isOne(value);

/** Claims that are taken as if they had been verified, to explain what would become of them. Only
 * `policy/explain/explain-claims.ts` may import this: what it makes never gets near a certificate, and
 * {@link isVerifiedToken} says no. */
export const assumeVerified = (issuer: string, claims: Claims): VerifiedToken =>
  new VerifiedTokenValue(issuer, optionalText(claims, 'sub'), claims, false);

/** What one way of accepting tokens asks of them. */
export interface Acceptance extends Addressee {
  /** Of the configuration's entry. */
  readonly name: string;
  /** How far the issuer's clock may be off, in milliseconds: for `exp`, and beyond Fulcio's five minutes for `nbf`. */
  readonly leeway: number;
}

/** What a token of one issuer is measured against. */
export interface TokenPolicy<E extends Acceptance> {
  /** The token's `iss`, exactly. */
  readonly url: string;
  readonly entries: AudienceChoice<E>;
  readonly keys: KeyProvider;
  readonly clock: Clock;
}

/** A token that was accepted, and by which entry. */
export interface Accepted<E> {
  readonly token: VerifiedToken;
  readonly entry: E;
}

/** What is known of a token, also when it is refused then. Nothing is before its signature was verified. */
export interface TokenTrace {
  /** Its `iss`. */
  issuer?: string | undefined;
  /** Name of the configuration's entry that it falls to by its audience. */
  entry?: string | undefined;
}

/** Checks signature, issuer, audience and times, once however many entries there are; `trace` is filled on the way.
 * Throws {@link TokenError}. */
export async function verifyToken<E extends Acceptance>(
  token: UnverifiedToken,
  policy: TokenPolicy<E>,
  trace: TokenTrace = {},
): Promise<Accepted<E>> {
  await verifySignature(token, policy.keys);
  const { claims } = token;
  const entry = checkClaims(claims, policy, trace);
  return { token: new VerifiedTokenValue(policy.url, optionalText(claims, 'sub'), claims, true), entry };
}

/** The step of {@link verifyToken} that looks at the signature. Throws {@link TokenError}. */
export async function verifySignature(token: UnverifiedToken, keys: KeyProvider): Promise<void> {
  const known = await keys.current().catch(unavailable);
  if (await verifiesWith(token, known)) return;
  const newer = await keys.newerThan(known).catch(unavailable);
  if (newer !== undefined && (await verifiesWith(token, newer))) return;
  throw refusal(token, newer ?? known);
}

async function verifiesWith(token: UnverifiedToken, { algorithms, keys }: KeySnapshot): Promise<boolean> {
  if (!algorithms.has(token.algorithm)) throw algorithmRefused(algorithms);
  for (const key of keys.candidates(token.algorithm, token.keyId)) {
    if (await verifiesWithKey(token, key)) return true;
  }
  return false;
}

async function verifiesWithKey(token: UnverifiedToken, key: VerificationKey): Promise<boolean> {
  const imported = await key.import(token.algorithm);
  if (imported === undefined) return false;
  try {
    if (!(await isSignedBy(token.compact, imported, token.algorithm))) return false;
  } catch (error) {
    throw new TokenError('TOKEN_MALFORMED', 'the token is not a signed token in compact form', {
      cause: error,
    });
  }
  return key.isSound();
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

function refusal(token: UnverifiedToken, { keys }: KeySnapshot): TokenError {
  if (keys.candidates(token.algorithm, token.keyId).length === 0) {
    return new TokenError('KEY_UNKNOWN', 'the token is signed with a key that its issuer does not publish', {
      hint: `Get a new token. A key that is brand new is found within ${RETRY_INTERVAL / 1000} s.`,
    });
  }
  return new TokenError('TOKEN_SIGNATURE_INVALID', "the token's signature is wrong", {
    hint: 'Send the token exactly as the issuer gave it, or get a new one.',
  });
}

function checkClaims<E extends Acceptance>(claims: Claims, policy: TokenPolicy<E>, trace: TokenTrace): E {
  // The issuer was looked up by this very claim; checked again so that this function stands alone.
  if (claim(claims, 'iss') !== policy.url) {
    throw new TokenError('ISSUER_UNKNOWN', 'the token comes from another issuer than its keys');
  }
  trace.issuer = policy.url;
  const entry = policy.entries.choose(claim(claims, 'aud'));
  trace.entry = entry.name;
  const now = policy.clock();
  checkExpiry(claim(claims, 'exp'), now, entry.leeway);
  checkNotBefore(claim(claims, 'nbf'), now, entry.leeway);
  return entry;
}
