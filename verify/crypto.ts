import type { SignatureScheme } from '../core/signature-algorithm.ts';
import type { Sha256 } from '../core/hash.ts';

/** The cryptography that a verifier needs, handed in: Node's in the command line, WebCrypto's in a browser. */
export interface VerifyCrypto {
  readonly sha256: Sha256;
  /** Whether `signature` over `data` holds for the key. `spki` is DER SubjectPublicKeyInfo and of the scheme's kind;
   * ECDSA signatures are DER. A malformed key or signature is a "no", not an error. */
  verify(
    scheme: SignatureScheme,
    spki: Uint8Array,
    data: Uint8Array,
    signature: Uint8Array,
  ): boolean | Promise<boolean>;
  /** Where this one only counts what another does: that one. */
  readonly base?: VerifyCrypto | undefined;
}

/** What timestamps need besides. */
export interface TimestampCrypto extends VerifyCrypto {
  /** The digest of `data`; SHA-1 for the identifier of a certificate that is known by other means alone. */
  digest(hash: 'sha1' | 'sha256' | 'sha384' | 'sha512', data: Uint8Array): Uint8Array | Promise<Uint8Array>;
}
