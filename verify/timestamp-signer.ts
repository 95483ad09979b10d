/** Whether a trusted timestamp authority signed a token, at a time at which it might. */
import { equalBytes, toHex } from '../core/bytes.ts';
import { findExtension, type Certificate } from '../core/certificate.ts';
import { rfc3339 } from '../core/clock.ts';
import { unsignedMagnitude } from '../core/der-reader.ts';
import { explicit } from '../core/der-writer.ts';
import { isWithin } from '../trust/format/trusted-root.ts';
import type { CertificateId } from '../tsa/format/attributes.ts';
import type { SignerId, TimestampToken } from '../tsa/format/timestamp-token.ts';
import { findPath, type ValidPath } from './certificate-path.ts';
import { checkCritical, type Purpose } from './certificate-rules.ts';
import type { TimestampCrypto } from './crypto.ts';
import { nameText, publicKeyOf, weaknessOf, windowText } from './read-once.ts';
import {
  EXTENSION,
  extendedKeyUsage,
  KeyUsage,
  keyUsage,
  subjectAltNames,
  subjectKeyId,
  TIME_STAMPING,
} from './standard-extensions.ts';
import { isCa, type PreparedAuthority, type TimestampTrust } from './timestamp-trust.ts';
import { AuthorityWindows, requireWithin } from './trust-windows.ts';
import { refused } from './verify-error.ts';

/** A certificate that may have signed a token, below a trusted authority. */
export interface SignerCandidate {
  readonly certificate: Certificate;
  readonly authority: PreparedAuthority;
}

/** A candidate that was held against the hashes by which the token names its certificate. */
export interface JudgedCandidate extends SignerCandidate {
  /** Whether one of them is that of this certificate. */
  readonly isMeant: boolean;
}

/** The certificates that the token may mean, one for each authority that they are trusted by: authorities may have one name, and one serial number. Of an authority
 * whose own certificate is in the trusted root it is that one and no other. */
export function candidatesFor(
  { signer }: TimestampToken,
  embedded: readonly Certificate[],
  { authorities }: TimestampTrust,
): readonly SignerCandidate[] {
  return authorities.flatMap((authority) => {
    const [first] = authority.chain;
    const known = authority.isOpen ? withoutCopies(embedded) : [first];
    return known
      .filter((certificate) => isNamed(certificate, signer.id))
      .map((certificate) => ({ certificate, authority }));
  });
}

const withoutCopies = (certificates: readonly Certificate[]): readonly Certificate[] =>
  certificates.filter((one, at) => certificates.findIndex(({ der }) => equalBytes(der, one.der)) === at);

/** Those whose certificate the token names by its hash. Only such a one can have signed it; where there is none, the first stands for all and says why they are refused. So the
 * certificates of a token cannot make the work for it grow. */
export async function meantCandidates(
  candidates: readonly SignerCandidate[],
  { signer }: TimestampToken,
  crypto: TimestampCrypto,
): Promise<readonly JudgedCandidate[]> {
  const meant: JudgedCandidate[] = [];
  for (const candidate of candidates)
    if (await isMeantByAny(candidate.certificate, signer.attributes.certificateIds, crypto))
      meant.push({ ...candidate, isMeant: true });
  return meant.length > 0 ? meant : candidates.slice(0, 1).map((one) => ({ ...one, isMeant: false }));
}

/** Whether the trusted root names the certificate, or a CA of the name that issued it. Of an authority with CAs alone any certificate in a token is a candidate. */
export const isNamedByTrust = ({ certificate, authority: { chain, isOpen } }: SignerCandidate): boolean =>
  !isOpen || chain.some(({ subject }) => equalBytes(subject, certificate.issuer));

/** Whether that is how the token calls its signer. */
function isNamed(certificate: Certificate, id: SignerId): boolean {
  if ('keyId' in id) {
    const own = subjectKeyId(certificate);
    return own !== undefined && equalBytes(own, id.keyId);
  }
  return equalBytes(certificate.issuer, id.issuer) && isSerial(certificate, id.serial);
}

/** A negative number is no serial that a certificate could have here. */
const isSerial = ({ serial }: Certificate, content: Uint8Array): boolean =>
  (content[0] ?? 0x80) < 0x80 && equalBytes(serial, unsignedMagnitude(content));

/** Throws a refusal unless the authority is trusted at the time of the token, and the certificate that came with the token is its own. Returns what
 * was found, in words. */
export function checkAuthorityOf(
  { certificate, authority }: SignerCandidate,
  { info, signer }: TimestampToken,
  embedded: readonly Certificate[],
  trust: TimestampTrust,
): string {
  const who = `the timestamp authority "${nameText(certificate.subject)}"`;
  const other = embedded.find((one) => isNamed(one, signer.id) && !equalBytes(one.der, certificate.der));
  if (other !== undefined) throw refused(`the token carries another certificate than that of ${who}`);
  requireWithin([authority.window], [info.time], who);
  trust.require(certificate, info.time, who);
  return `"${nameText(certificate.subject)}", trusted ${windowText(authority.window)}`;
}

const FOR_TIMESTAMPS: Purpose = { usage: TIME_STAMPING, words: 'timestamps' };
const KNOWN: ReadonlySet<string> = new Set([
  EXTENSION.basicConstraints,
  EXTENSION.keyUsage,
  EXTENSION.extendedKeyUsage,
]);

/** What the chain of a signer is judged with. */
export interface ChainRequest {
  readonly embedded: readonly Certificate[];
  readonly trust: TimestampTrust;
  readonly crypto: TimestampCrypto;
}

/** Throws a refusal unless the certificate is for timestamps and its chain was whole, valid and trusted at the time of the token, whatever has become of it
 * since. Of an authority with CAs alone it goes through the first of them: what else its root signs has nothing to do with it. */
export async function checkTimestampChain(
  { certificate, authority }: SignerCandidate,
  { info }: TimestampToken,
  { embedded, trust: { windows }, crypto }: ChainRequest,
): Promise<ValidPath> {
  checkTimestampCertificate(certificate);
  const { chain, isOpen } = authority;
  const { time } = info;
  const trust = {
    roots: chain.slice(-1),
    intermediates: chain.slice(0, -1).filter((one) => one !== certificate),
    // An authority that is not trusted then is refused already, and its CAs mostly for the same window.
    windows: isWithin(authority.window, time) ? windows : new AuthorityWindows(),
    logs: new Map(),
    unusable: [],
  };
  const presented = embedded.filter((one) => !equalBytes(one.der, certificate.der));
  const through = isOpen ? chain[0] : undefined;
  const purpose = FOR_TIMESTAMPS;
  const request = { trust, presented, times: [time], loggedAt: undefined, purpose, through, crypto };
  const path = await findPath(certificate, request);
  refuseStrays(presented, [...chain, ...path]);
  return path;
}

/** What came along must lead up from the signer, by this way or by another: an authority whose root is also below an older one sends that certificate of
 * the root, and perhaps the older one. */
function refuseStrays(presented: readonly Certificate[], chain: readonly Certificate[]): void {
  const strays = new Set(presented);
  for (let known = chain; known.length > 0;) {
    const more = [...strays].filter((one) => known.some((child) => isKin(one, child)));
    for (const one of more) strays.delete(one);
    known = more;
  }
  for (const { subject } of strays)
    throw refused(`the token carries a certificate that is no part of the chain: "${nameText(subject)}"`);
}

/** Whether it is that certificate, another of the same CA, or one of a CA of the name that issued it. */
const isKin = (one: Certificate, child: Certificate): boolean =>
  equalBytes(one.der, child.der) ||
  (isCa(one) &&
    (equalBytes(one.subject, child.issuer) ||
      (equalBytes(one.subject, child.subject) && equalBytes(one.spki, child.spki))));

function checkTimestampCertificate(certificate: Certificate): void {
  const who = `the certificate "${nameText(certificate.subject)}"`;
  const usages = extendedKeyUsage(certificate);
  if (usages?.size !== 1 || !usages.has(TIME_STAMPING))
    throw refused(`${who} is not for timestamps alone: its extended key usage does not say so`);
  if (findExtension(certificate, EXTENSION.extendedKeyUsage)?.critical !== true)
    throw refused(`${who} does not mark its extended key usage as critical`);
  if (isCa(certificate)) throw refused(`${who} is that of a CA, not of a timestamp authority`);
  const usage = keyUsage(certificate);
  if (usage !== undefined && !usage.has(KeyUsage.digitalSignature) && !usage.has(KeyUsage.nonRepudiation))
    throw refused(`the key usage of ${who} does not allow signatures`);
  checkCritical(certificate, KNOWN, who);
}

/** Throws a refusal unless the token is signed by the key of the certificate, over this content, and names the certificate. */
export async function checkTokenSignature(
  { certificate, isMeant }: JudgedCandidate,
  { info, content, signer }: TimestampToken,
  crypto: TimestampCrypto,
): Promise<void> {
  const { attributes, digest, scheme, signedBytes, signature } = signer;
  if (!equalBytes(await crypto.digest(digest, content), attributes.messageDigest))
    throw refused('what is signed is the digest of another timestamp than the one in the token');
  const key = publicKeyOf(certificate.spki);
  if (key.type !== scheme.keyType)
    throw refused('the key of the timestamp authority does not fit the signature');
  const weakness = weaknessOf(key);
  if (weakness !== undefined) throw refused(`the key of the timestamp authority ${weakness}`);
  if (!(await crypto.verify(scheme, certificate.spki, signedBytes, signature)))
    throw refused('the signature of the timestamp authority does not hold');
  if (info.authority !== undefined && !isCalled(certificate, info.authority))
    throw refused('the timestamp says that it is by an authority of another name than its certificate has');
  if (!isMeant) throw refused('the token says that it was signed with another certificate');
}

/** Whether a GeneralName is one of the names of the subject (RFC 3161 §2.4.2). */
const isCalled = (certificate: Certificate, name: Uint8Array): boolean =>
  equalBytes(name, explicit(4, certificate.subject)) ||
  subjectAltNames(certificate).some((one) => equalBytes(one, name));

/** Whether one of the identifiers in the token is that of the certificate. Where it stands in the list does not matter. */
async function isMeantByAny(
  certificate: Certificate,
  ids: readonly CertificateId[],
  crypto: TimestampCrypto,
): Promise<boolean> {
  for (const id of ids) if (await isNamedBy(certificate, id, crypto)) return true;
  return false;
}

async function isNamedBy(
  certificate: Certificate,
  { hash, digest, issuerSerial }: CertificateId,
  crypto: TimestampCrypto,
): Promise<boolean> {
  if (!equalBytes(await crypto.digest(hash, certificate.der), digest)) return false;
  if (issuerSerial === undefined) return true;
  return equalBytes(certificate.issuer, issuerSerial.issuer) && isSerial(certificate, issuerSerial.serial);
}

/** Says of a token that no trusted authority is named in: whom it means, and whom of that name the trust knows. */
export function unknownSigner(
  { info, signer }: TimestampToken,
  embedded: readonly Certificate[],
  { authorities }: TimestampTrust,
  { sha256 }: TimestampCrypto,
): string {
  const [own] = embedded.filter((one) => isNamed(one, signer.id));
  const firsts = authorities.map(({ chain: [first] }) => first);
  const fingerprint = ({ der }: Certificate): string => toHex(sha256(der));
  const namesakes = firsts.filter(
    ({ subject, issuer }) =>
      (own !== undefined && equalBytes(subject, own.subject)) ||
      ('issuer' in signer.id && equalBytes(issuer, signer.id.issuer)),
  );
  const who =
    own === undefined ? signerText(signer.id) : `"${nameText(own.subject)}" (SHA-256 ${fingerprint(own)})`;
  const trusted = namesakes.map((one) => `"${nameText(one.subject)}" (SHA-256 ${fingerprint(one)})`);
  const known =
    trusted.length === 0
      ? `${authorities.length === 0 ? 'none is' : `none of the ${authorities.length} that are`} trusted`
      : `of its name or issuer ${trusted.length} are trusted, and none of them is it: ${trusted.join(', ')}`;
  return `the timestamp, of ${rfc3339(info.time)}, is by the authority ${who}; ${known}`;
}

function signerText(id: SignerId): string {
  if ('keyId' in id) return `with the key id ${toHex(id.keyId)}`;
  return `with the serial number ${toHex(id.serial)} below "${nameText(id.issuer)}"`;
}

/** Reads the certificates that came with a token. Throws FormatError. */
export const readEmbedded = (
  { certificates }: TimestampToken,
  trust: TimestampTrust,
): readonly Certificate[] => certificates.map((der) => trust.read(der));
