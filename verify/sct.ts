/** The signed certificate timestamp in a certificate (RFC 6962 §3.3). */
import { fromHex, toBase64, toHex } from '../core/bytes.ts';
import { findExtension, type Certificate } from '../core/certificate.ts';
import { parseSct, parseSctList, SCT_LIST_OID, type Sct } from '../ct-log/format/sct.ts';
import type { VerifyCrypto } from './crypto.ts';
import { isSignedByLog, logScheme } from './log-key.ts';
import { requireWithin } from './trust-windows.ts';
import type { PreparedTrustLog, PreparedTrust } from './trust.ts';
import { refused, type VerifyError } from './verify-error.ts';

/** An SCT and the log that it names. */
export interface FoundSct {
  readonly sct: Sct;
  readonly log: PreparedTrustLog;
}

/** Whether a certificate carries any, right or wrong. */
export const hasSct = (certificate: Certificate): boolean =>
  findExtension(certificate, SCT_LIST_OID) !== undefined;

/** The one SCT of the certificate, if a trusted log made it, in the time in which it is trusted. That is judged at the SCT's own time: with
 * that time the log signed it, and a log whose key was stolen can date it back no further than the CA dated the certificate. Its signature
 * is not checked yet. Throws a refusal or FormatError. */
export function findSct(certificate: Certificate, trust: PreparedTrust): FoundSct {
  const extension = findExtension(certificate, SCT_LIST_OID);
  if (extension === undefined)
    throw refused('the certificate carries no SCT: nothing says that it was logged');
  const [first, ...more] = parseSctList(extension.value);
  // Two would be a wrong certificate: the first clients of this CA accept exactly one.
  if (first === undefined || more.length > 0) throw refused('the certificate must carry exactly one SCT');
  const sct = parseSct(first);
  const log = trust.logs.get(toHex(sct.logId));
  if (log === undefined) throw untrusted(sct, trust);
  logScheme(sct, log.publicKey, 'the SCT');
  requireWithin(log.windows, [sct.timestamp], `the log ${log.name}`);
  return { sct, log };
}

/** Newer trust may know the log: that it is unknown is nothing that is wrong with the certificate. */
function untrusted({ logId }: Sct, { logs, unusable }: PreparedTrust): VerifyError {
  const trusted = [...logs].map(([id, { name }]) => `${name} (${toBase64(fromHex(id))})`);
  const known = trusted.length === 0 ? 'none is' : `trusted: ${trusted.join(', ')}`;
  const sentence = `the SCT is of a log that is not trusted, ${toBase64(logId)}; ${known}`;
  return refused([sentence, ...unusable].join('; '), 'trust');
}

/** Throws a refusal unless the log signed this leaf. */
export async function checkSctSignature(
  { sct, log }: FoundSct,
  leaf: Uint8Array,
  crypto: VerifyCrypto,
): Promise<void> {
  if (!(await isSignedByLog(sct, log.publicKey, leaf, 'the SCT', crypto)))
    throw refused(`the signature of the log ${log.name} over this certificate does not hold`);
}
