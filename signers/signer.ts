import type { SignatureAlgorithm } from '../core/signature-algorithm.ts';
import type { SignerError } from './signer-error.ts';

/**
 * The only thing the rest of the program may ask of a private key. Narrow and asynchronous, so that a file, a token, a key service or
 * another process can hold the key. CA certificates, tree heads, checkpoints, SCTs and timestamps are all signed by one
 * of these. `local-signer.ts` makes those whose key is in this process, `remote-signer.ts` all others.
 */
export interface Signer {
  /** DER SubjectPublicKeyInfo of the public half. */
  readonly publicKey: Uint8Array;
  readonly algorithm: SignatureAlgorithm;
  /** The signature over `data` (hashed inside, as the algorithm says). Rejects when the key cannot be reached. */
  sign(data: Uint8Array): Promise<Uint8Array>;
  /** What becomes of the signature over each, in their order, for a key that makes many in one call; those of one call are made all or none. Never rejects, and resolves once
   * nothing is under way any more. */
  readonly signAll?:
    ((data: readonly Uint8Array[]) => Promise<readonly PromiseSettledResult<Uint8Array>[]>) | undefined;
  /** What is known of the key elsewhere that signs; undefined for one in this process, which does not fail. */
  readonly remote?: RemoteKey | undefined;
}

/** A key outside the process, as its operator and those who ask for signatures see it. */
export interface RemoteKey {
  /** Its reference. Never a secret. */
  readonly where: string;
  /** The version that signs; undefined where it has none. */
  readonly version: string | undefined;
  /** Why a signature would be refused at once; undefined when it would be tried. Cheap. */
  refusal(): SignerError | undefined;
  /** Why the last signature failed; undefined after one that did not. */
  failure(): SignerError | undefined;
  /** What was counted since the start. */
  counts(): SignerCounts;
  /** Ends what reaches the key. Idempotent. */
  close(): Promise<void>;
}

/** Tries of one key since the start. */
export interface SignerCounts {
  /** By what became of them: `signed`, or the code of the error. */
  readonly outcomes: ReadonlyMap<string, number>;
  /** Tries that took at most {@link SIGNER_BUCKETS} seconds, for each bound, and of all. */
  readonly buckets: readonly number[];
  readonly count: number;
  /** Seconds of all tries. */
  readonly sum: number;
  readonly inFlight: number;
}

/** Upper bounds of the counts of durations, in seconds. */
export const SIGNER_BUCKETS: readonly number[] = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5,
];
