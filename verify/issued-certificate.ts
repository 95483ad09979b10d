/** The checks on a certificate that a CA of Sigstore's kind issued, as steps: what it is for, its SCT, its chain, whom it is for. */
import { parseCertificate, type Certificate } from '../core/certificate.ts';
import { rfc3339 } from '../core/clock.ts';
import { FormatError } from '../core/errors.ts';
import { printable } from '../core/printable.ts';
import { findPath, type ValidPath } from './certificate-path.ts';
import { checkLeaf, checkValidity } from './certificate-rules.ts';
import type { VerifyCrypto } from './crypto.ts';
import { requireNotDenied, type DenyList, type DenySubject } from './deny-list.ts';
import { demand, readIdentity, readIssuer } from './identity.ts';
import type { IdentityPolicy } from './identity-policy.ts';
import { checkInclusion, type InclusionEvidence } from './inclusion.ts';
import { loggedLeaf } from './logged-entry.ts';
import { nameText } from './read-once.ts';
import { checkSctSignature, findSct, type FoundSct } from './sct.ts';
import type { StepName, StepRecorder } from './step.ts';
import type { PreparedTrust } from './trust.ts';
import { refused } from './verify-error.ts';

/** A recorder whose steps have those of a certificate among them. */
export type CertificateRecorder<Name extends string> = StepRecorder<Name | StepName>;

/** Far above what any real certificate needs, far below what a log entry can hold. */
const CERTIFICATE_LIMIT = 0x10000;

/** Reads a certificate (DER), which must be for signing code; undefined when it is not. */
export const readIssued = <Name extends string>(
  record: CertificateRecorder<Name>,
  der: Uint8Array,
): Promise<Certificate | undefined> =>
  record.run('certificate', () => {
    if (der.length > CERTIFICATE_LIMIT) throw refused('the certificate is larger than 64 KiB');
    const certificate = parseCertificate(der);
    checkLeaf(certificate);
    const { notBefore, notAfter } = certificate;
    return [`for code signing, ${rfc3339(notBefore)} to ${rfc3339(notAfter)}`, certificate];
  });

/** Finds the SCT; undefined when no trusted log made it. */
export const findTrustedSct = <Name extends string>(
  record: CertificateRecorder<Name>,
  certificate: Certificate,
  trust: PreparedTrust,
): Promise<FoundSct | undefined> =>
  record.run('sct', () => {
    const found = findSct(certificate, trust);
    return [`one, of the log ${found.log.name}, at ${rfc3339(found.sct.timestamp)}`, found];
  });

/** Notes that a certificate has no SCT, where none is demanded. */
export const noteNoSct = async <Name extends string>(
  record: CertificateRecorder<Name>,
  why: string,
): Promise<void> => {
  await record.run('sct', () => [`none, and ${why}`, undefined]);
};

/** What a chain is judged by. */
export interface IssuedChainCheck {
  readonly trust: PreparedTrust;
  /** DER: what came with the certificate. */
  readonly presented: readonly Uint8Array[];
  /** Milliseconds since the epoch, at least one. */
  readonly times: readonly number[];
  readonly found: FoundSct | undefined;
  readonly crypto: VerifyCrypto;
}

/** Looks for the way to a trusted root; undefined when there is none. */
export const checkChain = <Name extends string>(
  record: CertificateRecorder<Name>,
  leaf: Certificate,
  { trust, presented, times, found, crypto }: IssuedChainCheck,
): Promise<ValidPath | undefined> =>
  record.run('chain', async () => {
    const loggedAt = found?.sct.timestamp;
    const path = await findPath(leaf, {
      trust,
      presented: readPresented(presented),
      times,
      loggedAt,
      crypto,
    });
    const names = path.map(({ subject }) => `"${nameText(subject)}"`).join(' under ');
    return [`issued by ${names}, all valid at ${times.map(rfc3339).join(' and ')}`, path];
  });

/** Longer than any chain; each costs signature checks. */
const PRESENTED_LIMIT = 10;

function readPresented(ders: readonly Uint8Array[]): Certificate[] {
  if (ders.length > PRESENTED_LIMIT) throw refused(`more than ${PRESENTED_LIMIT} certificates came with it`);
  if (ders.some((der) => der.length > CERTIFICATE_LIMIT))
    throw refused('a certificate that came with it is larger than 64 KiB');
  return ders.map((der, index) => {
    try {
      return parseCertificate(der);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      const place = `${index + 1} of ${ders.length}`;
      throw refused(`certificate ${place} that came with it cannot be read: ${error.message}`);
    }
  });
}

/** A certificate whose SCT and CAs are known. */
export interface CertificateWithSct {
  readonly certificate: Certificate;
  readonly found: FoundSct;
  /** The CAs above it. */
  readonly path: ValidPath;
  /** MerkleTreeLeaf. */
  readonly leaf: Uint8Array;
}

/** Puts together what its log signed. */
export const loggedCertificate = (
  certificate: Certificate,
  found: FoundSct,
  path: ValidPath,
  crypto: VerifyCrypto,
): CertificateWithSct => ({
  certificate,
  found,
  path,
  leaf: loggedLeaf(certificate, path[0], found.sct, crypto),
});

/** Checks the SCT's signature and time. */
export async function checkSct<Name extends string>(
  record: CertificateRecorder<Name>,
  { certificate, found, leaf }: CertificateWithSct,
  crypto: VerifyCrypto,
): Promise<void> {
  await record.run('sct-signature', async () => {
    await checkSctSignature(found, leaf, crypto);
    return [`the log ${found.log.name} signed for this certificate`, undefined];
  });
  await record.run('sct-time', () => {
    checkValidity(certificate, found.sct.timestamp, 'the certificate');
    return ["logged within the certificate's validity", undefined];
  });
}

/** Checks whom it is for. An untrusted certificate can have any name, and matching a name costs what its author likes: this is for
 * one that a trusted CA signed. */
export async function checkNames<Name extends string>(
  record: CertificateRecorder<Name>,
  certificate: Certificate,
  policy: IdentityPolicy,
): Promise<void> {
  await record.run('identity', () => {
    const { type, value } = readIdentity(certificate);
    demand(policy.identity, value, 'identity');
    return [`${type} "${printable(value)}"`, undefined];
  });
  await record.run('issuer', () => {
    const issuer = readIssuer(certificate);
    demand(policy.issuer, issuer, 'OpenID issuer');
    return [`"${printable(issuer)}"`, undefined];
  });
}

/** Checks that no rule of the list denies it. */
export async function checkDenied<Name extends string>(
  record: CertificateRecorder<Name>,
  subject: DenySubject,
  list: DenyList,
  crypto: VerifyCrypto,
): Promise<void> {
  await record.run('deny', () => {
    requireNotDenied(list, subject, crypto);
    return [`none of ${list.rules.length} rules, good until ${rfc3339(list.expires)}`, undefined];
  });
}

/** When a certificate was seen first, by the word of its log. */
export const denySubjectOf = ({ certificate, path, found }: CertificateWithSct): DenySubject => ({
  certificate,
  path,
  seenAt: [found.sct.timestamp],
});

/** Refuses a proof, or the demand for one, of a certificate that no log is known to have. */
export const refuseProof = async <Name extends string>(record: CertificateRecorder<Name>): Promise<void> => {
  await record.run('inclusion', () => {
    throw refused('the certificate carries no SCT: no log can prove that it has it', 'policy');
  });
};

/** Checks the proof that its log has it. Without one it is refused. */
export async function checkProof<Name extends string>(
  record: CertificateRecorder<Name>,
  { found, leaf }: CertificateWithSct,
  { proof, head }: { readonly [Part in keyof InclusionEvidence]?: InclusionEvidence[Part] | undefined },
  crypto: VerifyCrypto,
): Promise<void> {
  await record.run('inclusion', async () => {
    if (proof === undefined)
      throw refused('a proof that the certificate is in the log is required, none was given', 'policy');
    const { index, size } = await checkInclusion({ proof, head }, found, leaf, crypto);
    const kept = head === undefined ? '' : ', under the head that was kept';
    return [`entry ${index} of ${size} in the log ${found.log.name}${kept}`, undefined];
  });
}
