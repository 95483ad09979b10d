// Two processes that end together. Plain JavaScript for old engines.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { clearInterval, setInterval } from 'node:timers';
import { Worker } from 'node:worker_threads';

/** Names, in the child's environment, the descriptor whose other end only the parent holds. */
const LIFELINE = 'MAYFLY_LIFELINE';

/** Milliseconds between two looks for npm. */
const INTERVAL = 500;

/** Starts `words` as a child that ends at once when this process is gone, however it went; the child calls
 * {@link holdLifeline}. Descriptors that its arguments name are handed on. `onUp` is called when the child listens for
 * signals. Returns the child. */
export function spawnTied([program, ...words], onUp) {
  const stdio = ['inherit', 'inherit', 'inherit'];
  for (const word of words) {
    const named = Number(/^(?:--?[\w-]+=)?\/(?:dev|proc\/self)\/fd\/(\d)$/.exec(word)?.[1] ?? 0);
    if (named > 2) stdio[named] = named;
  }
  const lifeline = stdio.length;
  stdio.push('pipe');
  const child = spawn(program, words, {
    stdio: Array.from(stdio, (target) => target ?? 'ignore'),
    env: { ...process.env, [LIFELINE]: String(lifeline) },
  });
  // A child that ends first is no fault of the line.
  child.stdio[lifeline]?.on('error', () => undefined).once('data', onUp);
  return child;
}

/** What a thread does: it sees the end of the line however busy the process is, and then ends it as SIGKILL does. */
const WATCH = `
const { workerData } = require('node:worker_threads');
const line = new (require('node:net').Socket)({ fd: workerData });
line.on('error', () => undefined).on('close', () => process.kill(process.pid, 'SIGKILL'));
line.resume().write('up');`;

/** In a child of {@link spawnTied}: from now on this process ends when its parent is gone. Returns whether it is such a
 * child. */
export function holdLifeline() {
  const fd = Number(process.env[LIFELINE] ?? 0);
  // A process that this one starts has no such line.
  delete process.env[LIFELINE];
  if (!Number.isInteger(fd) || fd < 3) return false;
  new Worker(WATCH, { eval: true, workerData: fd, execArgv: [] }).unref();
  return true;
}

/** Asks this process to end, once, when the npm that runs it (`npm start`, `npx`) is gone: npm ends the shell between
 * at most, and leaves the rest. In scripts of other names a program may be meant to outlive npm. */
export function endWithNpm() {
  if (!['start', 'npx'].includes(process.env.npm_lifecycle_event ?? '')) return;
  const before = ancestors();
  const timer = setInterval(() => {
    if (ancestors() === before) return;
    clearInterval(timer);
    process.kill(process.pid, 'SIGTERM');
  }, INTERVAL).unref();
}

/** The parent and, behind the shell that npm puts between, npm. */
function ancestors() {
  const parent = process.ppid;
  try {
    const [, name, , above] = /^\d+ \((.*)\) (\S) (\d+)/.exec(readFileSync(`/proc/${parent}/stat`, 'latin1'));
    return /^(npm|npx|node)/.test(name) ? String(parent) : `${parent} ${above}`;
  } catch {
    // No /proc: the parent alone.
    return String(parent);
  }
}
