import { printable } from '../../core/printable.ts';
import type { ExpectationDifference } from '../../explain/expectation.ts';
import type { Explanation } from '../../explain/explanation.ts';

/** What became of a case. */
export interface CaseResult {
  readonly name: string;
  /** Where it stands in the file. */
  readonly line: number;
  readonly differences: readonly ExpectationDifference[];
  readonly explanation: Explanation;
}

/** A rule that no case makes hold: nobody knows whether it does what it should. */
interface Unreached {
  readonly entry: string;
  readonly rule: string;
}

/** The results for a person and for a machine. */
export function testReport(file: string, results: readonly CaseResult[]) {
  const failed = results.filter(({ differences }) => differences.length > 0).length;
  const passed = results.length - failed;
  const unreached = unreachedBy(results);
  const cases = results.map(({ name, line, differences, explanation: { issued, refusal, rule } }) => ({
    name,
    line,
    ok: differences.length === 0,
    issued,
    refusal,
    rule,
    differences,
  }));
  const lines = [
    ...results.flatMap((result) => caseLines(file, result)),
    ...(unreached.length === 0 ? [] : ['', 'No case makes these rules hold:']),
    ...unreached.map(({ entry, rule }) => `        ${printable(`${rule} (${entry})`)}`),
    '',
    `${passed} passed, ${failed} failed`,
  ];
  return { text: lines.join('\n'), result: { ok: failed === 0, passed, failed, cases, unreached } };
}

function caseLines(file: string, { name, line, differences }: CaseResult): string[] {
  if (differences.length === 0) return [`ok      ${printable(name)}`];
  return [
    `FAILED  ${printable(name)} (${printable(file)}:${line})`,
    ...differences.flatMap(({ what, expected, found }) => [
      `        ${what}`,
      `          expected  ${printable(expected)}`,
      `          found     ${printable(found)}`,
    ]),
  ];
}

/** Of the issuer blocks that cases choose. */
function unreachedBy(results: readonly CaseResult[]): Unreached[] {
  const held = new Map<string, boolean>();
  const known = new Map<string, Unreached>();
  for (const { explanation } of results) {
    const entry = explanation.issuers.find(({ chosen }) => chosen)?.name ?? '';
    for (const { rule, outcome } of explanation.rules) {
      const key = JSON.stringify([entry, rule]);
      known.set(key, { entry, rule });
      held.set(key, held.get(key) === true || outcome === 'holds');
    }
  }
  return [...known].filter(([key]) => held.get(key) !== true).map(([, unreached]) => unreached);
}
