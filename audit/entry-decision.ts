import type { Caller } from '../ca/decision.ts';

/** Whose signature an entry of an artifact log is about. */
export type EntrySigner =
  | {
      /** The names in the certificate, as many as a line has room for. */
      readonly principals: readonly string[];
      /** The OpenID issuer that it names. */
      readonly issuer: string | undefined;
      /** Of the certificate, lower-case hexadecimal. */
      readonly certificateSha256: string;
    }
  /** Of a key without a certificate: of its SubjectPublicKeyInfo. */
  | { readonly keySha256: string };

/** An entry that an artifact log took. Nothing in it is a signature or a payload. */
export interface LoggedEntryDecision {
  readonly caller: Caller;
  /** Which log: `artifacts/v1`, `artifacts/v2`, and those that followed them: `artifacts/v1-2`. */
  readonly log: string;
  /** As clients count. */
  readonly logIndex: number;
  /** Lower-case hexadecimal. */
  readonly leafHash: string;
  /** With its version: `hashedrekord 0.0.2`. */
  readonly kind: string;
  readonly signers: readonly EntrySigner[];
  /** `algorithm:hex`: what the body has, then what the payload names, as many as a line has room for. */
  readonly digests: readonly string[];
}

/** A certificate or precertificate of another CA that the certificate log took. */
export interface SubmittedDecision {
  readonly caller: Caller;
  /** Which log: `log/2026`. */
  readonly log: string;
  readonly leafIndex: number;
  readonly kind: 'certificate' | 'precertificate';
  /** Name of the CA that signed it. */
  readonly authority: string;
  /** Lower-case hexadecimal, as the hashes: of what was handed in, and of the certificate of who signed it. */
  readonly serial: string;
  readonly certificateSha256: string;
  readonly chainSha256: string;
}

/** A request to log an entry that was refused. */
export interface RefusedEntryDecision {
  readonly caller: Caller;
  readonly log: string;
}

/** That the body of an entry is withheld, by a command of the operator. */
export interface RedactedEntry {
  readonly log: string;
  /** As clients count. */
  readonly logIndex: number;
  /** Lower-case hexadecimal. */
  readonly leafHash: string;
  /** Milliseconds since the epoch. */
  readonly redactedAt: number;
  /** The operator's words. */
  readonly because: string;
}
