/**
 * What holds a private key outside the process: a token, a key service. A backend is a folder beside this file whose module
 * exports a {@link Backend}; `open-signer.ts` names it and imports it when a reference asks. It does one thing, a signature
 * over one input: what limits, repeats, checks and counts is the same for all of them, in `remote-signer.ts`.
 */
import type { SignatureAlgorithm } from '../core/signature-algorithm.ts';
import type { KeyReference } from './key-reference.ts';
import type { KeyType } from './key-types.ts';

/** A fact about a key for `mayfly keys show` and `check`: the slot, the endpoint, who we are there. Never a secret. */
export interface KeyFact {
  readonly name: string;
  readonly value: string;
}

/** A key of a backend, open. Its functions reject with SignerError and nothing else; the code says what may be tried again. */
export interface BackendKey {
  /** DER SubjectPublicKeyInfo of the public half, as the backend says it. The chain or the log decides whether it is the right one. */
  readonly publicKey: Uint8Array;
  /** How it signs; follows from the kind of key. */
  readonly algorithm: SignatureAlgorithm;
  /** The version that signs, for good, where a key has versions: a later one is another key. */
  readonly version?: string | undefined;
  /** The form of its ECDSA signatures: DER, or r‖s (IEEE P1363). The caller makes DER of both. */
  readonly ecdsaForm: 'der' | 'p1363';
  /**
   * One signature, tried once: `input` is the digest that the algorithm wants, for Ed25519 the message. At `signal` it rejects within some
   * milliseconds, and frees what it holds: a connection, a process.
   */
  sign(input: Uint8Array, signal: AbortSignal): Promise<Uint8Array>;
  /**
   * Where keys share a backend that makes fewer signatures at once than are asked for: resolves with true once there is room for one, which is for the
   * {@link sign} that follows and which that frees; with false at `signal`. The time of a try begins after it, so that waiting for others is no trouble of the key.
   */
  room?(signal: AbortSignal): Promise<boolean>;
  /** The same for several inputs in one call, in their order; all or nothing. */
  signMany?(inputs: readonly Uint8Array[], signal: AbortSignal): Promise<readonly Uint8Array[]>;
  /** Most inputs of {@link signMany}; default 100. */
  readonly mostAtOnce?: number | undefined;
  /** Gets fresh credentials after a `SIGNER_DENIED`; then the signature is tried once more. Not where trying costs something, such as a
   * PIN of which the token counts the wrong tries. */
  renew?(signal: AbortSignal): Promise<void>;
  /** What an operator should know of it. */
  describe(): Promise<readonly KeyFact[]>;
  /** Ends what it started. Idempotent. */
  close(): Promise<void>;
}

/** What a backend takes from around it. */
export interface BackendSurroundings {
  /** Ends the opening. */
  readonly signal: AbortSignal;
  /** Environment variables, for credentials and addresses. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Asks the person at the terminal for a secret; undefined where nobody is there, as in a service. */
  readonly ask?: ((question: string) => Promise<string>) | undefined;
  /** Something that the operator should know, a sentence. */
  readonly note?: ((sentence: string) => void) | undefined;
}

/** What keys of one kind of reference are reached by. */
export interface Backend<Reference extends KeyReference = KeyReference> {
  /** Finds the key and reads its public half. Rejects with SignerError. */
  open(reference: Reference, surroundings: BackendSurroundings): Promise<BackendKey>;
  /** Makes a new key there that cannot leave it. Rejects with SignerError, also where there is one of that name. */
  generate?(reference: Reference, type: KeyType, surroundings: BackendSurroundings): Promise<BackendKey>;
}
