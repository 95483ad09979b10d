/** Keys and certificates in requests to an artifact log, from their bytes to what checks a signature. */
import { createPublicKey, verify, type KeyObject } from 'node:crypto';
import { parseCertificate } from '../../core/certificate.ts';
import { FormatError } from '../../core/errors.ts';
import { keyWeakness } from '../../core/key-weakness.ts';
import { encodePem } from '../../core/pem.ts';
import { parsePublicKey, type PublicKeyInfo } from '../../core/public-key.ts';
import { hasUnreadNames, MAX_CERTIFICATE_NAMES } from '../../core/certificate-names.ts';
import { EntryError, type StockRefusal } from './entry-error.ts';
import { certificateVerifier, type EntryVerifier } from './proposed-entry.ts';

/** A key, alone or in a certificate. Nothing is known of who has it. */
export interface EntryKey {
  readonly verifier: EntryVerifier;
  readonly info: PublicKeyInfo;
  /** OpenSSL's, made when it is asked for. Throws for a point that is not on its curve. */
  readonly handle: KeyObject;
}

/** Bytes of a certificate or key. An entry with a longer one has no room in the log. */
const MAX_LENGTH = 48 * 1024;

/** Bits of RSA keys whose entries all verifiers know. */
const RSA_BITS: readonly number[] = [2048, 3072, 4096];

/** The key of a DER SubjectPublicKeyInfo. Throws {@link EntryError}. */
export const entryKeyOfSpki = (spki: Uint8Array): EntryKey => keyOf({ spki });

/** The key of a DER certificate. Nothing of the certificate is verified. Throws {@link EntryError}. */
export function entryKeyOfCertificate(certificate: Uint8Array): EntryKey {
  if (certificate.length > MAX_LENGTH) throw tooLarge();
  const parsed = guarded('certificate', () => parseCertificate(certificate));
  // What is logged must be found by every name that it has.
  if (hasUnreadNames(parsed))
    throw new EntryError(
      'ENTRY_KEY_REFUSED',
      `the certificate has more than ${MAX_CERTIFICATE_NAMES} subject alternative names`,
    );
  return keyOf(certificateVerifier(parsed));
}

function keyOf(verifier: EntryVerifier): EntryKey {
  const { spki } = verifier;
  if (spki.length > MAX_LENGTH) throw tooLarge();
  // Before OpenSSL sees it: there are keys at which Node ends the process.
  const info = guarded('public key', () => parsePublicKey(spki));
  requireGood(info);
  return new ReadKey(verifier, info);
}

/** Most keys sign digests, which needs no handle, and making one takes as long as half a signature. */
class ReadKey implements EntryKey {
  readonly verifier: EntryVerifier;
  readonly info: PublicKeyInfo;
  #handle: KeyObject | undefined;

  constructor(verifier: EntryVerifier, info: PublicKeyInfo) {
    this.verifier = verifier;
    this.info = info;
  }

  get handle(): KeyObject {
    const { spki } = this.verifier;
    return (this.#handle ??= createPublicKey(encodePem('PUBLIC KEY', spki)));
  }
}

function requireGood(info: PublicKeyInfo): void {
  if (info.type !== 'rsa') return;
  const weakness = RSA_BITS.includes(info.bits) ? keyWeakness(info) : `has ${info.bits} bits`;
  if (weakness === undefined) return;
  throw new EntryError('ENTRY_KEY_REFUSED', `the RSA key ${weakness}`, {
    hint: 'RSA keys are to have 2048, 3072 or 4096 bits and no known weakness.',
    stock: stock('entry algorithms are not allowed'),
  });
}

function guarded<T>(what: string, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    const isCurve = cause.code === 'UNSUPPORTED' && cause.message.includes('curve');
    throw refused(`the ${what} could not be read: ${cause.message}`, {
      cause,
      stock: isCurve ? stock('x509: unsupported elliptic curve') : undefined,
    });
  }
}

const stock = (message: string): StockRefusal => ({ status: 400, code: 400, message, by: 'handler' });

const tooLarge = (): EntryError =>
  new EntryError('ENTRY_TOO_LARGE', `the key or certificate has more than ${MAX_LENGTH} bytes`);

const refused = (
  sentence: string,
  details: { readonly cause: unknown; readonly stock?: StockRefusal | undefined },
): EntryError =>
  new EntryError('ENTRY_KEY_REFUSED', sentence, {
    hint: 'Send a certificate, or a key of ECDSA P-256, P-384 or P-521, of RSA or of Ed25519.',
    ...details,
  });

/** Whether `signature` is one over `message`: by SHA-256 for ECDSA and RSA, whatever the size of the key, and by pure Ed25519. That is what logs take over envelopes. */
export function signsMessage(key: EntryKey, message: Uint8Array, signature: Uint8Array): boolean {
  try {
    return verify(key.info.type === 'ed25519' ? null : 'sha256', message, key.handle, signature);
  } catch {
    // OpenSSL could not make sense of the key or the signature.
    return false;
  }
}
