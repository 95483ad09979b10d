/** What a client asks for, as the transport found it: nothing is checked yet. */

/** The key to certify and how the client proves that it holds the private half. */
export type KeyRequest =
  | {
      readonly kind: 'publicKey';
      /** PEM text as bytes, or DER SubjectPublicKeyInfo. */
      readonly content: Uint8Array;
      /** Signature over the UTF-8 text of the principal's challenge. */
      readonly proof: Uint8Array;
    }
  | {
      readonly kind: 'csr';
      /** PEM text of a PKCS#10 request, as bytes. */
      readonly pem: Uint8Array;
    };

/** Longest parts of a {@link KeyRequest} that are parsed, in bytes; RSA 4096 needs 800 of PEM and 512 of proof. A longer
 * part is refused for its length alone, so a transport needs to keep one byte beyond the limit and no more. */
export const MAX_LENGTHS = { key: 16 * 1024, signature: 1024, request: 64 * 1024 } as const;

/** One request for a certificate. */
export interface SigningRequest {
  /** The identity token, a compact JWS. A secret: never in a message or a log line. */
  readonly token: string;
  readonly key: KeyRequest;
}
