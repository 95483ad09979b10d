/** Certificates in one file for programs that import PKCS#7: SignedData without content and signers (RFC 5652 §5), as RFC 5272 has it for handing over
 * certificates. */
import { contextTag } from '../core/der-tag.ts';
import { explicit, oid, sequence, set, tlv, unsignedInteger } from '../core/der-writer.ts';
import { encodePem } from '../core/pem.ts';

const DATA = oid('1.2.840.113549.1.7.1');
const SIGNED_DATA = oid('1.2.840.113549.1.7.2');

/** The text of a `.p7b` with these DER certificates: PEM, which Windows, OpenSSL and keytool take alike. */
export const pkcs7Bundle = (certificates: readonly Uint8Array[]): string =>
  encodePem(
    'PKCS7',
    sequence(
      SIGNED_DATA,
      explicit(
        0,
        sequence(
          unsignedInteger(Uint8Array.of(1)),
          set(),
          sequence(DATA),
          tlv(contextTag(0, true), ...derSetOrder(certificates)),
          set(),
        ),
      ),
    ),
  );

/** The elements of a SET OF as DER sorts them: by their bytes (X.690 §11.6). */
export const derSetOrder = (elements: readonly Uint8Array[]): readonly Uint8Array[] =>
  [...elements].sort((a, b) => Buffer.compare(a, b));
