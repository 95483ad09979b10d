/** What mocha requires before any test file, in its main process and in each that runs files. */
import { appendFileSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
// Before any test: in Node 24, `X509Certificate.toLegacyObject` of a process that has not loaded TLS yet leaves
// `node:tls` without `createSecureContext` for good.
import 'node:tls';
import { HUNG } from '../../scripts/checks/checks.ts';
import { projectRoot } from './project-root.ts';

// From source, every process that a test starts strips the types of some three hundred files. Kept, that costs a third.
process.env['NODE_COMPILE_CACHE'] ??= join(projectRoot, 'node_modules/.cache/compiled');
enableCompileCache(process.env['NODE_COMPILE_CACHE']);

/** Called by mocha with its runner, in its main process, before any test. Notes each failure of a test or a hook as a line of JSON in
 * `FAILURES_FILE`, where that is set: `.ci/run` tries those files once more. Each test that passed is a line of JSON, its full title, in
 * `PASSES_FILE`, by which it sees that what failed ran again. */
export function mochaGlobalSetup(this: Mocha.Runner): void {
  const { FAILURES_FILE: path, PASSES_FILE: passes } = process.env;
  // What tests start has failures of its own.
  delete process.env['FAILURES_FILE'];
  delete process.env['PASSES_FILE'];
  if (passes !== undefined)
    this.on('pass', (test) => {
      appendFileSync(passes, `${JSON.stringify(test.fullTitle())}\n`);
    });
  if (path === undefined) return;
  this.on('fail', (failed: Mocha.Runnable, error: unknown) => {
    const message = String((error as Partial<Error> | undefined)?.message ?? error).split('\n')[0];
    appendFileSync(path, `${JSON.stringify({ file: failed.file, title: failed.fullTitle(), message })}\n`);
  });
}

/** Milliseconds that the process has for its end once every test is over. */
const LONGEST_END = 20_000;

/** Called by mocha when every test is over. A test that failed half-way may leave a server, a thread or a loop behind, and
 * one that passed may have a leak: then the process would never end, and nobody would see why. */
export function mochaGlobalTeardown(): void {
  setTimeout(() => {
    const held = Object.entries(Object.groupBy(process.getActiveResourcesInfo(), (kind) => kind));
    const kinds = held.map(([kind, all = []]) => `${all.length} ${kind}`).join(', ');
    console.error(`\nEvery test is over, but the process does not end. It is held by: ${kinds || 'a loop'}.`);
    console.error('If a test failed, look at that one first: it may not have closed what it opened.');
    process.exit(HUNG);
  }, LONGEST_END).unref();
}
