/** The load generator as a child process on its own core, and its orders. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { LoadMeasurement, Order } from './load.ts';
import { own, PROCESS_TIMEOUT_MS, pinned, stop } from './process.ts';

/** A generator that waits for orders. */
export interface LoadGenerator {
  /** Rejects when not one certificate was issued. Requests that fail beside others are printed on stderr and counted. */
  measure(order: Order): Promise<LoadMeasurement>;
  close(): Promise<void>;
}

/** Starts the generator on `core`. */
export async function startLoadGenerator(core: number): Promise<LoadGenerator> {
  const [program = '', ...args] = pinned(core, [process.execPath, join(import.meta.dirname, 'load.js')]);
  const child = own(spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] }));
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  await answers.next();
  return {
    async measure(order) {
      child.stdin.write(`${JSON.stringify(order)}\n`);
      // A service that leaves a request without an answer.
      const impatience = setTimeout(() => child.kill('SIGKILL'), order.seconds * 1000 + PROCESS_TIMEOUT_MS);
      const answer = await answers.next();
      clearTimeout(impatience);
      if (answer.done === true) throw new Error('the load generator has ended');
      const measured = JSON.parse(answer.value) as LoadMeasurement;
      const { failures, firstFailure, certificates } = measured;
      if (failures > 0) process.stderr.write(`  ${failures} requests failed: ${firstFailure}\n`);
      if (certificates === 0) throw new Error(`no certificate was issued: ${firstFailure}`);
      return measured;
    },
    close: () => stop(child),
  };
}
