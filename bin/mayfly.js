#!/usr/bin/env node
// Starts Mayfly under a Node that can run it. Plain JavaScript for old engines: this file must parse and explain
// itself on any Node from 20, while the program needs node:sqlite.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const NEEDED = [22, 16];
const program = new URL('../dist/cli/main.js', import.meta.url);
const [major, minor] = process.versions.node.split('.').map(Number);
const isNewEnough = major > NEEDED[0] || (major === NEEDED[0] && minor >= NEEDED[1]);

/** Runs this file again under the runtime that `npm ci` brought into the checkout, and becomes its exit code. */
function handOver(runtime) {
  const child = spawn(runtime, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    stdio: 'inherit',
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => fail(`cannot start ${runtime}: ${error.message}`));
  child.on('exit', (code, signal) => {
    if (signal) {
      process.removeAllListeners(signal);
      process.kill(process.pid, signal);
    } else process.exitCode = code ?? 1;
  });
}

function fail(sentence) {
  console.error(`mayfly: ${sentence}`);
  process.exitCode = 1;
}

if (!isNewEnough) {
  const runtime = fileURLToPath(new URL('../node_modules/node/bin/node', import.meta.url));
  if (existsSync(runtime)) handOver(runtime);
  else {
    fail(
      `this is Node ${process.versions.node}; Mayfly needs Node ${NEEDED.join('.')} or newer. ` +
        'In a checkout, `npm ci` brings one.',
    );
  }
} else if (!existsSync(program)) {
  fail('this checkout is not built yet: run `npm run build` first (`npm start` does it for you).');
} else {
  const { main } = await import(program.href);
  await main(process.argv.slice(2));
}
