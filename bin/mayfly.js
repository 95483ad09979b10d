#!/usr/bin/env node
// Starts Mayfly under a Node that can run it. Plain JavaScript for old engines: this file must parse and explain
// itself on any Node from 20, while the program needs node:sqlite.

// Asked for, where Node can be: an import looks at everything that a module has, which takes milliseconds.
const builtin = async (name) => process.getBuiltinModule?.(name) ?? (await import(name));
const { existsSync } = await builtin('node:fs');
const { basename, dirname, isAbsolute, join } = await builtin('node:path');
const { fileURLToPath } = await builtin('node:url');

const NEEDED = [22, 16];
const built = new URL('../dist/cli/main.js', import.meta.url);
/** Runs as it is in a checkout that is not built, and cannot be where the compiler was left out (`npm ci --omit=dev`). */
const source = new URL('../cli/main.ts', import.meta.url);
const readsTypeScript = Boolean(process.features.typescript) && existsSync(source);
const program = !existsSync(built) && readsTypeScript ? source : built;
const [major, minor] = process.versions.node.split('.').map(Number);
const isNewEnough = major > NEEDED[0] || (major === NEEDED[0] && minor >= NEEDED[1]);
const words = process.argv.slice(2);
const [command] = words.filter((word) => !word.startsWith('-'));
const serves = ['serve', 'dev'].includes(command);

/** Signals from the first line on; the command takes them over when it opens something. Node answers SIGUSR1 with a
 * debugger for every user of the machine, and SIGUSR2 and SIGHUP with its end. */
function listenForSignals() {
  const ignore = () => undefined;
  process.on('SIGUSR1', ignore);
  if (!serves) return;
  process.on('SIGUSR2', ignore);
  // The configuration is not read yet, or the terminal of `dev` is gone.
  process.on('SIGHUP', command === 'serve' ? ignore : () => process.exit(0));
  endOnSignals();
}

const STOP = ['SIGINT', 'SIGTERM', 'SIGQUIT'];

/** As long as nothing is open, an end needs no order. */
function endOnSignals() {
  for (const signal of STOP) process.on(signal, () => process.exit(0));
}

/** What a process that serves asks of the C library, which reads that at its very start; a caller's own value stays. Each thread gets an
 * arena of memory by default, and what its peak leaves there is nobody else's. See docs/process.md. */
const ONE_ARENA = { MALLOC_ARENA_MAX: '1' };

/** Flags of `runtime` that this process lacks for serving: those of the garbage collector unless its caller chose
 * some of the kind, and none that the engine does not know, which would end it; trying costs 10 ms. */
async function missingFlags(runtime, execArgv) {
  const { SHUT, TUNED } = await import('./flags.js');
  const { spawnSync } = await import('node:child_process');
  const chosen = `${execArgv.join(' ')} ${process.env.NODE_OPTIONS ?? ''}`;
  const isTuned = /semi[-_]space|heap[-_]growing/.test(chosen);
  const flags = [
    ...(isTuned ? [] : TUNED),
    ...(/(^|\s)--disable[-_]sigusr1(\s|$)/.test(chosen) ? [] : [SHUT]),
  ];
  const isKnown = (some) =>
    spawnSync(runtime, [...some, '--version'], { stdio: 'ignore', timeout: 5000 }).status === 0;
  if (flags.length === 0 || isKnown(flags)) return flags;
  return flags.includes(SHUT) && isKnown([SHUT]) ? [SHUT] : [];
}

/** Becomes the same process with those flags, where that is known to work; otherwise it goes on without them, which
 * costs longer pauses. */
async function becomeServing() {
  if (!serves || !canBecome()) return;
  const { setImmediate: turn } = await import('node:timers/promises');
  try {
    const flags = await missingFlags(process.execPath, process.execArgv);
    if (flags.length === 0) return;
    // A signal that came while the flags were tried has its turn. One that comes from now on must not wait in a process
    // that is about to go: the system answers it.
    await turn();
    for (const signal of STOP) process.removeAllListeners(signal);
    const words = [process.argv0, ...process.execArgv, ...flags, ...process.argv.slice(1)];
    process.execve(process.execPath, words, { ...ONE_ARENA, ...process.env });
  } catch {
    // Node's permission model forbids it.
    endOnSignals();
  }
}

/** Whether there is such a call, and the process would come out with all it has: a failed call ends it, and Node closes
 * the files that it was started with, but for the first three, and the channel to a parent that is Node. */
function canBecome() {
  // Windows has no such call. Without /proc, Node does not know where it lies.
  if (process.platform === 'win32' || process.execve === undefined || !isAbsolute(process.execPath))
    return false;
  return process.connected !== true && !process.argv.some((word) => /\/fd\/\d/.test(word));
}

/** Runs this file again under the runtime that npm installed with the program, and ends as it ends; it ends with this
 * process. */
async function handOver(runtime) {
  let isUp = false;
  const { spawnTied } = await import('./lifeline.js');
  const flags = serves ? await missingFlags(runtime, []) : [];
  // The name it was called by is the one that it prints in commands to paste.
  const child = spawnTied([runtime, ...flags, process.argv[1], ...words], () => {
    isUp = true;
  });
  for (const signal of [...STOP, 'SIGHUP']) {
    process.removeAllListeners(signal);
    process.on(signal, () => {
      // Nothing is loaded yet that could be loaded again, and it would end the child.
      if (signal !== 'SIGHUP' || isUp || command !== 'serve') child.kill(signal);
    });
  }
  child.on('error', (error) => fail(`cannot start ${runtime}: ${error.message}`));
  child.on('exit', (code, signal) => {
    if (signal) {
      process.removeAllListeners(signal);
      process.kill(process.pid, signal);
    } else process.exitCode = code ?? 1;
  });
}

/** The runtime of this platform, in its package: npm puts that below this one, or beside it where a project depends on
 * Mayfly. Undefined when it is not installed. Nowhere else is looked: another user may write above. */
function installedRuntime() {
  const { platform, arch } = process;
  const path = platform === 'win32' ? `node-win-${arch}/bin/node.exe` : `node-${platform}-${arch}/bin/node`;
  const root = fileURLToPath(new URL('..', import.meta.url));
  const beside = basename(dirname(root)) === 'node_modules' ? [join(dirname(root), path)] : [];
  return [join(root, 'node_modules', path), ...beside].find((file) => existsSync(file));
}

function fail(message, hint, code = 'INTERNAL') {
  if (words.includes('--json')) console.log(JSON.stringify({ error: { code, message, hint } }));
  else console.error(`mayfly: ${message}${hint === undefined ? '' : `\n  ${hint}`}`);
  process.exitCode = 1;
}

/** Says what is open and ends at once. */
async function refuse(doors) {
  const hint = 'Start the service without it. To look inside Mayfly, use `mayfly dev`.';
  fail(doors.join('; '), hint, 'RUNTIME_UNSAFE');
  if (!(await isDebugged())) return;
  // An ordinary end would wait until the debugger leaves.
  if (canBecome()) process.execve(process.execPath, [process.argv0, '-e', 'process.exit(1)'], {});
  process.kill(process.pid, 'SIGKILL');
}

/** Whether a debugger is open. Some builds of Node have none. */
async function isDebugged() {
  return process.features.inspector && (await import('node:inspector')).url() !== undefined;
}

/** A built command that is run again and again stands in one file with all of the program that it needs. */
function bundleOf(command) {
  if (program !== built || command === undefined || !/^[a-z]+$/.test(command)) return undefined;
  const file = fileURLToPath(new URL(`../dist/commands/${command}.cjs`, import.meta.url));
  return existsSync(file) ? file : undefined;
}

/** Ends with npm, where that runs it. */
async function endWithNpm() {
  (await import('./lifeline.js')).endWithNpm();
}

listenForSignals();
// What hardly any command needs is loaded where it is: each module takes a millisecond and more.
const isTied = process.env.MAYFLY_LIFELINE !== undefined && (await import('./lifeline.js')).holdLifeline();
const doors =
  command === 'serve' ? (await import('./doors.js')).openDoors(process.execArgv, process.env) : [];
if (doors.length > 0) await refuse(doors);
else if (!isNewEnough) {
  const runtime = installedRuntime();
  if (serves) await endWithNpm();
  if (runtime !== undefined) await handOver(runtime);
  else {
    fail(
      `this is Node ${process.versions.node}; Mayfly needs Node ${NEEDED.join('.')} or newer.`,
      'On Linux (x64, arm64) and Windows (x64) npm installs one with the program, as an optional dependency: install ' +
        'it again (in a checkout: `npm ci`), without --omit=optional.',
    );
  }
} else if (!existsSync(program)) {
  fail('this checkout is not built yet: run `npm run build` first (`npm start` does it for you).');
} else {
  // One that is tied has its flags, and would lose the line.
  if (!isTied) await becomeServing();
  // By SIGUSR1 in the moment before the first line of this file.
  if (command === 'serve' && (await isDebugged())) await refuse(['a debugger is open in the process']);
  if (serves && !isTied) await endWithNpm();
  const bundle = bundleOf(command);
  const { main } =
    bundle === undefined ? await import(program.href) : (await import('./compiled.js')).load(bundle);
  await main(words);
}
