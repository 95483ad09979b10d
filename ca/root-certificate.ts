/** The root of a ceremony: its certificate from a file, beside its key. */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { equalBytes } from '../core/bytes.ts';
import { parseCertificate, type Certificate } from '../core/certificate.ts';
import { FormatError } from '../core/errors.ts';
import { decodePem } from '../core/pem.ts';
import { AuthorityError } from './authority-error.ts';
import { caKeyTypeOf, type CertificateSigner } from './certify.ts';
import type * as x509 from './x509.ts';

/** DER of the root in PEM `text`, alone or the last one of a chain, which must be the certificate of `key`. Throws
 * {@link AuthorityError}: `CHAIN_MALFORMED`, or `KEY_MISMATCH` with whose key it is if it belongs to another certificate of the chain. */
export function rootCertificate(text: string, key: KeyObject): Uint8Array {
  const certificates = certificatesIn(text);
  const spki = createPublicKey(key).export({ type: 'spki', format: 'der' });
  const root = certificates.at(-1);
  if (root !== undefined && equalBytes(root.spki, spki)) return root.der;
  const other = certificates.some((certificate) => equalBytes(certificate.spki, spki));
  const what = other
    ? 'the key is that of the issuing CA, not that of the root'
    : 'the key does not belong to the root certificate';
  throw new AuthorityError('KEY_MISMATCH', what, {
    hint: 'Name the root with --root (root.pem of `mayfly trust export`, or ca/chain.pem), and its own key with --root-key.',
  });
}

/** The root as the signer of a certificate. */
export const rootSigner = (root: x509.X509Certificate, key: KeyObject): CertificateSigner => ({
  key,
  name: root.subjectName,
  keyType: caKeyTypeOf(key),
});

function certificatesIn(pem: string): readonly Certificate[] {
  try {
    return decodePem(pem).map(({ bytes }) => parseCertificate(bytes));
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new AuthorityError('CHAIN_MALFORMED', `the root certificate cannot be read: ${error.message}`, {
      hint: 'It is a PEM block of type CERTIFICATE.',
      cause: error,
    });
  }
}
