#!/usr/bin/env node
// Starts Mayfly under a Node that can run it. Plain JavaScript for old engines: this file must parse and explain
// itself on any Node from 20, while the program needs node:sqlite.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { isAbsolute } from 'node:path';
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

/** Where the package of this platform keeps the runtime. */
function runtimePath() {
  const { platform, arch } = process;
  return platform === 'win32' ? `node-win-${arch}/bin/node.exe` : `node-${platform}-${arch}/bin/node`;
}

/** What a process that serves asks of the engine, which reads it at its very start.
 *
 * Issuance leaves some 30 KB outside the heap behind for each certificate. By default the engine takes that for pressure
 * and marks the whole heap each time it comes to 8 MB, four times a second under load and once a second at leisure, for
 * 10 to 20 ms; with room to grow it hardly ever does. And it lets the young generation grow until collecting that takes
 * 10 ms; a small one takes 2. See docs/benchmarks.md. */
const FOR_SERVING = ['--max-semi-space-size=8', '--heap-growing-percent=400'];
const SERVING = ['serve', 'dev'];

/** Becomes the same process with those flags, where that is known to work; otherwise it goes on without them, which
 * costs nothing but longer pauses. */
function tuneForServing() {
  const [command] = process.argv.slice(2).filter((word) => !word.startsWith('-'));
  if (!SERVING.includes(command) || isTuned() || wouldLose()) return;
  try {
    if (!canBecomeTuned()) return;
    const words = [process.argv0, ...process.execArgv, ...FOR_SERVING, ...process.argv.slice(1)];
    process.execve(process.execPath, words, process.env);
  } catch {
    // Node's permission model forbids it.
  }
}

/** Whether this is that process already, or whoever started it chose flags of the kind. */
function isTuned() {
  const chosen = `${process.execArgv.join(' ')} ${process.env.NODE_OPTIONS ?? ''}`;
  return /semi[-_]space|heap[-_]growing/.test(chosen);
}

/** Whether the process would come out with less than it has: Node closes the files that it was started with, but for the
 * first three, and the channel to a parent that is Node. */
function wouldLose() {
  return process.connected === true || process.argv.some((word) => /\/fd\/\d/.test(word));
}

/** Whether there is such a call and this Node takes the flags. A call that fails ends the process, and so would a flag
 * that another engine does not know; trying costs 10 ms. */
function canBecomeTuned() {
  // Windows has no such call. Without /proc, Node does not know where it lies.
  if (process.platform === 'win32' || process.execve === undefined || !isAbsolute(process.execPath))
    return false;
  const words = [...FOR_SERVING, '--version'];
  return spawnSync(process.execPath, words, { stdio: 'ignore', timeout: 5000 }).status === 0;
}

function fail(sentence) {
  console.error(`mayfly: ${sentence}`);
  process.exitCode = 1;
}

if (!isNewEnough) {
  const runtime = fileURLToPath(new URL(`../node_modules/${runtimePath()}`, import.meta.url));
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
  tuneForServing();
  const { main } = await import(program.href);
  await main(process.argv.slice(2));
}
