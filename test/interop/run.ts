/**
 * `npm run interop`: other people's clients against a Mayfly on loopback, all of them that can be had here (`CLIENTS=all` builds those that take minutes); prints the table and
 * writes docs/interop.md.
 *
 *     node test/interop/run.ts [--fast | --list]
 *
 * `--fast`: sigstore-js, sigstore-python, openssl, curl, cosign and the public cases alone. `--list`: how many tests each row has; none is run.
 *
 * The rows are tests of `test/judges`, which `npm run test:long` runs, too: a client is used by its public flags, and nothing in it is changed.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Mocha from 'mocha';
import { VERSION } from '../../core/version.ts';
import { projectRoot } from '../support/project-root.ts';
import { interopPage, printRows, type InteropResult, type RowResult } from './page.ts';
import { CROSS_FILE, isFast, REFUSALS_FILE, ROWS } from './rows.ts';

// Each run of mocha listens for what nobody catches.
process.setMaxListeners(100);

const onlyFast = process.argv.includes('--fast');
const rows = ROWS.filter((row) => !onlyFast || isFast(row));
const files = new Set([...rows.map(({ file }) => file), ...(onlyFast ? [] : [CROSS_FILE, REFUSALS_FILE])]);
if (process.argv.includes('--list')) await list();

/** Tests that ran, by their file below `test/`. */
const done = new Map<string, InteropResult[]>();
/** Why the next test is skipped: what skips one says so just before. */
let lacking = '';
const warn = console.warn;
console.warn = (...words: unknown[]) => {
  const [, reason] = /NOT TESTED: (.*)/.exec(String(words[0])) ?? [];
  if (reason !== undefined) lacking = reason;
};

for (const file of files) {
  process.stderr.write(`${file} …\n`);
  done.set(file, await runFile(join(projectRoot, 'test', file)));
}
console.warn = warn;

const table: readonly RowResult[] = rows.map((row) => {
  const all = (done.get(row.file) ?? []).filter(({ title }) => row.title?.test(title) ?? true);
  return { client: row.client, operation: row.operation, ...together(all) };
});
const cross = done.get(CROSS_FILE) ?? [];
const refusals = done.get(REFUSALS_FILE) ?? [];
printRows(table, cross, refusals);
if (!onlyFast) {
  const versions = { mayfly: VERSION, node: process.versions.node };
  writeFileSync(join(projectRoot, 'docs/interop.md'), interopPage(table, cross, refusals, versions));
}
const failed = [...table, ...cross, ...refusals].filter(({ outcome }) => outcome === 'fail');
process.exit(failed.length === 0 ? 0 : 1);

/** The tests of one file, of which those that no row names are left out. */
async function loaded(path: string): Promise<Mocha> {
  // The base of all reporters prints nothing.
  const mocha = new Mocha({ timeout: 600_000, reporter: Mocha.reporters.Base });
  mocha.addFile(path);
  await mocha.loadFilesAsync();
  const titles = rows.filter(({ file }) => path.endsWith(file)).map(({ title }) => title?.source ?? '');
  return mocha.grep(new RegExp(titles.join('|')));
}

/** Prints the rows with the number of their tests, and ends: with 1 when one has none. */
async function list(): Promise<never> {
  const titles = new Map<string, string[]>();
  for (const file of files) {
    const found: string[] = [];
    (await loaded(join(projectRoot, 'test', file))).suite.eachTest((test) => found.push(test.fullTitle()));
    titles.set(file, found);
  }
  const counts = rows.map(
    ({ file, title }) => (titles.get(file) ?? []).filter((one) => title?.test(one) ?? true).length,
  );
  for (const [index, { client, operation }] of rows.entries())
    console.log(`${counts[index]} ${client}: ${operation}`);
  process.exit(counts.includes(0) ? 1 : 0);
}

/** Runs the tests of one file. A suite that cannot begin is one failed, or skipped, test. */
async function runFile(path: string): Promise<InteropResult[]> {
  const mocha = await loaded(path);
  const results: InteropResult[] = [];
  await new Promise<void>((resolve) => {
    const runner = mocha.run(() => {
      resolve();
    });
    const add = (test: Mocha.Runnable, outcome: InteropResult['outcome'], why: string): void => {
      results.push({ title: test.fullTitle(), outcome, why, ms: test.duration ?? 0 });
    };
    runner.on('pass', (test) => {
      add(test, 'pass', '');
    });
    runner.on('pending', (test) => {
      add(test, 'skipped', lacking);
    });
    runner.on('fail', (test, error: Error) => {
      add(test, 'fail', error.message.split('\n')[0] ?? '');
    });
  });
  return results;
}

/** One outcome for a row: the worst; a row without a test is a failure, for nothing was tried. */
function together(all: readonly InteropResult[]): Omit<RowResult, 'client' | 'operation'> {
  const ms = all.reduce((sum, one) => sum + one.ms, 0);
  const failure = all.find(({ outcome }) => outcome === 'fail');
  if (failure !== undefined) return { outcome: 'fail', why: failure.why, ms };
  if (all.length === 0) return { outcome: 'fail', why: 'no test of that name ran', ms };
  const skipped = all.find(({ outcome }) => outcome === 'skipped');
  return skipped === undefined
    ? { outcome: 'pass', why: '', ms }
    : { outcome: 'skipped', why: skipped.why, ms };
}
