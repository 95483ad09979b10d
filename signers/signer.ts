import type { SignatureAlgorithm } from '../core/signature-algorithm.ts';

/**
 * The only thing the rest of the program may ask of a private key. Narrow and asynchronous, so that a file, an HSM,
 * a KMS or another process can hold the key. CA certificates, tree heads, checkpoints and SCTs are all signed by one
 * of these.
 *
 * Another backend is a file beside this one, whose function returns a signer, and a line for its scheme in
 * `open-signer.ts`, through which the service and `mayfly log freeze` open the keys of the CA and of its log. What is still to
 * be done for the first one: `instance/data-paths.ts` names every key as a file of the data directory and must say where a
 * URI is kept, and ceremonies (`ca/`, `mayfly init`, `mayfly ca`, `mayfly keys`) make and rewrite key files, and sign with them.
 */
export interface Signer {
  /** DER SubjectPublicKeyInfo of the public half. */
  readonly publicKey: Uint8Array;
  readonly algorithm: SignatureAlgorithm;
  /** The signature over `data` (hashed inside, as the algorithm says). Rejects when the key cannot be reached. */
  sign(data: Uint8Array): Promise<Uint8Array>;
}
