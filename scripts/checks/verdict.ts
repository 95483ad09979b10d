/** What one run of a check comes to, by how it ended, what it printed and which failures mocha noted. */
import { stripVTControlCharacters } from 'node:util';
import { BROKEN, HUNG, type Check } from './checks.ts';
import type { Failure } from './processes.ts';

/** A run of a check. */
export interface Ran {
  readonly check: Check;
  /** Undefined when it succeeded. */
  readonly failure: Failure | undefined;
  /** What it printed. */
  readonly output: string;
  /** What test/support/mocha-run.ts noted in `FAILURES_FILE`. */
  readonly noted: readonly NotedFailure[];
}

/** A failure of a test or of a hook. */
export interface NotedFailure {
  /** Path of the test file; a failure outside of every test has none. */
  readonly file?: string;
  readonly title: string;
  /** The first line of its message. */
  readonly message: string;
}

/** What is counted and printed of it. */
export interface Verdict {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** What is printed again at the end, since a log of this length is read from its end; empty when nothing failed. */
  readonly report: string;
  /** What can be tried once more. What failed and is not among these stays failed. */
  readonly attempts: readonly Attempt[];
}

/** A part of a check that failed, as a check of its own for a second attempt. */
export interface Attempt {
  readonly check: Check;
  /** What failed the first time, as `TITLE: MESSAGE`. */
  readonly failures: readonly string[];
  /** Full titles of the tests and hooks that failed; none of a step that is no suite. */
  readonly titles: readonly string[];
}

/** Whether that is how a second attempt holds: without a failure, and every test that failed ran and passed, as did the one that a failed
 * hook was for. One that is skipped now did not hold. `passes`: full titles of tests that passed. */
export function holds({ titles }: Attempt, { failed, passed }: Verdict, passes: readonly string[]): boolean {
  const isAmong = (title: string): boolean => {
    const [, suite, test] = /^(.*)"(?:before|after) (?:all|each)" hook.* for "(.*)"$/.exec(title) ?? [];
    if (suite === undefined || test === undefined) return passes.includes(title);
    return passes.some((one) => one.startsWith(suite) && one.endsWith(test));
  };
  return failed === 0 && passed > 0 && titles.every(isAmong);
}

/** Lines of a report: mocha's list of failures; the end of what a step printed. */
const LISTED = 100;
const TAIL = 40;

/** Judges a run. A suite that ends badly without a failure in its counts, or counts nothing, failed as a whole. */
export function judge(ran: Ran): Verdict {
  const { check, failure, output } = ran;
  const lines = stripVTControlCharacters(output).split('\n');
  if (typeof check.again !== 'object') {
    if (failure === undefined) return { ...NOTHING, passed: 1 };
    const mayBeChance = check.again === 'whole' && failure.status !== BROKEN;
    const attempts = mayBeChance ? [{ check, failures: [failure.how], titles: [] }] : [];
    return {
      ...NOTHING,
      failed: 1,
      report: reportOf(`${check.name} ${failure.how}`, lines.slice(-TAIL)),
      attempts,
    };
  }
  const [passed, failed, skipped] = [
    counted('passing', lines),
    counted('failing', lines),
    counted('pending', lines),
  ];
  const counts = { ...NOTHING, passed, failed, skipped };
  if (failed > 0) {
    const from = lines.findLastIndex((line) => isCount(line, 'failing'));
    const listed = lines.slice(from, from + LISTED);
    // A run that ended badly as well did not end for the failures alone.
    const { how, status } = failure ?? { how: 'ended with 0' };
    if (status !== Math.min(failed, 255) || status === HUNG)
      return {
        ...counts,
        report: reportOf(`${check.name} ${how}`, [
          ...listed,
          ...lines.slice(from).slice(LISTED).slice(-TAIL),
        ]),
      };
    return {
      ...counts,
      report: reportOf(check.name, listed),
      attempts: attemptsOf(ran, check.again.file, failed),
    };
  }
  if (failure === undefined && passed + skipped > 0) return counts;
  const how = failure?.how ?? 'ran no test';
  return { ...counts, failed: 1, report: reportOf(`${check.name} ${how}`, lines.slice(-TAIL)) };
}

const NOTHING: Verdict = { passed: 0, failed: 0, skipped: 0, report: '', attempts: [] };

const reportOf = (title: string, lines: readonly string[]): string =>
  `\n== FAILED: ${title}\n${lines.join('\n').trimEnd()}\n`;

const isCount = (line: string, word: string): boolean =>
  new RegExp(`^ *\\d+ ${word}(?: \\(.*\\))?$`).test(line);

/** What the last line `N WORD` of mocha says. */
function counted(word: string, lines: readonly string[]): number {
  return Number.parseInt(lines.findLast((line) => isCount(line, word)) ?? '0', 10);
}

/** How the message of a property begins that fast-check found a counterexample to. Other random values may well miss it. */
const COUNTEREXAMPLE = 'Property failed after';

/** One for each file with failures, unless one of them is a counterexample. None when mocha counts others than those that are noted. */
function attemptsOf({ check, noted }: Ran, command: readonly string[], failed: number): readonly Attempt[] {
  const byFile = Map.groupBy(noted, ({ file }) => file);
  if (noted.length !== failed || byFile.has(undefined)) return [];
  const mayHold = [...byFile].filter(([, failures]) =>
    failures.every(({ message }) => !message.startsWith(COUNTEREXAMPLE)),
  );
  return mayHold.map(([file = '', failures]) => ({
    check: { ...check, name: file, command: [...command, file] },
    failures: failures.map(({ title, message }) => `${title}: ${message}`),
    titles: failures.map(({ title }) => title),
  }));
}

/** What is printed at the end: what failed, in mocha's own words, what `held` at its second attempt, and the counts. `again` are the
 * verdicts on the second attempts. */
export function summary(
  first: readonly Verdict[],
  again: readonly Verdict[],
  held: ReadonlySet<Attempt>,
): { readonly failed: number; readonly text: string } {
  const warnings = [...held].flatMap(({ check, failures }) =>
    failures.map((failure) => `WARNING: held at the second attempt: ${check.name}: ${failure}`),
  );
  const sum = (count: 'passed' | 'failed' | 'skipped'): number =>
    first.reduce((total, verdict) => total + verdict[count], 0);
  const failed = sum('failed') - warnings.length;
  // Mocha lists the failures of a suite together: the list is printed while one of them is left.
  const isLeft = ({ failed, attempts }: Verdict): boolean =>
    failed > attempts.filter((attempt) => held.has(attempt)).flatMap(({ failures }) => failures).length;
  const reports = [...first.filter(isLeft), ...again].map(({ report }) => report);
  const counts = `${sum('passed') + warnings.length} passed, ${failed} failed, ${sum('skipped')} skipped`;
  const text = [...reports.filter((report) => report !== ''), ...warnings, '', counts].join('\n');
  return { failed, text };
}
