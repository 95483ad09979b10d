/**
 * Runs the checks of `.ci/run`: `node scripts/checks/run.ts FOLDER`, in a clone inside FOLDER, which is removed at the end.
 *
 * Clients wait for services, services for disks: the long tests leave some of two cores idle, so that whatever judges no time
 * runs beside them. What failed, and may have failed by chance, has a second attempt, alone: of the short tests before there is a build, which
 * the program would be run from, of the rest when everything else is over.
 */
import { readFileSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { ALONE, BESIDE, BUILD, LONG_TESTS, SHORT_TESTS, type Check } from './checks.ts';
import { endAll, runLogged } from './processes.ts';
import { holds, judge, summary, type Attempt, type NotedFailure, type Verdict } from './verdict.ts';

/** With more files and steps than these, it is no chance. */
const MOST_ATTEMPTS = 5;

const work = process.argv[2] ?? '';
const began = performance.now();
let runs = 0;

for (const [signal, status] of [
  ['SIGTERM', 143],
  ['SIGINT', 130],
  ['SIGHUP', 129],
] as const)
  process.on(signal, () => {
    void endAll().finally(() => process.exit(status));
  });
process.once('exit', () => {
  rmSync(work, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
});

const held = new Set<Attempt>();
const again: Verdict[] = [];
let tried = 0;

const verdicts = [await show(SHORT_TESTS)];
await tryAgain();
verdicts.push(await show(BUILD));
const beside = runEach(BESIDE);
verdicts.push(await show(LONG_TESTS));
for (const { heading, output, verdict } of await beside) {
  console.log(`\n== ${heading}, beside the checks before\n${output}`);
  verdicts.push(verdict);
}
for (const check of ALONE) verdicts.push(await show(check));
await tryAgain();
finish();

interface Done {
  /** Its name and the time that it took, so that it is seen which one grows. */
  readonly heading: string;
  readonly output: string;
  readonly verdict: Verdict;
  /** Full titles of the tests that passed. */
  readonly passes: readonly string[];
}

async function runEach(checks: readonly Check[]): Promise<readonly Done[]> {
  const done: Done[] = [];
  for (const check of checks) done.push(await run(check, false));
  return done;
}

/** Runs a check whose output is seen as it comes. */
async function show(check: Check): Promise<Verdict> {
  return (await showRun(check)).verdict;
}

async function showRun(check: Check): Promise<Done> {
  console.log(`\n== ${check.name}`);
  const done = await run(check, true);
  console.log(`== ${done.heading}`);
  return done;
}

async function run(check: Check, isShown: boolean): Promise<Done> {
  const [from, number] = [performance.now(), ++runs];
  const file = (kind: string): string => join(work, `${number}.${kind}`);
  const [log, failures, passed] = [file('log'), file('failures'), file('passes')];
  const notes = { FAILURES_FILE: failures, PASSES_FILE: passed };
  const env = { ...process.env, CI: 'true', PROPERTY_RUNS: 'full', ...notes, ...check.env };
  const failure = await runLogged(check.command, env, log, isShown);
  const output = readFileSync(log, 'utf8');
  const noted = (readLines(failures) as NotedFailure[]).map(({ file, ...rest }) =>
    // With paths from here.
    file === undefined ? rest : { file: relative('.', file), ...rest },
  );
  const verdict = judge({ check, failure, output, noted });
  const passes = readLines(passed) as string[];
  return { heading: `${check.name}: ${seconds(from)} s`, output, verdict, passes };
}

/** What mocha noted, a line of JSON each. */
function readLines(path: string): readonly unknown[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return [];
  }
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);
}

/** Makes the second attempts that are due. */
async function tryAgain(): Promise<void> {
  const attempts = verdicts.flatMap((verdict) => verdict.attempts);
  if (attempts.length > MOST_ATTEMPTS) return;
  for (const attempt of attempts.slice(tried)) {
    tried++;
    const { verdict, passes } = await showRun({
      ...attempt.check,
      name: `second attempt, alone: ${attempt.check.name}`,
    });
    again.push(verdict);
    if (holds(attempt, verdict, passes)) held.add(attempt);
  }
}

/** Prints what failed, what held at its second attempt, and the counts. */
function finish(): void {
  console.log(`\n== all of it: ${Math.round(seconds(began) / 60)} min`);
  const { failed, text } = summary(verdicts, again, held);
  console.log(text);
  process.exitCode = failed === 0 ? 0 : 1;
}

function seconds(from: number): number {
  return Math.round((performance.now() - from) / 1000);
}
