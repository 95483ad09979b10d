/** What an {@link Explainer} finds out; plain values, ready to be printed. */
import type { SubjectAltName } from '../core/subject-alt-name.ts';

/** What the service looks at, in its order. */
export const CHECKS = [
  ...(['token', 'algorithm', 'issuer', 'signature', 'audience', 'expiry', 'not-before'] as const),
  ...(['identity', 'key', 'rules', 'rate-limit', 'replay', 'lifetime', 'encoding'] as const),
] as const;

/** One of {@link CHECKS}. */
export type CheckName = (typeof CHECKS)[number];

/** What became of one of them. */
export interface ExplainedCheck {
  readonly name: CheckName;
  /** `not checked`: it cannot be, here; `skipped`: it needs one that failed. */
  readonly outcome: 'ok' | 'failed' | 'not checked' | 'skipped';
  readonly detail: string;
}

/** Why the service would refuse: the reason, sentence and hint that it would answer with. */
export interface ExplainedRefusal {
  readonly reason: string;
  readonly sentence: string;
  readonly hint?: string | undefined;
  /** The rule that refused, if one did. */
  readonly rule?: string | undefined;
}

/** An issuer block of the configuration, and why it is or is not the one. */
export interface IssuerVerdict {
  readonly name: string;
  /** The issuer's URL, or the pattern of a meta issuer. */
  readonly url: string;
  readonly chosen: boolean;
  readonly why: string;
}

/** One of Fulcio's extensions in the certificate. */
interface ExtensionPreview {
  readonly number: number;
  readonly name: string;
  readonly value: string;
}

/** What the certificate would say. */
export interface CertificatePreview {
  readonly san: SubjectAltName;
  readonly extensions: readonly ExtensionPreview[];
  /** Milliseconds since the epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
}

/** What became of one rule. */
export interface RuleVerdict {
  readonly rule: string;
  readonly effect: 'allow' | 'deny';
  readonly outcome: 'holds' | 'does not hold' | 'failed';
  /** Why it failed. */
  readonly detail?: string | undefined;
}

/** The whole answer. */
export interface Explanation {
  readonly issued: boolean;
  /** Set exactly when not `issued`: the first in the service's order. */
  readonly refusal?: ExplainedRefusal | undefined;
  /** One for each of {@link CHECKS}. */
  readonly checks: readonly ExplainedCheck[];
  readonly issuers: readonly IssuerVerdict[];
  /** Of the issuer block that was chosen. */
  readonly rules: readonly RuleVerdict[];
  /** The rule that decides among them, whatever else refuses. */
  readonly rule?: string | undefined;
  /** Also there when something else refuses, as far as it is known. */
  readonly certificate?: CertificatePreview | undefined;
}
