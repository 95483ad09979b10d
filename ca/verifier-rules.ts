/**
 * What verifiers refuse in a chain, beyond what keeps a CA from starting (`chain-checks.ts`): a CA with one of these
 * faults issues certificates that nobody accepts. `mayfly verify` knows the same rules in code of its own
 * (`verify/certificate-rules.ts`), and so do sigstore-python and Go; `test/ca/adopted-chains.test.ts` holds both against
 * each other.
 */
import { createPublicKey, X509Certificate } from 'node:crypto';
import { equalBytes } from '../core/bytes.ts';
import { findExtension, type Certificate } from '../core/certificate.ts';
import { Tag } from '../core/der-tag.ts';
import { readOnly } from '../core/der-reader.ts';
import { describeName } from '../core/distinguished-name.ts';
import { FormatError } from '../core/errors.ts';
import { encodePem } from '../core/pem.ts';
import { keyWeakness } from '../core/key-weakness.ts';
import { parsePublicKey } from '../core/public-key.ts';
import { SIGNATURE_SCHEMES } from '../core/signature-algorithm.ts';
import { AuthorityError, type AuthorityReason } from './authority-error.ts';
import { basicConstraints } from './ca-extensions.ts';

/** A fault as the end of a sentence about the certificate, and what to do about it. */
type Fault = readonly [code: AuthorityReason, what: string, hint: string];

/** Finds a fault of one certificate; `isLast` where nothing stands above it. May throw FormatError. */
type Rule = (cert: Certificate, isLast: boolean) => Fault | undefined;

const EMPTY_NAME_LENGTH = 2;
const MAX_PATH_LENGTH = 255;
const KEY_USAGE = '2.5.29.15';
const BASIC_CONSTRAINTS = '2.5.29.19';
const NAME_CONSTRAINTS = '2.5.29.30';
/** Of a CA, critical: key usage, basic constraints, extended key usage. */
const UNDERSTOOD: ReadonlySet<string> = new Set([KEY_USAGE, BASIC_CONSTRAINTS, '2.5.29.37']);

/** What verifiers refuse in the chain (issuing CA first), at most one fault of each certificate. */
export const verifierFaults = (chain: readonly Certificate[]): AuthorityError[] =>
  chain.flatMap((cert, index) => {
    const fault = faultOf(cert, index === chain.length - 1);
    if (fault === undefined) return [];
    const [code, what, hint] = fault;
    return [new AuthorityError(code, `${what}: clients refuse what is issued`, { hint })];
  });

function faultOf(cert: Certificate, isLast: boolean): Fault | undefined {
  try {
    const who = `CA certificate "${describeName(cert.subject)}"`;
    for (const rule of RULES) {
      const fault = rule(cert, isLast);
      if (fault !== undefined) return [fault[0], `${who}: ${fault[1]}`, fault[2]];
    }
    return undefined;
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return ['CHAIN_MALFORMED', `a CA certificate cannot be read: ${error.message}`, 'Have it issued anew.'];
  }
}

const RULES: readonly Rule[] = [
  function name({ subject }) {
    if (subject.length > EMPTY_NAME_LENGTH) return undefined;
    return ['CHAIN_MALFORMED', 'its name is empty', 'Have it issued with a common name.'];
  },
  function keyUsage(cert) {
    const usage = findExtension(cert, KEY_USAGE);
    if (usage === undefined)
      return ['KEY_USAGE', 'it has no key usage', 'Have it issued with a critical key usage of keyCertSign.'];
    const [unused = 8, ...octets] = readOnly(usage.value, Tag.bitString).value;
    if (unused <= 7 && octets.length > 0) return undefined;
    return ['KEY_USAGE', 'its key usage is malformed', 'Have it issued anew.'];
  },
  function constraints(cert) {
    const { pathLength = 0 } = basicConstraints(cert) ?? {};
    if (pathLength > MAX_PATH_LENGTH)
      return [
        'BASIC_CONSTRAINTS',
        'its path length is out of range',
        'Have it issued with a small one, or none.',
      ];
    if (findExtension(cert, BASIC_CONSTRAINTS)?.critical === true) return undefined;
    const hint = 'Have it issued with basicConstraints=critical,CA:TRUE.';
    return ['BASIC_CONSTRAINTS', 'its basic constraints are not critical', hint];
  },
  function nameConstraints(cert) {
    if (findExtension(cert, NAME_CONSTRAINTS) === undefined) return undefined;
    const hint = 'Have it issued without them: they cannot be judged for the names in these certificates.';
    return ['NAME_CONSTRAINTS', 'it has name constraints', hint];
  },
  function criticalExtensions(cert) {
    const unknown = cert.extensions.find(({ oid, critical }) => critical && !UNDERSTOOD.has(oid));
    if (unknown === undefined) return undefined;
    const hint = 'Have it issued without that extension, or with it not critical.';
    return ['CRITICAL_EXTENSION', `its extension ${unknown.oid} is critical`, hint];
  },
  function key({ spki }) {
    const why = keyWeakness(parsePublicKey(spki));
    if (why === undefined) return undefined;
    return [
      'KEY_UNSUITABLE',
      `its RSA key ${why}`,
      'Use a CA with a key of ECDSA, or RSA of 2048 bits and more.',
    ];
  },
  function signature(cert, isLast) {
    if (isLast || SIGNATURE_SCHEMES.has(cert.signatureAlgorithm)) return undefined;
    const hint = 'Have it issued with ECDSA or RSA (PKCS#1 v1.5), with SHA-256, SHA-384 or SHA-512.';
    return ['CHAIN_BROKEN', `it is signed with the algorithm ${cert.signatureAlgorithm}`, hint];
  },
  function anchor(cert, isLast) {
    if (!isLast || isSelfSigned(cert)) return undefined;
    const hint = `Add the certificate of "${describeName(cert.issuer)}" to the chain, and so on up to the root.`;
    return ['NOT_A_ROOT', 'it is the last of the chain and no root, for it did not sign itself', hint];
  },
];

/** By its name alone where its algorithm is one that no verifier takes, as SHA-1 in old roots: nobody checks it there. */
function isSelfSigned({ der, issuer, subject, spki, signatureAlgorithm }: Certificate): boolean {
  if (!equalBytes(issuer, subject)) return false;
  if (!SIGNATURE_SCHEMES.has(signatureAlgorithm)) return true;
  return new X509Certificate(der).verify(createPublicKey(encodePem('PUBLIC KEY', spki)));
}
