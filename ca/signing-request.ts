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

/** One request for a certificate. */
export interface SigningRequest {
  /** The identity token, a compact JWS. A secret: never in a message or a log line. */
  readonly token: string;
  readonly key: KeyRequest;
}
