/** How a {@link Signer} signs. The name says key and hash; signatures are DER for ECDSA, PKCS#1 v1.5 for RSA. */
export type SignatureAlgorithm =
  'ecdsa-p256-sha256' | 'ecdsa-p384-sha384' | 'ecdsa-p521-sha512' | 'rsa-pkcs1-sha256' | 'ed25519';

/**
 * The only thing the rest of the program may ask of a private key. Narrow and asynchronous, so that a file, an HSM,
 * a KMS or another process can hold the key. CA certificates, tree heads, SCTs and timestamps are all signed by one
 * of these.
 */
export interface Signer {
  /** DER SubjectPublicKeyInfo of the public half. */
  readonly publicKey: Uint8Array;
  readonly algorithm: SignatureAlgorithm;
  /** The signature over `data` (hashed inside, as the algorithm says). Rejects when the key cannot be reached. */
  sign(data: Uint8Array): Promise<Uint8Array>;
}

/** SHA-256, handed in so that pure rooms stay free of any platform. 32 bytes, a new array each time; `data` is not
 * kept, for the caller may write over it. */
export type Sha256 = (data: Uint8Array) => Uint8Array;
