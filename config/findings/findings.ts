import type { ConfigProblem } from './config-error.ts';

/** Codes of what works in a configuration but should be known, as docs/configuration.md explains them. */
export type FindingCode =
  | 'NO_ISSUER'
  /** A block of `mayfly config preset` whose marks nobody replaced. */
  | 'STILL_MARKED'
  /** A variable of a shell or a template, or a YAML tag, that nothing replaced. */
  | 'UNEXPANDED'
  | 'UNKNOWN_KEY'
  /** A time or size as a bare number. */
  | 'UNIT_MISSING'
  /** A file that is named and cannot be read, or holds nothing of use. */
  | 'FILE_UNUSABLE'
  | 'ISSUER_MISSPELT'
  /** An issuer type by which no token of the provider gets a certificate. */
  | 'TYPE_UNFIT'
  | 'PLAIN_HTTP'
  | 'EMAIL_UNVERIFIED'
  | 'SHARED_AUDIENCE'
  /** Everyone whom the issuer authenticates gets a certificate, and that is everybody. */
  | 'OPEN_TO_THE_WORLD'
  /** Everyone whom the issuer authenticates gets a certificate. */
  | 'NO_RULES'
  /** Nobody gets a certificate: rules are required, and none allows anything. */
  | 'NOTHING_ALLOWED'
  /** A condition that more tokens meet than was meant. */
  | 'RULE_WEAK'
  | 'ISSUER_CLAIM_OPEN'
  | 'DEPRECATED_TYPE'
  | 'PATTERN_MISPLACED'
  | 'PATTERN_BROAD'
  | 'RATE_LIMIT_OFF'
  | 'NO_EFFECT'
  /** Clients sign without an entry in one of the own logs. */
  | 'NO_ARTIFACT_LOG'
  | 'PROXIES_UNLIMITED'
  | 'PUBLIC_URL_PATH';

/** One thing that works but should be known. Unlike a problem it does not keep the file from being used. */
export interface ConfigFinding extends ConfigProblem {
  readonly code: FindingCode;
  /** Where something else should be written: the block, as YAML. */
  readonly replacement?: string | undefined;
}
