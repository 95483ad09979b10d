/** The signed certificate timestamp in a certificate (RFC 6962 §3.3). */
import { fromHex, toBase64, toHex } from '../core/bytes.ts';
import { findExtension, type Certificate } from '../core/certificate.ts';
import { SIGNATURE_ALGORITHMS } from '../core/signature-algorithm.ts';
import { TLS_ECDSA, TLS_SHA256 } from '../ct-log/format/digitally-signed.ts';
import { parseSct, parseSctList, SCT_LIST_OID, type Sct } from '../ct-log/format/sct.ts';
import type { VerifyCrypto } from './crypto.ts';
import type { PreparedTrust, TrustedLog } from './trust.ts';
import { refused, type VerifyError } from './verify-error.ts';

/** How a log signs SCTs and tree heads: ECDSA P-256 with SHA-256. */
export const LOG_SCHEME = SIGNATURE_ALGORITHMS['ecdsa-p256-sha256'];

/** An SCT and the log that it names. */
export interface FoundSct {
  readonly sct: Sct;
  readonly log: TrustedLog;
}

/** The one SCT of the certificate, if a trusted log made it. Its signature is not checked yet. Throws a refusal or
 * FormatError. */
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
  if (sct.hashAlgorithm !== TLS_SHA256 || sct.signatureAlgorithm !== TLS_ECDSA) {
    throw refused('the SCT is not signed by ECDSA with SHA-256');
  }
  return { sct, log };
}

function untrusted({ logId }: Sct, { logs }: PreparedTrust): VerifyError {
  const trusted = [...logs].map(([id, { origin }]) => `${origin} (${toBase64(fromHex(id))})`);
  const known = trusted.length === 0 ? 'none is' : `trusted: ${trusted.join(', ')}`;
  return refused(`the SCT is of a log that is not trusted, ${toBase64(logId)}; ${known}`);
}

/** Throws a refusal unless the log signed this leaf. */
export async function checkSctSignature(
  found: FoundSct,
  leaf: Uint8Array,
  crypto: VerifyCrypto,
): Promise<void> {
  if (!(await crypto.verify(LOG_SCHEME, found.log.publicKey, leaf, found.sct.signature))) {
    throw refused(`the signature of the log ${found.log.origin} over this certificate does not hold`);
  }
}
