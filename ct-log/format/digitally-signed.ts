/** TLS DigitallySigned as CT uses it (RFC 5246 §4.7; RFC 6962 §2.1.4): hash u8 ‖ signature u8 ‖ v16(signature). */
import { TlsReader, vector } from '../../core/tls.ts';
import { concat } from '../../core/bytes.ts';

/** TLS HashAlgorithm of SHA-256. */
export const TLS_SHA256 = 4;
/** TLS SignatureAlgorithm of ECDSA; 1 is RSA. */
export const TLS_ECDSA = 3;

/** A signature with the algorithms that it names. */
export interface DigitallySigned {
  /** TLS HashAlgorithm, e.g. {@link TLS_SHA256}. */
  readonly hashAlgorithm: number;
  /** TLS SignatureAlgorithm, e.g. {@link TLS_ECDSA}. */
  readonly signatureAlgorithm: number;
  /** For ECDSA a DER ECDSA-Sig-Value. */
  readonly signature: Uint8Array;
}

/** A DER ECDSA-Sig-Value over SHA-256 as DigitallySigned; throws FormatError when it is too long. */
export const encodeDigitallySigned = (ecdsaSignature: Uint8Array): Uint8Array =>
  concat([Uint8Array.of(TLS_SHA256, TLS_ECDSA), vector(2, ecdsaSignature)]);

/** Reads a DigitallySigned at the reader's place; throws FormatError. */
export function readDigitallySigned(reader: TlsReader): DigitallySigned {
  const hashAlgorithm = reader.uint(1);
  const signatureAlgorithm = reader.uint(1);
  return { hashAlgorithm, signatureAlgorithm, signature: reader.vector(2) };
}

/** Reads bytes that are exactly one DigitallySigned, as `get-sth` returns it; throws FormatError. */
export function parseDigitallySigned(bytes: Uint8Array): DigitallySigned {
  const reader = new TlsReader(bytes);
  const out = readDigitallySigned(reader);
  reader.end();
  return out;
}
