/**
 * The record of a decision over one signing request. It is made once, when the decision is known, and never changes: the
 * audit, the metrics and the service log are written from it.
 *
 * Nothing in it is the word of an untrusted caller: issuer block, issuer and principal are set only after the signature
 * of the token was verified.
 */
import { MayflyError } from '../core/errors.ts';
import type { ExtensionValues } from '../core/fulcio-extensions.ts';

/** Who sent a signing request, as the transport knows it. */
export interface Caller {
  readonly requestId: string;
  /** Address of the client; empty when the connection is gone. */
  readonly address: string;
  /** Milliseconds since the request came in. */
  readonly ms: number;
}

/** What is certain of a request. A field that is undefined was not reached. */
export interface CertainFacts {
  /** Name of the issuer block that the token falls to by its audience. */
  readonly issuerBlock?: string | undefined;
  /** As the certificate names it; the token's `iss` until that is known. */
  readonly issuer?: string | undefined;
  /** The name in the certificate. */
  readonly principal?: string | undefined;
  /** Lower-case hexadecimal: of the precertificate that the log took, or may have taken. */
  readonly serial?: string | undefined;
  /** Origin of that log. */
  readonly log?: string | undefined;
  /** Index of its entry in the log; undefined where a log of somebody else promised to log it. */
  readonly leafIndex?: number | undefined;
}

/** A certificate that may leave. */
export interface IssuedDecision extends CertainFacts {
  readonly outcome: 'issued';
  readonly caller: Caller;
  readonly issuerBlock: string;
  readonly issuer: string;
  readonly principal: string;
  /** Name of the rule that allowed it; undefined when none had to. */
  readonly rule: string | undefined;
  readonly serial: string;
  readonly log: string;
  /** Size of the signed head that covers the entry; undefined where a log of somebody else promised to log it. */
  readonly treeSize: number | undefined;
  /** DER. */
  readonly certificate: Uint8Array;
  /** Values of Fulcio's extensions in it, by number. */
  readonly extensions: ExtensionValues;
  /** Milliseconds since the epoch. */
  readonly notAfter: number;
}

/** What is kept of a certificate that left, beside the audit. */
export type ReleasedDecision = Omit<IssuedDecision, 'certificate' | 'extensions'>;

/** A request that gets no certificate. */
export interface RefusedDecision extends CertainFacts {
  readonly outcome: 'refused';
  readonly caller: Caller;
  /** What was thrown. */
  readonly error: unknown;
  /** Name of the rule that refused it. A rule that allowed it, before something else did not, is not named. */
  readonly rule: string | undefined;
}

/** The record of a request that `error` refused when `facts` were certain. */
export const refusedDecision = (caller: Caller, error: unknown, facts: CertainFacts): RefusedDecision => ({
  outcome: 'refused',
  caller,
  error,
  issuerBlock: facts.issuerBlock,
  issuer: facts.issuer,
  principal: facts.principal,
  rule: error instanceof MayflyError ? error.metadata['rule'] : undefined,
  serial: facts.serial,
  log: facts.log,
  leafIndex: facts.leafIndex,
});
