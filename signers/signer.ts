import type { SignatureAlgorithm } from '../core/signature-algorithm.ts';

/**
 * The only thing the rest of the program may ask of a private key. Narrow and asynchronous, so that a file, an HSM,
 * a KMS or another process can hold the key. CA certificates, tree heads, SCTs and timestamps are all signed by one
 * of these.
 *
 * A new backend is one file beside this one, whose function returns a signer, and one line in `openSigner` of
 * `service/open-authority.ts`, through which the service opens the keys of the CA and of its logs. Ceremonies (`ca/`) sign
 * with key files alone.
 */
export interface Signer {
  /** DER SubjectPublicKeyInfo of the public half. */
  readonly publicKey: Uint8Array;
  readonly algorithm: SignatureAlgorithm;
  /** The signature over `data` (hashed inside, as the algorithm says). Rejects when the key cannot be reached. */
  sign(data: Uint8Array): Promise<Uint8Array>;
}
