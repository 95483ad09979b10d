import type { JsonValue } from '../../core/strict-json.ts';
import type { EntryVerifier } from './proposed-entry.ts';

/** What the `spec` of a request comes to. */
export interface ReadEntry {
  /** Its members stand in the order of RFC 8785. */
  readonly body: JsonValue;
  readonly verifiers: readonly EntryVerifier[];
  readonly namedDigests: readonly string[];
  /** What a new entry needs and the body of one that is logged does not have; undefined when all is there, and every signature was verified. */
  readonly missing: string | undefined;
}
