/** What makes a chain fit for timestamps: what RFC 3161 §2.3 asks of the certificate, and what verifiers ask beyond it. */
import { equalBytes } from '../core/bytes.ts';
import { findExtension, parseCertificate, type Certificate } from '../core/certificate.ts';
import { rfc3339 } from '../core/clock.ts';
import { Tag } from '../core/der-tag.ts';
import { readOnly } from '../core/der-reader.ts';
import { describeName } from '../core/distinguished-name.ts';
import { FormatError } from '../core/errors.ts';
import { decodePem, encodePem } from '../core/pem.ts';
import { parsePublicKey } from '../core/public-key.ts';
import { AuthorityError, type AuthorityReason } from './authority-error.ts';
import { basicConstraints, extendedKeyUsages } from './ca-extensions.ts';
import { checkSignatures } from './chain-checks.ts';
import { judgeKey } from './key-policy.ts';
import { verifierFaults } from './verifier-rules.ts';

/** What a chain is held against. */
interface TimestampDemands {
  /** Milliseconds: every certificate must be valid then; undefined where that is for somebody else to ask. */
  readonly now?: number | undefined;
  /** DER SubjectPublicKeyInfo that the first certificate must have. */
  readonly spki?: Uint8Array | undefined;
  /** DER of the root that the chain must end at. */
  readonly root?: Uint8Array | undefined;
}

/** A chain that was checked. */
interface TimestampChain {
  /** The timestamp certificate first, root last. */
  readonly certificates: readonly [Certificate, ...Certificate[]];
  /** All of them, PEM, a newline at the end. */
  readonly chainPem: string;
}

const TIME_STAMPING = '1.3.6.1.5.5.7.3.8';
const ANY_USAGE = '2.5.29.37.0';
const DIGITAL_SIGNATURE = 0x80;
/** Of the first certificate, critical: key usage, basic constraints, extended key usage. */
const UNDERSTOOD: ReadonlySet<string> = new Set(['2.5.29.15', '2.5.29.19', '2.5.29.37']);
const MAX_CHAIN = 10;

/** Reads a chain, PEM, timestamp certificate first, root last, and checks all that timestamps by it hang on. Throws
 * {@link AuthorityError}. */
export function readTimestampChain(pem: string, { now, spki, root }: TimestampDemands): TimestampChain {
  const [first, ...authorities] = certificatesIn(pem);
  if (first === undefined || authorities.length === 0)
    throw new AuthorityError('CHAIN_EMPTY', 'the chain for timestamps has fewer than two certificates', {
      hint: ORDER,
    });
  const certificates = [first, ...authorities] as const;
  readable(() => {
    if (now !== undefined) for (const certificate of certificates) checkTime(certificate, now);
    checkTimestampCertificate(first);
    checkSignatures(certificates);
    authorities.forEach(checkAuthority);
  });
  const [fault] = verifierFaults(authorities);
  if (fault !== undefined) throw fault;
  if (root !== undefined && !equalBytes(root, authorities.at(-1)?.der ?? root.subarray(1))) throw otherRoot();
  if (spki !== undefined && !equalBytes(spki, first.spki))
    throw new AuthorityError('KEY_MISMATCH', 'the key for timestamps does not belong to the certificate', {
      hint: 'The first certificate of the chain must be the one that was issued for this key.',
    });
  return { certificates, chainPem: certificates.map(({ der }) => encodePem('CERTIFICATE', der)).join('') };
}

const ORDER = 'It is a PEM file: the certificate for timestamps first, the root last.';

function certificatesIn(pem: string): readonly Certificate[] {
  return readable(() => {
    const blocks = decodePem(pem, MAX_CHAIN + 1);
    if (blocks.length > MAX_CHAIN || blocks.some(({ label }) => label !== 'CERTIFICATE'))
      throw new FormatError('MALFORMED', `it must hold at most ${MAX_CHAIN} certificates, and nothing else`);
    return blocks.map(({ bytes }) => parseCertificate(bytes));
  });
}

function readable<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new AuthorityError('CHAIN_MALFORMED', `the chain for timestamps cannot be read: ${error.message}`, {
      hint: ORDER,
      cause: error,
    });
  }
}

function checkTime(certificate: Certificate, now: number): void {
  const { notBefore, notAfter } = certificate;
  if (now > notAfter + 999)
    throw refusal('CHAIN_EXPIRED', certificate, `it expired at ${rfc3339(notAfter)}`, ANEW);
  if (now < notBefore)
    throw refusal(
      'CHAIN_NOT_YET_VALID',
      certificate,
      `it is valid only from ${rfc3339(notBefore)}`,
      "Check the server's clock.",
    );
}

const ANEW = 'Have it issued anew: `mayfly ca sign --timestamps` makes it as it must be.';

function checkTimestampCertificate(certificate: Certificate): void {
  const refuse = (code: AuthorityReason, what: string): AuthorityError =>
    refusal(code, certificate, what, ANEW);
  const usages = extendedKeyUsages(certificate);
  if (usages?.length !== 1 || usages[0] !== TIME_STAMPING)
    throw refuse('EXTENDED_KEY_USAGE', 'its extended key usage is not timeStamping alone');
  if (findExtension(certificate, '2.5.29.37')?.critical !== true)
    throw refuse('EXTENDED_KEY_USAGE', 'its extended key usage is not critical');
  if (basicConstraints(certificate)?.ca === true)
    throw refuse('BASIC_CONSTRAINTS', 'it is the certificate of a CA');
  const usage = findExtension(certificate, '2.5.29.15');
  const [, octet = 0] = usage === undefined ? [] : readOnly(usage.value, Tag.bitString).value;
  if ((octet & DIGITAL_SIGNATURE) === 0) throw refuse('KEY_USAGE', 'its key usage lacks digitalSignature');
  const unknown = certificate.extensions.find(({ oid, critical }) => critical && !UNDERSTOOD.has(oid));
  if (unknown !== undefined)
    throw refuse('CRITICAL_EXTENSION', `it has the unknown critical extension ${unknown.oid}`);
  if (describeName(certificate.subject) === '') throw refuse('CHAIN_MALFORMED', 'its name is empty');
  const key = parsePublicKey(certificate.spki);
  const verdict = judgeKey(key);
  if (!verdict.good) throw refuse('KEY_UNSUITABLE', `its key ${verdict.reason}`);
  if (key.type === 'ed25519') throw refuse('KEY_UNSUITABLE', 'its key is Ed25519, which few verifiers take');
}

/** `index` counts the CAs below it. */
function checkAuthority(certificate: Certificate, index: number): void {
  const constraints = basicConstraints(certificate);
  if (constraints?.ca !== true) throw refusal('NOT_A_CA', certificate, 'certificate is not a CA', ORDER);
  if (constraints.pathLength !== undefined && constraints.pathLength < index)
    throw refusal('PATH_TOO_LONG', certificate, `it allows ${constraints.pathLength} CAs below itself`, ANEW);
  const [, octet = 0] = readOnly(
    findExtension(certificate, '2.5.29.15')?.value ?? Uint8Array.of(Tag.bitString, 1, 0),
    Tag.bitString,
  ).value;
  if ((octet & KEY_CERT_SIGN) === 0)
    throw refusal('KEY_USAGE', certificate, 'its key usage lacks keyCertSign', ORDER);
  const usages = extendedKeyUsages(certificate);
  if (usages === undefined || usages.includes(TIME_STAMPING) || usages.includes(ANY_USAGE)) return;
  const hint = 'The certificate for timestamps stands directly below the root, not below the issuing CA.';
  throw refusal('EXTENDED_KEY_USAGE', certificate, 'its extended key usages do not allow timestamps', hint);
}

const KEY_CERT_SIGN = 0x04;

const otherRoot = (): AuthorityError =>
  new AuthorityError('CHAIN_BROKEN', 'the chain for timestamps ends at another root than the one in force', {
    hint: 'Verifiers would not trust it. Have it issued by the root of ca/chain.pem, and put that one last.',
  });

const refusal = (
  code: AuthorityReason,
  { subject }: Certificate,
  what: string,
  hint: string,
): AuthorityError =>
  new AuthorityError(code, `certificate "${describeName(subject)}" in the chain for timestamps: ${what}`, {
    hint,
  });
