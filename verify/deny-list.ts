/** Certificates that a team does not believe, whatever CA and log say of them. There is no revocation list for
 * certificates that live ten minutes: what was signed in that time stays, and this is how one stops believing it. */
import { toHex } from '../core/bytes.ts';
import type { Certificate } from '../core/certificate.ts';
import { rfc3339 } from '../core/clock.ts';
import { FormatError } from '../core/errors.ts';
import { printable } from '../core/printable.ts';
import { parsePublicKey } from '../core/public-key.ts';
import type { VerifyCrypto } from './crypto.ts';
import { readIdentity, readIssuer } from './identity.ts';
import { refused, VerifyError } from './verify-error.ts';

/** One rule: it denies the certificates for which everything holds that it says. Texts are compared without regard to
 * case: to deny too little would be worse than to deny too much. */
export interface DenyRule {
  /** Why. */
  readonly reason: string;
  /** Lower-case hexadecimal without leading zeros. */
  readonly serial?: string | undefined;
  /** SHA-256 of the SubjectPublicKeyInfo of a CA above the certificate, lower-case hexadecimal. */
  readonly caKeySha256?: string | undefined;
  readonly identity?: string | undefined;
  readonly identityPrefix?: string | undefined;
  /** The OpenID issuer. */
  readonly issuer?: string | undefined;
  /** Milliseconds since the epoch, both included: when the certificate was issued. */
  readonly from?: number | undefined;
  readonly until?: number | undefined;
}

/** The rules, and until when they are to be used. */
export interface DenyList {
  /** Milliseconds since the epoch. */
  readonly expires: number;
  readonly rules: readonly DenyRule[];
}

/** Throws {@link VerifyError} `BAD_DENY_LIST` for a list that has expired at `now` (milliseconds): a newer one may deny
 * more. */
export function requireCurrent({ expires }: DenyList, now: number): void {
  if (now <= expires) return;
  throw new VerifyError('BAD_DENY_LIST', `the deny list was good until ${rfc3339(expires)}`, {
    hint: 'Get the newest one from the team that keeps it.',
  });
}

/** Throws {@link VerifyError} `BAD_DENY_LIST` unless `signature` over the bytes of a deny list is by the key: ECDSA (DER) or
 * RSA (PKCS#1 v1.5) with SHA-256, or Ed25519. `spki` is DER. */
export async function requireSignedBy(
  spki: Uint8Array,
  bytes: Uint8Array,
  signature: Uint8Array,
  crypto: VerifyCrypto,
): Promise<void> {
  const { type: keyType } = readKey(spki);
  const scheme = { keyType, hash: keyType === 'ed25519' ? undefined : 'sha256' } as const;
  if (await crypto.verify(scheme, spki, bytes, signature)) return;
  throw new VerifyError('BAD_DENY_LIST', 'the signature over the deny list does not hold', {
    hint: 'The list was changed after it was signed, or by somebody else than the key says.',
  });
}

function readKey(spki: Uint8Array): ReturnType<typeof parsePublicKey> {
  try {
    return parsePublicKey(spki);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new VerifyError('BAD_DENY_LIST', `the key of the deny list cannot be used: ${error.message}`);
  }
}

/** A certificate that everything else was found right of. */
export interface DenySubject {
  readonly certificate: Certificate;
  /** The CAs above it, issuing CA first. */
  readonly path: readonly Certificate[];
  /** Milliseconds since the epoch, at least one: the time of its SCT, or those at which it was used where it has none. */
  readonly seenAt: readonly number[];
}

/** Throws a refusal when a rule denies the certificate, or FormatError when its name cannot be read. */
export function requireNotDenied({ rules }: DenyList, subject: DenySubject, crypto: VerifyCrypto): void {
  const facts = factsOf(subject, crypto);
  const at = rules.findIndex((rule) => CRITERIA.every((criterion) => criterion(rule, facts)));
  const rule = rules[at];
  if (rule !== undefined)
    throw refused(`rule ${at + 1} of the deny list denies it: ${printable(rule.reason)}`, 'policy');
}

interface Facts {
  readonly serial: string;
  readonly caKeys: readonly string[];
  readonly identity: string;
  readonly issuer: string;
  /** Between these two it was issued: the CA dates a certificate before the log has it. */
  readonly earliest: number;
  readonly latest: number;
}

function factsOf({ certificate, path, seenAt }: DenySubject, { sha256 }: VerifyCrypto): Facts {
  const { serial, notBefore } = certificate;
  return {
    serial: toHex(serial).replace(/^0+(?=.)/, ''),
    caKeys: path.map(({ spki }) => toHex(sha256(spki))),
    identity: readIdentity(certificate).value.toLowerCase(),
    issuer: readIssuer(certificate).toLowerCase(),
    earliest: Math.min(notBefore, ...seenAt),
    latest: Math.max(notBefore, ...seenAt),
  };
}

/** What a rule may say; each holds where the rule says nothing about it. */
const CRITERIA: readonly ((rule: DenyRule, facts: Facts) => boolean)[] = [
  ({ serial }, facts) => serial === undefined || serial === facts.serial,
  ({ caKeySha256: key }, { caKeys }) => key === undefined || caKeys.includes(key),
  ({ identity }, facts) => identity === undefined || identity.toLowerCase() === facts.identity,
  ({ identityPrefix: prefix }, { identity }) =>
    prefix === undefined || identity.startsWith(prefix.toLowerCase()),
  ({ issuer }, facts) => issuer === undefined || issuer.toLowerCase() === facts.issuer,
  ({ from }, { latest }) => from === undefined || latest >= from,
  ({ until }, { earliest }) => until === undefined || earliest <= until,
];
