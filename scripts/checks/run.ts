/**
 * Runs the checks of `.ci/run`: `node scripts/checks/run.ts FOLDER`, in a clone inside FOLDER, which is removed at the end.
 *
 * Clients wait for services, services for disks: the long tests leave some of two cores idle, so that whatever judges no time
 * runs beside them. What failed, and may have failed by chance, has a second attempt, alone, when everything else is over.
 */
import { readFileSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { ALONE, BESIDE, BUILD, LONG_TESTS, SHORT_TESTS, type Check } from './checks.ts';
import { endAll, runLogged } from './processes.ts';
import { judge, summary, type Attempt, type NotedFailure, type Verdict } from './verdict.ts';

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

const verdicts = [await show(SHORT_TESTS), await show(BUILD)];
const beside = runEach(BESIDE);
verdicts.push(await show(LONG_TESTS));
for (const { heading, output, verdict } of await beside) {
  console.log(`\n== ${heading}, beside the checks before\n${output}`);
  verdicts.push(verdict);
}
for (const check of ALONE) verdicts.push(await show(check));
await finish();

interface Done {
  /** Its name and the time that it took, so that it is seen which one grows. */
  readonly heading: string;
  readonly output: string;
  readonly verdict: Verdict;
}

async function runEach(checks: readonly Check[]): Promise<readonly Done[]> {
  const done: Done[] = [];
  for (const check of checks) done.push(await run(check, false));
  return done;
}

/** Runs a check whose output is seen as it comes. */
async function show(check: Check): Promise<Verdict> {
  console.log(`\n== ${check.name}`);
  const { heading, verdict } = await run(check, true);
  console.log(`== ${heading}`);
  return verdict;
}

async function run(check: Check, isShown: boolean): Promise<Done> {
  const [from, number] = [performance.now(), ++runs];
  const [log, failures] = [join(work, `${number}.log`), join(work, `${number}.failures`)];
  const env = { ...process.env, CI: 'true', PROPERTY_RUNS: 'full', FAILURES_FILE: failures, ...check.env };
  const failure = await runLogged(check.command, env, log, isShown);
  const output = readFileSync(log, 'utf8');
  const verdict = judge({ check, failure, output, noted: readNoted(failures) });
  return { heading: `${check.name}: ${seconds(from)} s`, output, verdict };
}

/** The failures that mocha noted, with paths from here. */
function readNoted(path: string): readonly NotedFailure[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return [];
  }
  const noted = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as NotedFailure);
  return noted.map(({ file, ...rest }) =>
    file === undefined ? rest : { file: relative('.', file), ...rest },
  );
}

/** Makes the second attempts, and prints what failed, what held then, and the counts. */
async function finish(): Promise<void> {
  const attempts = verdicts.flatMap((verdict) => verdict.attempts);
  const held = new Set<Attempt>();
  const again: Verdict[] = [];
  for (const attempt of attempts.length <= MOST_ATTEMPTS ? attempts : []) {
    const verdict = await show({ ...attempt.check, name: `second attempt, alone: ${attempt.check.name}` });
    again.push(verdict);
    if (verdict.failed === 0 && verdict.passed > 0) held.add(attempt);
  }
  console.log(`\n== all of it: ${Math.round(seconds(began) / 60)} min`);
  const { failed, text } = summary(verdicts, again, held);
  console.log(text);
  process.exitCode = failed === 0 ? 0 : 1;
}

function seconds(from: number): number {
  return Math.round((performance.now() - from) / 1000);
}
