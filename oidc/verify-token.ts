/** From the token of an untrusted caller to claims that its issuer signed. */
import type { Clock } from '../core/clock.ts';
import type { Addressee, AudienceChoice } from './audience-choice.ts';
import { claim, optionalText } from './core/claims.ts';
import type { Claims } from './core/claims.ts';
import type { AcceptedAlgorithms } from './keys/accepted-algorithms.ts';
import { IssuerFault } from './keys/issuer-fault.ts';
import { RETRY_INTERVAL } from './keys/issuer-keys.ts';
import type { KeyProvider, KeySnapshot } from './keys/issuer-keys.ts';
import type { KeySet } from './keys/key-set.ts';
import { isSignedBy } from './keys/signature-check.ts';
import type { UnverifiedToken } from './token.ts';
import { rethrowWith, TokenError } from './core/token-error.ts';
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

// Nominal by its protected field: only this file can make one.
class VerifiedTokenValue implements VerifiedClaims {
  readonly issuer: string;
  readonly subject: string;
  readonly claims: Claims;
  /** Only for TypeScript, which then takes no other object for this class. */
  declare protected readonly isMadeHere: true;

  constructor(issuer: string, subject: string, claims: Claims) {
    this.issuer = issuer;
    this.subject = subject;
    this.claims = claims;
  }
}

/** Claims whose signature, issuer, audience and times were checked: only {@link verifyToken} makes one, and
 * {@link assumeVerified} one that leads to no certificate. */
export type VerifiedToken = VerifiedTokenValue;

/** Claims as if they had been verified, to explain what a configuration would do with them. Only
 * `explain/explain-claims.ts` may import this, which makes no certificate. */
export const assumeVerified = (issuer: string, claims: Claims): VerifiedToken =>
  new VerifiedTokenValue(issuer, optionalText(claims, 'sub'), claims);

/** What one way of accepting tokens asks of them. */
export interface Acceptance extends Addressee {
  /** Of the issuer block. */
  readonly name: string;
  /** How far the issuer's clock may be off, in milliseconds: for `exp`, and beyond Fulcio's five minutes for `nbf`. */
  readonly leeway: number;
}

/** What a token of one issuer is measured against. */
export interface TokenPolicy<E extends Acceptance> {
  /** The token's `iss`, exactly. */
  readonly url: string;
  readonly issuerBlocks: AudienceChoice<E>;
  readonly keys: KeyProvider;
  readonly clock: Clock;
}

/** A token that was accepted, and by which issuer block. */
interface Accepted<E> {
  readonly token: VerifiedToken;
  readonly issuerBlock: E;
}

/** Checks signature, issuer, audience and times, once however many issuer blocks there are. Throws {@link TokenError}. */
export async function verifyToken<E extends Acceptance>(
  token: UnverifiedToken,
  policy: TokenPolicy<E>,
): Promise<Accepted<E>> {
  await verifySignature(token, policy.keys);
  const { claims } = token;
  const issuerBlock = checkClaims(claims, policy);
  return { token: new VerifiedTokenValue(policy.url, optionalText(claims, 'sub'), claims), issuerBlock };
}

/** The step of {@link verifyToken} that looks at the signature. Throws {@link TokenError}. */
export async function verifySignature(token: UnverifiedToken, keys: KeyProvider): Promise<void> {
  const known = await keys.current().catch(unavailable);
  if ((await checkWith(token, known)) === 'right') return;
  const newer = await keys.newerThan(known).catch(unavailable);
  const finding = await checkWith(token, newer ?? known);
  if (finding !== 'right') throw refusal(token, newer ?? known, finding);
}

/** What the keys of an issuer say of a signature. */
type Finding = 'right' | 'wrong' | 'weak key' | 'no usable key' | 'no key';

async function checkWith(token: UnverifiedToken, { algorithms, keys }: KeySnapshot): Promise<Finding> {
  if (!algorithms.names.has(token.algorithm)) throw algorithmRefused(algorithms, keys, token);
  let finding: Finding = 'no key';
  for (const key of keys.candidates(token.algorithm, token.keyId)) {
    const found = await checkWithKey(token, key);
    if (found === 'right') return found;
    if (finding !== 'wrong') finding = found;
  }
  return finding;
}

async function checkWithKey(token: UnverifiedToken, key: VerificationKey): Promise<Finding> {
  const imported = await key.import(token.algorithm);
  if (imported === undefined) return 'no usable key';
  try {
    if (!(await isSignedBy(token.compact, imported, token.algorithm))) return 'wrong';
  } catch (error) {
    throw new TokenError('TOKEN_MALFORMED', 'the token is not a signed token in compact form', {
      cause: error,
    });
  }
  return (await key.isSound()) ? 'right' : 'weak key';
}

function algorithmRefused(accepted: AcceptedAlgorithms, keys: KeySet, token: UnverifiedToken): TokenError {
  // A key that was skipped is why its algorithm is none of the set's.
  const why = accepted.source === 'keys' ? keys.whySkipped(token.keyId) : undefined;
  if (why !== undefined) return unusable(why);
  return new TokenError('ALGORITHM_REFUSED', "the token's algorithm is not one that its issuer announces", {
    hint: announcedWords(accepted),
  });
}

function announcedWords({ names, source }: AcceptedAlgorithms): string {
  const list = [...names].join(', ');
  if (source === 'keys') return `The keys of the issuer are for ${list || 'nothing that is accepted here'}.`;
  if (source === 'assumed')
    return 'The issuer announces no algorithm, which means RS256 alone (OpenID Connect). Have it announce what it signs with.';
  return list === '' ? 'The issuer announces none that is accepted here.' : `The issuer announces ${list}.`;
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
    hint: 'This is for the operator of this service or of the issuer; the log says what is wrong.',
    cause: error,
  });
}

function refusal(token: UnverifiedToken, { keys }: KeySnapshot, finding: Finding): TokenError {
  if (finding === 'weak key') return unusable('anybody can compute its private half');
  if (finding === 'no usable key') return unusable('its numbers make no key, or a weak one');
  if (finding === 'no key') {
    const why = keys.whySkipped(token.keyId);
    return why === undefined ? unknownKey(token, keys) : unusable(why);
  }
  return new TokenError('TOKEN_SIGNATURE_INVALID', "the token's signature is wrong", {
    hint: 'Send the token exactly as the issuer gave it, or get a new one.',
  });
}

function unknownKey({ algorithm, keyId }: UnverifiedToken, keys: KeySet): TokenError {
  const other = keyId === undefined ? undefined : keys.named(keyId);
  const sentence =
    other === undefined
      ? 'the token is signed with a key that its issuer does not publish'
      : `the token is signed by ${algorithm} with a key that its issuer publishes for ${other.algorithms.join(', ')}`;
  return new TokenError('KEY_UNKNOWN', sentence, {
    hint: `Get a new token. A key that is brand new is found within ${RETRY_INTERVAL / 1000} s.`,
  });
}

/** Names and numbers of keys are the issuer's words, which were fetched from it; nothing of the token is repeated. */
const unusable = (why: string): TokenError =>
  new TokenError('KEY_UNUSABLE', `the token's key is published by its issuer but cannot be used: ${why}`, {
    hint: 'The operator of the issuer has to publish a key that can be used, and sign with it.',
  });

function checkClaims<E extends Acceptance>(claims: Claims, policy: TokenPolicy<E>): E {
  // The issuer was looked up by this very claim; checked again so that this function stands alone.
  if (claim(claims, 'iss') !== policy.url) {
    throw new TokenError('ISSUER_UNKNOWN', 'the token comes from another issuer than its keys');
  }
  let issuerBlock: string | undefined;
  try {
    const chosen = policy.issuerBlocks.choose(claim(claims, 'aud'));
    issuerBlock = chosen.name;
    const now = policy.clock();
    checkExpiry(claim(claims, 'exp'), now, chosen.leeway);
    checkNotBefore(claim(claims, 'nbf'), now, chosen.leeway);
    return chosen;
  } catch (error) {
    return rethrowWith(error, { issuer: policy.url, issuerBlock });
  }
}
