/**
 * What makes a chain fit to issue code-signing certificates: Fulcio's start-up check, and beyond it what clients will
 * refuse later (path length, key usage). One table per certificate, one loop.
 */
import { createPublicKey, X509Certificate } from 'node:crypto';
import { equalBytes } from '../core/bytes.ts';
import type { Certificate } from '../core/certificate.ts';
import { rfc3339 } from '../core/clock.ts';
import { describeName } from '../core/distinguished-name.ts';
import { encodePem } from '../core/pem.ts';
import { parsePublicKey } from '../core/public-key.ts';
import { AuthorityError, type AuthorityReason } from './authority-error.ts';
import { basicConstraints, extendedKeyUsages, maySignCertificates } from './ca-extensions.ts';

/** Checks one certificate. `index` is 0 for the issuing CA; `parent` is undefined for the last one. Throws. */
type Check = (cert: Certificate, index: number, parent: Certificate | undefined, now: number) => void;

const CODE_SIGNING = '1.3.6.1.5.5.7.3.3';
const ANY_USAGE = '2.5.29.37.0';

/** Critical extensions that are understood here or harmless to a CA: key usage, basic constraints, name constraints,
 * policies, policy mappings and constraints, extended key usage. */
const UNDERSTOOD = new Set(['15', '19', '30', '32', '33', '36', '37', '54'].map((arc) => `2.5.29.${arc}`));

/** Signatures that nobody should trust: MD5 and SHA-1. */
const BROKEN = new Set(['1.2.840.113549.1.1.4', '1.2.840.113549.1.1.5', '1.2.840.10045.4.1']);

/** Throws {@link AuthorityError} unless every certificate is fit at `now` (ms) and signed by the next one. */
export function checkChain(chain: readonly Certificate[], now: number): void {
  chain.forEach((cert, index) => {
    for (const check of CHECKS) check(cert, index, chain[index + 1], now);
  });
  const issuing = chain[0];
  if (issuing !== undefined && chain.length > 1 && !extendedKeyUsages(issuing)?.includes(CODE_SIGNING)) {
    throw refusal(
      'EXTENDED_KEY_USAGE',
      issuing,
      'certificate must have extended key usage code signing set to sign code signing certificates',
      'Have the intermediate issued with the extended key usage codeSigning.',
    );
  }
}

const CHECKS: readonly Check[] = [
  function time(cert, _index, _parent, now) {
    if (now > cert.notAfter + 999) {
      throw refusal(
        'CHAIN_EXPIRED',
        cert,
        `it expired at ${rfc3339(cert.notAfter)}`,
        'Have a renewed chain issued: `mayfly ca renew --csr FILE` begins it.',
      );
    }
    if (now < cert.notBefore) {
      const from = rfc3339(cert.notBefore);
      throw refusal(
        'CHAIN_NOT_YET_VALID',
        cert,
        `it is valid only from ${from}`,
        "Check the server's clock.",
      );
    }
  },
  function authority(cert, index) {
    const constraints = basicConstraints(cert);
    if (!constraints?.ca) {
      throw refusal('NOT_A_CA', cert, 'certificate is not a CA', 'Put the issuing CA certificate first.');
    }
    if (constraints.pathLength !== undefined && constraints.pathLength < index) {
      const allowed = `${constraints.pathLength} CA certificates`;
      throw refusal(
        'PATH_TOO_LONG',
        cert,
        `it allows ${allowed} below itself, and the chain has ${index}: clients would refuse what is issued`,
        'Have it issued with a larger path length, or issue from a CA nearer to it.',
      );
    }
  },
  function keyUsage(cert) {
    if (maySignCertificates(cert)) return;
    throw refusal('KEY_USAGE', cert, 'its key usage lacks keyCertSign', 'Have it issued with keyCertSign.');
  },
  function extendedKeyUsage(cert) {
    const usages = extendedKeyUsages(cert);
    if (usages === undefined || usages.includes(CODE_SIGNING) || usages.includes(ANY_USAGE)) return;
    throw refusal(
      'EXTENDED_KEY_USAGE',
      cert,
      'its extended key usages do not allow code signing',
      'Every CA certificate that has extended key usages needs codeSigning among them.',
    );
  },
  function criticalExtensions(cert) {
    const unknown = cert.extensions.find(({ oid, critical }) => critical && !UNDERSTOOD.has(oid));
    if (unknown === undefined) return;
    throw refusal(
      'CRITICAL_EXTENSION',
      cert,
      `it has the unknown critical extension ${unknown.oid}`,
      'Clients refuse such a certificate: have it issued without it.',
    );
  },
  function signature(cert, _index, parent) {
    if (parent !== undefined) checkSignature(cert, parent);
  },
];

/** Throws {@link AuthorityError} `CHAIN_BROKEN` unless each certificate was signed by the next one. */
export function checkSignatures(chain: readonly Certificate[]): void {
  chain.forEach((cert, index) => {
    const parent = chain[index + 1];
    if (parent !== undefined) checkSignature(cert, parent);
  });
}

function checkSignature(cert: Certificate, parent: Certificate): void {
  if (!equalBytes(cert.issuer, parent.subject)) {
    throw refusal('CHAIN_BROKEN', cert, 'the next certificate is not its issuer', ORDER);
  }
  if (BROKEN.has(cert.signatureAlgorithm)) {
    throw refusal('CHAIN_BROKEN', cert, 'it is signed with SHA-1 or MD5', 'Have it issued with SHA-256.');
  }
  if (!isSignedBy(cert, parent)) {
    throw refusal('CHAIN_BROKEN', cert, 'its signature was not made by the next certificate', ORDER);
  }
}

const ORDER = 'Order the file: issuing CA first, then each issuer, root last.';

function isSignedBy(cert: Certificate, parent: Certificate): boolean {
  try {
    // Refuses what OpenSSL may take: Ed25519 points with which anybody can sign.
    parsePublicKey(parent.spki);
    return new X509Certificate(cert.der).verify(createPublicKey(encodePem('PUBLIC KEY', parent.spki)));
  } catch {
    return false;
  }
}

function refusal(code: AuthorityReason, cert: Certificate, what: string, hint: string): AuthorityError {
  return new AuthorityError(code, `CA certificate "${describeName(cert.subject)}": ${what}`, { hint });
}
