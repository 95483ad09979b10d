/** Whether an attestation is about the artifact, and says what is asked for. */
import { equalBytes } from '../../core/bytes.ts';
import { printable } from '../../core/printable.ts';
import type { JsonValue } from '../../core/strict-json.ts';
import { IN_TOTO_PAYLOAD_TYPE, type Envelope } from '../../bundle/format/envelope.ts';
import { parseStatement, type Statement, type StatementSubject } from '../../bundle/format/statement.ts';
import { refused } from '../verify-error.ts';
import type { Artifact } from './artifact.ts';

/** A demand on what an attestation says of its artifact. */
export interface PredicatePolicy {
  /** What is demanded, in words. */
  readonly description: string;
  /** Throws a refusal when it cannot be decided. */
  accepts(statement: { readonly predicateType: string; readonly predicate: JsonValue }): boolean;
}

/** Reads the statement in an envelope; throws a refusal or FormatError when there is none. */
export function readStatement({ payloadType, payload }: Envelope): Statement {
  if (payloadType !== IN_TOTO_PAYLOAD_TYPE)
    throw refused(
      `the envelope holds "${printable(payloadType.slice(0, 200))}", not an in-toto statement (${IN_TOTO_PAYLOAD_TYPE})`,
    );
  return parseStatement(payload);
}

/** Throws a refusal unless one of the subjects is the artifact. Returns what was found, in words, with how many could not be compared. */
export async function checkSubject({ subjects }: Statement, artifact: Artifact): Promise<string> {
  const outcomes = await Promise.all(subjects.map((subject) => compare(subject, artifact)));
  const incomparable = outcomes.filter((outcome) => outcome === 'incomparable').length;
  if (incomparable === subjects.length)
    throw refused(
      'no subject of the statement has a digest by a hash by which the artifact is known',
      'policy',
    );
  const others = incomparable === 0 ? '' : `; ${incomparable} of ${subjects.length} cannot be compared`;
  const found = subjects[outcomes.indexOf('same')];
  if (found === undefined) throw refused(`the artifact is no subject of the statement${others}`);
  return `a subject of the statement: "${printable(found.name)}"${others}`;
}

/** A subject is the artifact if all of its digests that can be compared are the artifact's, and at least one can be. */
async function compare(
  { digests }: StatementSubject,
  artifact: Artifact,
): Promise<'same' | 'other' | 'incomparable'> {
  let compared = 0;
  for (const { hash, digest } of digests) {
    const own = await artifact.digest(hash);
    if (own === undefined) continue;
    if (!equalBytes(own, digest)) return 'other';
    compared++;
  }
  return compared > 0 ? 'same' : 'incomparable';
}

/** Throws a refusal unless the statement is of that type. */
export function checkPredicateType(statement: Statement | undefined, wanted: string): string {
  if (statement === undefined)
    throw refused('the bundle holds no statement, and one was asked for', 'policy');
  const { predicateType } = statement;
  if (predicateType !== wanted)
    throw refused(
      `the predicate type is "${printable(predicateType)}", wanted is "${printable(wanted)}"`,
      'policy',
    );
  return `"${printable(predicateType)}"`;
}

/** Throws a refusal unless the predicate is one that the policy accepts. */
export function checkPredicate(statement: Statement | undefined, policy: PredicatePolicy): string {
  if (statement === undefined)
    throw refused('the bundle holds no statement, and one was asked for', 'policy');
  const { predicateType, predicate } = statement;
  if (!policy.accepts({ predicateType, predicate: predicate ?? null }))
    throw refused(`the predicate is not as demanded: ${printable(policy.description)}`, 'policy');
  return printable(policy.description);
}
