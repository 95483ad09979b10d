/** What mocha requires before any test file, in its main process and in each that runs files. */
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
// Before any test: in Node 24, `X509Certificate.toLegacyObject` of a process that has not loaded TLS yet leaves
// `node:tls` without `createSecureContext` for good.
import 'node:tls';
import { projectRoot } from './project-root.ts';

// From source, every process that a test starts strips the types of some three hundred files. Kept, that costs a third.
process.env['NODE_COMPILE_CACHE'] ??= join(projectRoot, 'node_modules/.cache/compiled');
enableCompileCache(process.env['NODE_COMPILE_CACHE']);

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
    process.exit(1);
  }, LONGEST_END).unref();
}
