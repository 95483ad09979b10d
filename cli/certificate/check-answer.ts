/** Checks what the service sent before anything of it is written. */
import { equalBytes, toHex } from '../../core/bytes.ts';
import { parseCertificate, type Certificate } from '../../core/certificate.ts';
import { rfc3339, type Clock } from '../../core/clock.ts';
import { encodePem } from '../../core/pem.ts';
import { printable } from '../../core/printable.ts';
import { anything } from '../../verify/identity-policy.ts';
import { readIdentity } from '../../verify/identity.ts';
import type { Step } from '../../verify/step.ts';
import { knowsNoLog } from '../../verify/trust.ts';
import { verifyCertificate, type Verification } from '../../verify/verify-certificate.ts';
import { CommandError } from '../program/command.ts';
import { platformCrypto } from '../verify/platform-crypto.ts';
import { compareIssuer, compareName, type Likeness } from './challenge.ts';
import type { ClientKey } from './key-pair.ts';
import type { TokenClaims } from './token-claims.ts';
import { derOf, parsed, type ChosenTrust } from './trust.ts';

/** What the answer is checked with. */
interface AnswerCheck {
  /** PEM certificates, leaf first. */
  readonly chain: readonly string[];
  readonly key: Pick<ClientKey, 'spki'>;
  readonly claims: TokenClaims;
  readonly trust: ChosenTrust;
  readonly clock: Clock;
}

/** An answer that holds. */
export interface CheckedAnswer {
  readonly certificatePem: string;
  /** The CA's certificates, issuing first. */
  readonly chainPem: string;
  readonly identity: string;
  readonly issuer: string;
  /** Lower-case hexadecimal. */
  readonly serial: string;
  /** Milliseconds since the epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** Milliseconds since the epoch; the time of the proof of logging, undefined when it could not be checked. */
  readonly loggedAt: number | undefined;
  readonly trustedBy: ChosenTrust['trustedBy'];
  /** What a person should know, a sentence each. */
  readonly notes: readonly string[];
}

/** Throws {@link CommandError} `FAILED` with what does not hold. */
export async function checkAnswer(check: AnswerCheck): Promise<CheckedAnswer> {
  const [leaf = new Uint8Array(), ...issuers] = check.chain.map(derOf);
  const certificate = parsed(() => parseCertificate(leaf));
  if (!equalBytes(certificate.spki, check.key.spki)) throw refused('it is for another key than ours');
  const verification = await verify(leaf, issuers, check);
  const { identity = '', issuer = '' } = verification;
  const likeness = compareNames(certificate, issuer, check.claims);
  return {
    certificatePem: encodePem('CERTIFICATE', leaf),
    chainPem: trustedIssuers(issuers, verification)
      .map((der) => encodePem('CERTIFICATE', der))
      .join(''),
    identity,
    issuer,
    serial: toHex(certificate.serial),
    notBefore: certificate.notBefore,
    notAfter: certificate.notAfter,
    loggedAt: knowsNoLog(check.trust.trust) ? undefined : verification.at,
    trustedBy: check.trust.trustedBy,
    notes: notesOf(certificate, check, likeness),
  };
}

/** With trust of its own kind and no log known, only the chain can be judged, at the present. */
async function verify(
  leaf: Uint8Array,
  issuers: readonly Uint8Array[],
  check: AnswerCheck,
): Promise<Verification> {
  const isLogUnknown = knowsNoLog(check.trust.trust);
  const verification = await verifyCertificate({
    certificate: leaf,
    presented: issuers,
    trust: check.trust.trust,
    policy: { identity: anything, issuer: anything },
    at: isLogUnknown ? check.clock() : undefined,
    crypto: platformCrypto,
  });
  const failed = verification.steps.filter(({ ok, name }) => !ok && !(isLogUnknown && name === 'sct'));
  if (failed.length === 0) return verification;
  const isStale = verification.fault === 'trust' && check.trust.trustedBy === 'directory';
  throw refused(failed.map(describeStep).join('; '), isStale ? STALE : undefined);
}

const describeStep = ({ name, detail }: Step): string => `${name}: ${detail}`;

interface NameLikeness {
  readonly name: Likeness;
  readonly issuer: Likeness;
}

function compareNames(certificate: Certificate, issuer: string, claims: TokenClaims): NameLikeness {
  const san = readIdentity(certificate);
  const likeness = { name: compareName(san, claims), issuer: compareIssuer(issuer, claims) };
  if (likeness.name === 'other')
    throw refused(`it is for ${printable(san.value)}, which the token does not name`);
  if (likeness.issuer === 'other') {
    throw refused(`it names the issuer ${printable(issuer)}, which is not the token's`);
  }
  return likeness;
}

/** Only certificates that lead to a trusted root are worth keeping; the service may send what it likes. */
function trustedIssuers(issuers: readonly Uint8Array[], { path }: Verification): readonly Uint8Array[] {
  const kept = issuers.filter((der) => path.some((one) => equalBytes(one, der)));
  if (kept.length > 0) return kept;
  throw refused('none of the CA certificates that came with it is trusted');
}

function notesOf(certificate: Certificate, check: AnswerCheck, likeness: NameLikeness): string[] {
  const notes: string[] = [];
  const { notBefore, notAfter } = certificate;
  if (knowsNoLog(check.trust.trust))
    notes.push("the proof of logging was not checked: the service's log was not found");
  if (likeness.name === 'derived') notes.push('the name was made from the token by rules of the service');
  if (likeness.issuer === 'derived')
    notes.push('the issuer is one that the token mentions, not the one that signed it');
  const now = check.clock();
  if (now < notBefore || now > notAfter) {
    const validity = `${rfc3339(notBefore)} to ${rfc3339(notAfter)}`;
    notes.push(`your clock says ${rfc3339(now)}, but the certificate is valid ${validity}`);
  }
  return notes;
}

const refused = (why: string, hint = MISTAKEN): CommandError =>
  new CommandError('FAILED', `the certificate that the service sent does not hold: ${why}`, { hint });

const MISTAKEN = 'Nothing was written. The service is misconfigured, or it is not the one that you mean.';
const STALE =
  'Nothing was written. What you trust is of another service, or older than the CA or the log of this one: get the newest files.';
